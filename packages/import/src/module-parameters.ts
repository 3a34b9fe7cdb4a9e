/**
 * Parameters of the KVM modules, as modprobe.d files and kernel command lines spell them.
 *
 * Models: arch/x86/kvm/mmu/mmu.c, vmx/vmx.c, svm/svm.c, module parameters of 6.1 to 6.12; what they take is what kstrtobool and the parameter's own reader take.
 */
import { splitCommand } from '@mmulab/runner';
import { importMalformed, importValue } from './errors';
import type { Format, ImportedSetting, LeftOut, Reading } from './imported';

/** One `module.name=value`, where it stands. */
interface Parameter {
  readonly module: string;
  readonly name: string;
  /** Absent for a bare name, which switches a flag on. */
  readonly value?: string | undefined;
  readonly said: string;
  readonly line: number;
}

type Kind = 'flag' | 'number' | 'nx';

/** Parameters that a run depends on, by module. */
const PARAMETERS: Readonly<Record<string, Readonly<Record<string, readonly [kind: Kind, key: string]>>>> = {
  kvm: {
    tdp_mmu: ['flag', 'backend.options.tdp_mmu'],
    eager_page_split: ['flag', 'backend.options.eager_page_split'],
    nx_huge_pages: ['nx', 'backend.options.nx_huge_pages'],
    nx_huge_pages_recovery_ratio: ['number', 'backend.options.nx_huge_pages_recovery_ratio'],
    nx_huge_pages_recovery_period_ms: ['number', 'backend.options.nx_huge_pages_recovery_period_ms'],
  },
  kvm_intel: { ept: ['flag', 'backend.options.npt'], eptad: ['flag', 'host.ad_bits'], pml: ['flag', 'host.pml'] },
  kvm_amd: { npt: ['flag', 'backend.options.npt'] },
};

const VENDORS: Readonly<Record<string, string>> = { kvm_intel: 'intel', kvm_amd: 'amd' };
const TRUE = /^([yYtT1]|[oO][nN])/;
const FALSE = /^([nNfF0]|[oO][fF])/;
const DIRECTIVES = ['alias', 'blacklist', 'config', 'install', 'remove', 'softdep', 'weakdep'];
const THP = ['always', 'madvise', 'never'];

/** Files of /etc/modprobe.d. */
export const modprobe: Format = {
  name: 'modprobe.d',
  expected: 'lines such as options kvm tdp_mmu=0',
  isFormat: (text, file) => {
    const lines = joined(text).map(({ words }) => words[0] ?? '');
    return lines.includes('options') || (file.endsWith('.conf') && lines.some(word => DIRECTIVES.includes(word)));
  },
  read: (text, file) => {
    const leftOut: LeftOut[] = [];
    const parameters = joined(text).flatMap(({ words: [directive = '', module = '', ...rest], line }): Parameter[] => {
      if (directive === 'options' && isKvm(module)) {
        return rest.map(word => ({ ...cutAtEquals(word), module: module.replaceAll('-', '_'), said: `options ${module} ${word}`, line }));
      }
      const isKnown = directive === 'options' || DIRECTIVES.includes(directive);
      if (!isKnown) throw importMalformed({ file, line }, 'modprobe.d', `${directive}: not a directive (known: options, ${DIRECTIVES.join(', ')})`);
      const why = directive === 'options' ? 'a module other than KVM' : 'says when modules are loaded, not how they run';
      leftOut.push({ said: [directive, module, ...rest].join(' '), why, line });
      return [];
    });
    return fromParameters(parameters, { file, leftOut, mitigationsOff: false, settings: [] });
  },
};

/** `/proc/cmdline`, or the `GRUB_CMDLINE_LINUX` lines of /etc/default/grub. */
export const kernelCommandLine: Format = {
  name: 'kernel command line',
  expected: 'parameters such as kvm.nx_huge_pages=force kvm_intel.ept=0',
  isFormat: text =>
    /^\s*GRUB_CMDLINE_LINUX/m.test(text) ||
    (text.trim().split('\n').length === 1 &&
      /(^|\s)("?kvm([_-](intel|amd|arm))?\.\w|BOOT_IMAGE=|root=\S|mitigations=|transparent_hugepage=)/.test(text)),
  read: (text, file) => {
    const leftOut: LeftOut[] = [];
    const settings: ImportedSetting[] = [];
    const words = bootWords(text);
    let others = 0;
    const parameters = words.flatMap(({ word, line }): Parameter[] => {
      const { name: key, value } = cutAtEquals(word);
      const dot = key.indexOf('.');
      const module = key.slice(0, Math.max(0, dot)).replaceAll('-', '_');
      if (module === 'kvm_arm') armMode(word, line, settings, leftOut);
      else if (isKvm(module)) return [{ module, name: key.slice(dot + 1), value, said: word, line }];
      else if (key === 'transparent_hugepage') settings.push({ key: 'host.thp', value: thpOf(word, value, file, line), said: word, line });
      else if (/hugepagesz?$/.test(key)) leftOut.push({ said: word, why: 'hugetlb pages are there in any number; a test asks for their size', line });
      else if (key !== 'mitigations') others++;
      return [];
    });
    if (others > 0) leftOut.push({ said: `${others} other parameters`, why: 'no part in the second-stage MMU' });
    return fromParameters(parameters, { file, leftOut, settings, mitigationsOff: words.some(({ word }) => /^mitigations=(\S*,)?off/.test(word)) });
  },
};

interface Gathered {
  readonly file: string;
  readonly leftOut: LeftOut[];
  readonly settings: ImportedSetting[];
  readonly mitigationsOff: boolean;
}

function fromParameters(parameters: readonly Parameter[], { file, leftOut, settings: others, mitigationsOff }: Gathered): Reading {
  const found = new Map<string, ImportedSetting>();
  const vendor = vendorOf(parameters, leftOut);
  for (const parameter of parameters) {
    const known = Object.hasOwn(PARAMETERS, parameter.module) ? PARAMETERS[parameter.module] : undefined;
    const meaning = known !== undefined && Object.hasOwn(known, parameter.name) ? known[parameter.name] : undefined;
    const { said, line } = parameter;
    const ofOther = VENDORS[parameter.module] !== undefined && VENDORS[parameter.module] !== vendor;
    if (meaning === undefined) leftOut.push({ said, why: 'not a parameter that a run depends on', line });
    else if (ofOther) leftOut.push({ said, why: `the module of another CPU than ${vendor ?? ''}`, line });
    else {
      const [kind, key] = meaning;
      // As modprobe and the kernel do it: of a parameter given twice the last one counts.
      const before = found.get(key);
      if (before !== undefined) leftOut.push({ said: before.said, why: `${said} comes later`, line: before.line });
      found.set(key, { key, value: valueOf(parameter, kind, { file, vendor, mitigationsOff }), said, line });
    }
  }
  const settings = [...(vendor === undefined ? [] : [vendorSetting(vendor, parameters)]), ...others, ...found.values()];
  return { settings: withBackend(settings), leftOut };
}

/** The vendor whose module is set up; Intel's where both are, since a host loads one of them and does not say which. */
function vendorOf(parameters: readonly Parameter[], leftOut: LeftOut[]): string | undefined {
  const vendors = new Set(parameters.flatMap(({ module }) => VENDORS[module] ?? []));
  if (vendors.size > 1)
    leftOut.push({
      said: 'kvm_amd',
      why: 'kvm_intel is set up too, and the host loads one of them: Intel is taken (--set vendor=amd)',
      decided: true,
    });
  return vendors.has('intel') ? 'intel' : [...vendors][0];
}

function vendorSetting(vendor: string, parameters: readonly Parameter[]): ImportedSetting {
  const first = parameters.find(({ module }) => VENDORS[module] === vendor);
  return { key: 'host.vendor', value: vendor, said: first?.said ?? vendor, line: first?.line };
}

/** Without TDP, or with TDP and without its MMU, KVM runs its legacy MMU: the backend x86-shadow, whose own default is npt=N. */
function withBackend(settings: readonly ImportedSetting[]): readonly ImportedSetting[] {
  const off = (name: string): ImportedSetting | undefined => settings.find(({ key, value }) => key === `backend.options.${name}` && value === 'N');
  const [noPaging, noTdpMmu] = [off('npt'), off('tdp_mmu')];
  const because = noPaging ?? noTdpMmu;
  if (because === undefined) return settings;
  const isSaid = settings.some(({ key }) => key === 'backend.options.npt');
  const { said, line } = because;
  const npt = isSaid ? [] : [{ key: 'backend.options.npt', value: 'Y', said, line }];
  return [{ key: 'backend.name', value: 'x86-shadow', said, line }, ...npt, ...settings];
}

interface ValueContext {
  readonly file: string;
  readonly vendor: string | undefined;
  readonly mitigationsOff: boolean;
}

function valueOf({ name, value, said, line }: Parameter, kind: Kind, { file, vendor, mitigationsOff }: ValueContext): string | number {
  const place = { file, line };
  if (kind === 'number') {
    if (value === undefined || !/^(0x[0-9a-f]+|\d+)$/i.test(value)) throw importValue(place, said, value, 'a whole number');
    return /^0\d/.test(value) ? parseInt(value, 8) : Number(value);
  }
  if (kind === 'nx') {
    if (value === 'force') return 'Y';
    if (value === 'off' || value === 'never') return 'N';
    // On with an Intel CPU, which may have the bug, unless all mitigations are off.
    if (value === 'auto') return mitigationsOff || vendor === 'amd' ? 'N' : 'Y';
  }
  if (value === undefined || TRUE.test(value)) return 'Y';
  if (FALSE.test(value)) return 'N';
  throw importValue(place, said, value, kind === 'nx' ? 'off, force, auto, never, Y or N' : `Y or N (${name} is a flag)`);
}

function armMode(word: string, line: number, settings: ImportedSetting[], leftOut: LeftOut[]): void {
  const { name, value } = cutAtEquals(word);
  if (!name.endsWith('.mode') || (value !== 'nvhe' && value !== 'vhe')) leftOut.push({ said: word, why: 'not a mode that is modelled', line });
  else
    settings.push(
      { key: 'backend.name', value: 'arm64-stage2', said: word, line },
      { key: 'host.vhe', value: value === 'vhe' ? 'Y' : 'N', said: word, line },
    );
}

function thpOf(word: string, value: string | undefined, file: string, line: number): string {
  if (value === undefined || !THP.includes(value)) throw importValue({ file, line }, word, value, THP.join(', '));
  return value;
}

function isKvm(module: string): boolean {
  return /^kvm([_-](intel|amd|arm))?$/.test(module);
}

function cutAtEquals(word: string): { readonly name: string; readonly value?: string } {
  const at = word.indexOf('=');
  return at < 0 ? { name: word } : { name: word.slice(0, at), value: word.slice(at + 1).replace(/^"(.*)"$/, '$1') };
}

/** Lines in words, comments and empty ones left out, those that end with a backslash joined to the next. */
function joined(text: string): readonly { readonly words: readonly string[]; readonly line: number }[] {
  const lines: { words: string[]; line: number }[] = [];
  let goesOn = false;
  text.split(/\r?\n/).forEach((raw, index) => {
    const words = raw.replace(/\\$/, '').trim().split(/\s+/);
    const last = lines.at(-1);
    if (goesOn && last !== undefined) last.words.push(...words);
    else if (words[0] !== '' && !words[0]?.startsWith('#')) lines.push({ words, line: index + 1 });
    goesOn = raw.endsWith('\\');
  });
  return lines;
}

function bootWords(text: string): readonly { readonly word: string; readonly line: number }[] {
  return text.split(/\r?\n/).flatMap((raw, index) => {
    const grub = /^\s*GRUB_CMDLINE_LINUX\w*=(.*)$/.exec(raw);
    if (grub === null && /^\s*(#|\w+=.*$)/.test(raw) && /GRUB_/.test(text)) return [];
    const line = grub === null ? raw : (splitCommand(grub[1] ?? '')[0] ?? '');
    return splitCommand(line).map(word => ({ word, line: index + 1 }));
  });
}
