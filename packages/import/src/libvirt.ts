/**
 * libvirt: the XML of a domain, as `virsh dumpxml` prints it.
 *
 * Models: libvirt's domain format, elements vcpu, memory, currentMemory, memoryBacking, cpu, os. Entities of a document's own are not expanded.
 */
import type * as FastXml from 'fast-xml-parser';
import { importMalformed, importValue } from './errors';
import type { Format, ImportedSetting, LeftOut } from './imported';
import { readVm, type VmBacking } from './vm';

const NAME = 'libvirt domain';
/** Bytes of a unit; without one it is KiB. */
const UNITS: Readonly<Record<string, number>> = {
  ...{ b: 1, bytes: 1, kb: 1e3, k: 2 ** 10, kib: 2 ** 10, mb: 1e6, m: 2 ** 20, mib: 2 ** 20 },
  ...{ gb: 1e9, g: 2 ** 30, gib: 2 ** 30, tb: 1e12, t: 2 ** 40, tib: 2 ** 40 },
};
/** Elements that are read. */
const READ = ['vcpu', 'memory', 'currentMemory', 'memoryBacking', 'os', 'cpu'];
/** Elements that name the VM and nothing else. */
const NAMES = ['name', 'uuid', 'title', 'description', 'metadata', 'genid'];
/** Backends by architecture; that of x86 is the default, and module parameters say which one it is. */
const BACKENDS: Readonly<Record<string, string | undefined>> = { aarch64: 'arm64-stage2', x86_64: undefined, i686: undefined };

/** An element: attributes begin with `@`, its text is `#text`. */
type Element = Readonly<Record<string, unknown>>;

/** The XML of a domain. */
export const libvirt: Format = {
  name: NAME,
  expected: 'a domain with vcpu and memory',
  isFormat: text => /^\s*(<\?xml[^>]*\?>\s*)?(<!--[\s\S]*?-->\s*)*<domain[\s>]/.test(text),
  read: (text, file) => {
    const domain = domainOf(text, file);
    const leftOut: LeftOut[] = Object.keys(domain)
      .filter(key => !key.startsWith('@') && key !== '#text' && !READ.includes(key) && !NAMES.includes(key))
      .map(key => ({ said: `<${key}>`, why: 'no part in the second-stage MMU' }));
    const vcpu = child(domain, 'vcpu');
    const vcpus = vcpu === undefined ? undefined : vcpusOf(vcpu, file);
    const memory = child(domain, 'currentMemory') ?? child(domain, 'memory');
    const element = child(domain, 'currentMemory') === undefined ? 'memory' : 'currentMemory';
    if (textOf(domain['@type']) === 'qemu')
      leftOut.push({ said: "type='qemu'", why: 'emulated, without KVM: taken as if it were kvm', decided: true });
    return readVm({
      arch: archOf(domain, leftOut),
      vcpus: vcpus === undefined ? undefined : { count: vcpus, said: `<vcpu> ${vcpus}` },
      memory:
        memory === undefined
          ? undefined
          : { bytes: bytesOf(memory, element, file), said: `<${element}> ${textOf(memory['#text'])} ${textOf(memory['@unit']) || 'KiB'}` },
      backing: backingOf(child(domain, 'memoryBacking'), file, leftOut),
      leftOut: [...cpuNotes(child(domain, 'cpu')), ...leftOut],
    });
  },
};

function domainOf(text: string, file: string): Element {
  if (/<!DOCTYPE/i.test(text)) throw importMalformed({ file }, NAME, 'has a DOCTYPE, which libvirt never writes');
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when there is a domain to read
  const { XMLParser, XMLValidator } = require('fast-xml-parser') as typeof FastXml;
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw importMalformed({ file, line: valid.err.line }, NAME, valid.err.msg);
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    parseTagValue: false,
    parseAttributeValue: false,
    processEntities: false,
    alwaysCreateTextNode: true,
  });
  try {
    const [domain] = listOf((parser.parse(text) as Element)['domain']);
    return domain ?? {};
  } catch (error) {
    throw importMalformed({ file }, NAME, error instanceof Error ? error.message : String(error));
  }
}

/** Elements of one name; the parser makes a list of them where there are several. */
function listOf(value: unknown): readonly Element[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((one): one is Element => typeof one === 'object' && one !== null);
}

function child(element: Element, name: string): Element | undefined {
  return listOf(element[name])[0];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

function vcpusOf(vcpu: Element, file: string): number {
  // Those that are there when the VM starts; the others are plugged in later.
  const text = textOf(vcpu['@current']) || textOf(vcpu['#text']);
  if (!/^[1-9]\d{0,5}$/.test(text)) throw importValue({ file }, 'vcpu', text, 'a number of vCPUs');
  return Number(text);
}

function bytesOf(element: Element, name: string, file: string): number {
  const [text, unit] = [textOf(element['#text']), textOf(element['@unit']).toLowerCase() || 'kib'];
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (factor === undefined) throw importValue({ file }, `${name} unit`, unit, 'KiB, MiB, GiB, TiB, KB, MB, GB, TB or bytes');
  const bytes = Number(text) * factor;
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(bytes) || bytes === 0) throw importValue({ file }, name, text, 'an amount of memory');
  return bytes;
}

function archOf(domain: Element, leftOut: LeftOut[]): ImportedSetting | undefined {
  const type = child(child(domain, 'os') ?? {}, 'type');
  const arch = textOf(type?.['@arch']);
  if (arch === '') return undefined;
  const value = BACKENDS[arch];
  if (!Object.hasOwn(BACKENDS, arch)) leftOut.push({ said: `arch='${arch}'`, why: 'no backend models its MMU' });
  return value === undefined ? undefined : { key: 'backend.name', value, said: `<type arch='${arch}'>` };
}

function backingOf(backing: Element | undefined, file: string, leftOut: LeftOut[]): VmBacking {
  // QEMU asks for transparent huge pages for all guest memory.
  if (backing === undefined) return { shared: false, thp: true, said: 'no <memoryBacking>' };
  for (const name of ['nosharepages', 'locked', 'allocation', 'discard']) {
    if (name in backing) leftOut.push({ said: `<${name}>`, why: 'host pages are there when they are touched' });
  }
  const source = textOf(child(backing, 'source')?.['@type']);
  const shared = textOf(child(backing, 'access')?.['@mode']) === 'shared';
  const hugepages = child(backing, 'hugepages');
  if (hugepages === undefined && 'hugepages' in backing) return { shared, thp: true, hugeBytes: 2 ** 21, said: '<hugepages/>' };
  if (hugepages === undefined) return { shared, thp: !shared, said: `<memoryBacking>${source === '' ? '' : ` of ${source}`}` };
  const pages = listOf(hugepages['page']);
  if (pages.length > 1) leftOut.push({ said: `${pages.length} sizes of <page>`, why: 'the first one is taken for all nodes', decided: true });
  const [page] = pages;
  const size = textOf(page?.['@size']);
  if (size === '') return { shared, thp: true, hugeBytes: 2 ** 21, said: '<hugepages/>' };
  const hugeBytes = bytesOf({ '#text': size, '@unit': textOf(page?.['@unit']) }, 'page size', file);
  return { shared, thp: true, hugeBytes, said: `<page size='${size}'>` };
}

function cpuNotes(cpu: Element | undefined): readonly LeftOut[] {
  if (cpu === undefined) return [];
  const mode = textOf(cpu['@mode']);
  return [
    {
      said: mode === '' ? '<cpu>' : `<cpu mode='${mode}'>`,
      why: 'topology and features of the guest count in no test; facts about the host stand under host',
    },
  ];
}
