/**
 * From facts of a host to a backend with its kernel, module parameters and machine, as a record names them. Only what the host really said is in it.
 */
import type { BackendDefinition, OptionValue } from '@mmulab/api';
import { recordingIncomplete } from './errors';

/** A host in the words of a record. */
export interface RecordedHost {
  readonly arch: string;
  readonly backend: string;
  readonly kernel: string;
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly host: Readonly<Record<string, OptionValue>>;
}

type Facts = Readonly<Record<string, string>>;

const ARM_PARTS: Readonly<Record<string, string>> = { '0xd08': 'cortex-a72', '0xd0c': 'neoverse-n1' };

/** @param directory for messages; @throws RECORDING_INCOMPLETE */
export function recordedHost(directory: string, facts: Facts, backends: readonly BackendDefinition[]): RecordedHost {
  const machine = facts['arch'] ?? facts['machine'] ?? '';
  const arch = /^(aarch64|arm64)/.test(machine) ? 'arm64' : /^(x86_64|i.86)/.test(machine) ? 'x86' : undefined;
  if (arch === undefined)
    throw recordingIncomplete(directory, `facts: machine is ${machine === '' ? 'missing' : machine}, expected x86_64 or aarch64`);
  const kernel = kernelOf(facts);
  if (kernel === undefined) throw recordingIncomplete(directory, `facts: release is ${facts['release'] ?? 'missing'}, expected a release number`);
  const { backend, options } = arch === 'x86' ? x86Options(facts) : { backend: 'arm64-stage2', options: {} };
  const definition = backends.find(({ name }) => name === backend);
  if (definition === undefined) throw recordingIncomplete(directory, `facts: the backend ${backend} is not installed`);
  const host = arch === 'x86' ? x86Host(facts) : arm64Host(facts);
  const known = new Set(definition.options.map(({ name }) => name));
  const knownHost = new Set(['thp', ...definition.hostOptions.map(({ name }) => name)]);
  return { arch, backend, kernel, options: only(options, known), host: only(host, knownHost) };
}

/** The stable release: distributions hide it in other words. */
function kernelOf(facts: Facts): string | undefined {
  const debian = /\bDebian (\d+\.\d+\.\d+)/.exec(facts['version'] ?? '')?.[1];
  const ubuntu = /\s(\d+\.\d+\.\d+)\s*$/.exec(facts['signature'] ?? '')?.[1];
  return debian ?? ubuntu ?? /^(\d+\.\d+(?:\.\d+)?)/.exec(facts['release'] ?? '')?.[1];
}

function x86Options(facts: Facts): { readonly backend: string; readonly options: Record<string, OptionValue> } {
  const parameter = (name: string): string | undefined => facts[`kvm.${name}`];
  const paging = facts['kvm_intel.ept'] ?? facts['kvm_amd.npt'];
  const options: Record<string, OptionValue> = {};
  const nx = parameter('nx_huge_pages');
  if (nx !== undefined) options['nx_huge_pages'] = isOn(nx) ? 'Y' : 'N';
  const eager = parameter('eager_page_split');
  if (eager !== undefined) options['eager_page_split'] = isOn(eager) ? 'Y' : 'N';
  const tdpMmu = parameter('tdp_mmu');
  if (tdpMmu !== undefined) options['tdp_mmu'] = isOn(tdpMmu) ? 'Y' : 'N';
  if (paging !== undefined) options['npt'] = isOn(paging) ? 'Y' : 'N';
  const tdp = options['npt'] !== 'N' && options['tdp_mmu'] !== 'N';
  return { backend: tdp ? 'x86-tdp' : 'x86-shadow', options };
}

function x86Host(facts: Facts): Record<string, OptionValue> {
  const vendor = facts['cpu.vendor_id'] ?? '';
  const host: Record<string, OptionValue> = { vendor: /AMD|Hygon/.test(vendor) ? 'amd' : 'intel' };
  if (facts['kvm_intel.pml'] !== undefined) host['pml'] = isOn(facts['kvm_intel.pml']) ? 'Y' : 'N';
  if (facts['kvm_intel.eptad'] !== undefined) host['ad_bits'] = isOn(facts['kvm_intel.eptad']) ? 'Y' : 'N';
  if (/\bla57\b/.test(facts['cpu.flags'] ?? '')) host['la57'] = 'Y';
  return { ...host, ...thpOf(facts) };
}

function arm64Host(facts: Facts): Record<string, OptionValue> {
  const host: Record<string, OptionValue> = {};
  const cpu = ARM_PARTS[facts['cpu.CPU part'] ?? ''];
  if (cpu !== undefined) host['cpu'] = cpu;
  const page = /^(\d+) kB/.exec(facts['pagesize'] ?? '')?.[1];
  if (page !== undefined) host['granule'] = `${page}K`;
  return { ...host, ...thpOf(facts) };
}

function thpOf(facts: Facts): Record<string, OptionValue> {
  const chosen = /\[(\w+)\]/.exec(facts['thp'] ?? '')?.[1];
  return chosen === undefined ? {} : { thp: chosen };
}

/** Values of module parameters that mean "on". */
function isOn(value: string): boolean {
  return /^(Y|y|1|force)$/.test(value.trim());
}

function only(values: Readonly<Record<string, OptionValue>>, names: ReadonlySet<string>): Readonly<Record<string, OptionValue>> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name)));
}
