/**
 * QEMU: a command line, from a script with backslashes at its line ends, or from /proc/PID/cmdline with zeros between its words.
 *
 * Models: qemu-options.hx of QEMU 7 to 9, -m, -smp, -object memory-backend-*, -mem-path, -machine, -accel.
 */
import { parseSize } from '@mmulab/api';
import { splitCommand } from '@mmulab/runner';
import { importMalformed, importValue } from './errors';
import type { Format, ImportedSetting, LeftOut } from './imported';
import { readVm, type VmBacking } from './vm';

const NAME = 'QEMU command line';
const PROGRAM = /(^|\/)(qemu-system-(\w+)|qemu-kvm|kvm)$/;
/** Backends by architecture; that of x86 is the default, and module parameters say which one it is. */
const BACKENDS: Readonly<Record<string, string | undefined>> = { aarch64: 'arm64-stage2', x86_64: undefined, i386: undefined };
const DEFAULT_BYTES = 128 * 2 ** 20;

/** An option with its comma list. */
interface Option {
  readonly name: string;
  /** Values by key; the first one may stand without its key, as `''`. */
  readonly values: Readonly<Record<string, string>>;
  readonly said: string;
}

/** QEMU's options. */
export const qemu: Format = {
  name: NAME,
  expected: 'qemu-system-x86_64 with -m and -smp',
  isFormat: text => /(^|[/\s])(qemu-system-\w+|qemu-kvm|kvm)[\s\0]+(\\\r?\n\s*)?-/.test(text),
  read: (text, file) => {
    const words = wordsOf(text);
    const start = words.findIndex(word => PROGRAM.test(word));
    if (start < 0) throw importMalformed({ file }, NAME, 'no qemu-system-… in it');
    const options = optionsOf(words.slice(start + 1));
    const used = new Set<Option>();
    const find = (name: string): Option | undefined => {
      const found = options.filter(option => option.name === name).at(-1);
      if (found !== undefined) used.add(found);
      return found;
    };
    const [memory, smp] = [find('m'), find('smp')];
    const leftOut: LeftOut[] = [];
    const backing = backingOf(options, used, file, leftOut);
    if (!isKvm(options, used)) leftOut.push({ said: 'no -accel kvm', why: 'emulated, without KVM: taken as if it were there', decided: true });
    const count = vcpusOf(smp, file);
    const others = options.filter(option => !used.has(option));
    if (others.length > 0) leftOut.push({ said: `${others.length} other options (${namesOf(others)})`, why: 'no part in the second-stage MMU' });
    return readVm({
      arch: archOf(words[start] ?? '', leftOut),
      vcpus: { count, said: smp?.said ?? 'no -smp' },
      memory: { bytes: memory === undefined ? DEFAULT_BYTES : memoryOf(memory, file), said: memory?.said ?? 'no -m' },
      backing,
      leftOut,
    });
  },
};

function wordsOf(text: string): readonly string[] {
  if (text.includes('\0')) return text.split('\0').filter(word => word.trim() !== '');
  return splitCommand(text.replace(/\\\r?\n/g, ' ').replace(/^\s*#.*$/gm, ''));
}

function optionsOf(words: readonly string[]): readonly Option[] {
  const options: Option[] = [];
  words.forEach((word, index) => {
    if (!/^--?[A-Za-z]/.test(word)) return;
    const next = words[index + 1];
    const list = next === undefined || /^--?[A-Za-z]/.test(next) ? '' : next;
    const said = `-${word.replace(/^-+/, '')}${list === '' ? '' : ` ${list}`}`;
    options.push({ name: word.replace(/^-+/, ''), values: valuesOf(list), said });
  });
  return options;
}

function valuesOf(list: string): Readonly<Record<string, string>> {
  // Two commas stand for one that is part of a value.
  const parts = list.split(/(?<!,),(?!,)/).map(part => part.replaceAll(',,', ','));
  return Object.fromEntries(
    parts.map((part, index) => {
      const at = part.indexOf('=');
      if (at >= 0) return [part.slice(0, at), part.slice(at + 1)];
      return index === 0 ? ['', part] : [part, 'on'];
    }),
  );
}

function namesOf(options: readonly Option[]): string {
  const names = [...new Set(options.map(({ name }) => `-${name}`))];
  return names.length > 6 ? `${names.slice(0, 6).join(', ')}, …` : names.join(', ');
}

function archOf(program: string, leftOut: LeftOut[]): ImportedSetting | undefined {
  const arch = PROGRAM.exec(program)?.[3];
  if (arch === undefined) return undefined;
  const value = BACKENDS[arch];
  if (!Object.hasOwn(BACKENDS, arch)) leftOut.push({ said: `qemu-system-${arch}`, why: 'no backend models its MMU' });
  return value === undefined ? undefined : { key: 'backend.name', value, said: `qemu-system-${arch}` };
}

function isKvm(options: readonly Option[], used: Set<Option>): boolean {
  const accelerating = options.filter(({ name, values }) => {
    if (name === 'enable-kvm') return true;
    if (name === 'accel') return values[''] === 'kvm' || values['accel'] === 'kvm';
    return (name === 'machine' || name === 'M') && /(^|:)kvm(:|$)/.test(values['accel'] ?? '');
  });
  for (const option of accelerating) used.add(option);
  return accelerating.length > 0;
}

function vcpusOf(smp: Option | undefined, file: string): number {
  if (smp === undefined) return 1;
  const { values } = smp;
  const parts = ['sockets', 'dies', 'clusters', 'cores', 'threads'].map(name => Number(values[name] ?? 1));
  const text = values['cpus'] ?? (values[''] || values['maxcpus']) ?? String(parts.reduce((product, part) => product * part, 1));
  if (!/^[1-9]\d{0,5}$/.test(text)) throw importValue({ file }, smp.said, text, 'a number of vCPUs');
  return Number(text);
}

function memoryOf({ values, said }: Option, file: string): number {
  const text = values['size'] ?? values[''] ?? '';
  // Without a unit it is MiB.
  const bytes = parseSize(/^\d+$/.test(text) ? `${text}M` : text);
  if (bytes === undefined || bytes === 0) throw importValue({ file }, said, text, 'an amount of memory, such as 4G or 4096');
  return bytes;
}

function backingOf(options: readonly Option[], used: Set<Option>, file: string, leftOut: LeftOut[]): VmBacking {
  const path = options.find(({ name }) => name === 'mem-path');
  const backends = options.filter(
    ({ name, values }) => name === 'object' && /^memory-backend-(ram|memfd|file)$/.test(values[''] ?? values['qom-type'] ?? ''),
  );
  for (const option of [...backends, ...(path === undefined ? [] : [path])]) used.add(option);
  if (backends.length > 1) leftOut.push({ said: `${backends.length} memory backends`, why: 'the first one is taken for all memory', decided: true });
  const [backend] = backends;
  if (backend === undefined) {
    // QEMU asks for transparent huge pages for all guest memory.
    if (path === undefined) return { shared: false, thp: true, said: 'no memory backend' };
    return { shared: false, thp: true, hugeBytes: hugeOfPath(path.values[''] ?? ''), said: path.said };
  }
  const { values, said } = backend;
  const isMemfd = (values[''] ?? values['qom-type']) === 'memory-backend-memfd';
  const shared = values['share'] === undefined ? isMemfd : isOn(values['share']);
  if (isMemfd && isOn(values['hugetlb'])) {
    const size = values['hugetlbsize'] ?? '2M';
    const hugeBytes = parseSize(size);
    if (hugeBytes === undefined) throw importValue({ file }, said, size, 'a size of huge pages, such as 2M');
    return { shared, thp: true, hugeBytes, said };
  }
  return { shared, thp: !shared, hugeBytes: hugeOfPath(values['mem-path'] ?? ''), said };
}

function isOn(value: string | undefined): boolean {
  return value === 'on' || value === 'yes' || value === 'true' || value === 'y';
}

/** Mounts of hugetlbfs are named for it, and for the size of their pages where it is not the default. */
function hugeOfPath(path: string): number | undefined {
  if (!/huge/i.test(path)) return undefined;
  return /1g|1048576/i.test(path) ? 2 ** 30 : 2 ** 21;
}
