/**
 * Options that several tests have, and typed access to validated values.
 */
import { parseSize, type Gfn, type NumberOption, type OptionValues, type SizeOption, type SwitchOption, type TextOption } from '@mmulab/api';
import { optionConflict, optionNotValidated, sizeUnaligned } from './errors';
import type { CommandFlag, ValueFlag } from './command-line';
import { Family } from './generation';

/** What all test memory together may be: as the tests allow. */
export const MAX_TEST_MEMORY_BYTES = 16 * 2 ** 40;
/** vCPUs a test may have (KVM_MAX_VCPUS of the test library). */
export const MAX_VCPUS = 512;
/** What the guest's page is at least. */
const MIN_BYTES = 4096;

/** Number of vCPUs. */
export const vcpusOption: NumberOption = {
  kind: 'number',
  name: 'vcpus',
  doc: 'Number of vCPUs.',
  default: 1,
  min: 1,
  max: MAX_VCPUS,
  integer: true,
};

/** The option of a test that has so many vCPUs and no flag for it. */
export function fixedVcpus(count: number): NumberOption {
  return { ...vcpusOption, doc: `Number of vCPUs: the test has ${count}.`, default: count, min: count, max: count };
}

/** Kind of host memory behind the test memory. */
export const backingOption: TextOption = {
  kind: 'text',
  name: 'backing',
  doc: 'Kind of host memory behind the test memory, for example anonymous, anonymous_thp, anonymous_hugetlb_2mb, shmem.',
  default: 'anonymous',
  pattern: '^[A-Za-z0-9_.-]+$',
  expected: 'the name of a host backing',
};

/** All vCPUs touch the whole test memory. */
export const overlapOption: SwitchOption = {
  kind: 'switch',
  name: 'overlap',
  doc: 'Every vCPU touches the whole test memory instead of a part of its own.',
  default: false,
};

/** A size of test memory. @param doc whether it is per vCPU or for all */
export function bytesOption(doc: string, defaultBytes = 2 ** 30): SizeOption {
  return { kind: 'size', name: 'bytes', doc, default: defaultBytes, min: MIN_BYTES, max: MAX_TEST_MEMORY_BYTES };
}

/** A plain switch that is off unless given. */
export function switchOption(name: string, doc: string, isDefault = false): SwitchOption {
  return { kind: 'switch', name, doc, default: isDefault };
}

/** Flags of all tests that run in guest modes. */
export const modeFlag: ValueFlag = {
  letter: 'm',
  argument: 'mode',
  option: 'guest_mode',
  once: true,
  doc: 'guest mode, by number (of the generation) or name',
};
export const bytesFlag: ValueFlag = { letter: 'b', argument: 'size', option: 'bytes', doc: 'test memory per vCPU, for example 16M' };
export const vcpusFlag: ValueFlag = { letter: 'v', argument: 'vcpus', option: 'vcpus', doc: `number of vCPUs, 1 to ${MAX_VCPUS}` };
export const backingFlag: ValueFlag = { letter: 's', argument: 'backing', option: 'backing', doc: 'kind of host memory' };
export const overlapFlag: CommandFlag = { letter: 'o', option: 'overlap', value: true, doc: 'all vCPUs touch the whole test memory' };
export const pinningFlag: ValueFlag = {
  letter: 'c',
  argument: 'cpus',
  option: 'pinning',
  family: Family.Newer,
  doc: 'host CPUs to pin to: one per vCPU, one more for the main thread (counts do not depend on it)',
};

/** Where the newer tests pin their threads: accepted, without an effect on counts. */
export const pinningOption: TextOption = {
  kind: 'text',
  name: 'pinning',
  doc: 'Host CPUs to pin to (-c): one per vCPU, and one more for the main thread if it is to be pinned too. Counts do not depend on it.',
  default: '',
  pattern: '^([0-9]+(,[0-9]+)*)?$',
  expected: 'a list of CPU numbers such as 1,2,3',
};

/**
 * Checks the list behind `-c`, where a test has one.
 * @throws MmulabError WORKLOAD_OPTION_CONFLICT unless there is one CPU per vCPU, or one more
 */
export function checkPinning(workload: string, options: OptionValues, vcpus: number): void {
  const list = options[pinningOption.name];
  if (typeof list !== 'string' || list === '') return;
  const cpus = list.split(',').length;
  if (cpus === vcpus || cpus === vcpus + 1) return;
  throw optionConflict(workload, 'pinning', `${cpus} CPUs for ${vcpus} vCPUs: expected one per vCPU, or one more for the main thread`);
}

/** Where test memory begins: honoured by kvm_page_table_test and dirty_log_test, read and not used by the others. */
export function physOffsetOption(doc: string): TextOption {
  return {
    kind: 'text',
    name: 'phys_offset',
    doc,
    default: '0',
    pattern: '^(0x[0-9A-Fa-f]+|[0-9]+[KMGTkmgt]?)$',
    expected: 'an address such as 0x100000000, or a size such as 4G',
  };
}

/**
 * Where `-p` places the test memory, in frames; undefined for the top.
 * @throws MmulabError WORKLOAD_SIZE_UNALIGNED
 */
export function physOffsetFrames(workload: string, options: OptionValues, guestPageBytes: number, pageSizeBytes: number): Gfn | undefined {
  const text = textValue(options, 'phys_offset');
  const bytes = /^0x/i.test(text) ? Number(text) : (parseSize(text) ?? 0);
  if (bytes % guestPageBytes !== 0) throw sizeUnaligned(workload, 'phys_offset', bytes, guestPageBytes);
  return bytes === 0 ? undefined : bytes / pageSizeBytes;
}

/** @returns the value of a number or size option */
export function numberValue(options: OptionValues, name: string): number {
  const value = options[name];
  if (typeof value !== 'number') throw optionNotValidated(name, value);
  return value;
}

/** @returns the value of a choice or text option */
export function textValue(options: OptionValues, name: string): string {
  const value = options[name];
  if (typeof value !== 'string') throw optionNotValidated(name, value);
  return value;
}

/** @returns the value of a switch */
export function switchValue(options: OptionValues, name: string): boolean {
  const value = options[name];
  if (typeof value !== 'boolean') throw optionNotValidated(name, value);
  return value;
}
