/**
 * Guest modes of the selftests: page size of the guest's own tables, bits of guest physical and virtual addresses. `-m` names one by a number
 * that changed from generation to generation of the tests, so names are the better choice in configs; a name means the same in all of them.
 *
 * Models: Linux 5.10, 6.1 and 6.12, tools/testing/selftests/kvm/include, enum vm_guest_mode.
 */
import type { Machine, TextOption } from '@mmulab/api';
import { unknownMode, unsupportedMode } from './errors';
import type { Generation } from './generation';

/** How the guest is set up. */
export interface GuestMode {
  /** As in the tests, without `VM_MODE_`; `P40V48_4K` is 40 bits physical, 48 bits virtual, 4 KiB pages. */
  readonly name: string;
  readonly physBits: number;
  readonly virtBits: number;
  readonly pageSizeBytes: number;
  /** Frames of the host in one page of the guest: a whole number, or 1/n. */
  readonly pageFrames: number;
}

const MODES_OF_5_12 = ['P52V48_4K', 'P52V48_64K', 'P48V48_4K', 'P48V48_64K', 'P40V48_4K', 'P40V48_64K', 'PXXV48_4K'];
const MODES_OF_6_1 = [
  'P52V48_4K',
  'P52V48_64K',
  'P48V48_4K',
  'P48V48_16K',
  'P48V48_64K',
  'P40V48_4K',
  'P40V48_16K',
  'P40V48_64K',
  'PXXV48_4K',
  'P47V64_4K',
  'P44V64_4K',
  'P36V48_4K',
  'P36V48_16K',
  'P36V48_64K',
  'P36V47_16K',
];
const MODES_OF_6_8 = [
  'P52V48_4K',
  'P52V48_16K',
  'P52V48_64K',
  'P48V48_4K',
  'P48V48_16K',
  'P48V48_64K',
  'P40V48_4K',
  'P40V48_16K',
  'P40V48_64K',
  'PXXV48_4K',
  'P47V64_4K',
  'P44V64_4K',
  'P36V48_4K',
  'P36V48_16K',
  'P36V48_64K',
  'P36V47_16K',
];

/** Names by number, per generation. */
export const MODE_NUMBERS: Readonly<Record<Generation, readonly string[]>> = {
  '5.12': MODES_OF_5_12,
  '6.1': MODES_OF_6_1,
  '6.2': MODES_OF_6_1,
  '6.8': MODES_OF_6_8,
  '6.12': MODES_OF_6_8,
};

/** Address bits that say "whatever the machine has". */
const MACHINE_BITS = 'XX';

/** The option behind `-m`. */
export const guestModeOption: TextOption = {
  kind: 'text',
  name: 'guest_mode',
  doc: 'Guest mode, by name (P40V48_4K) or by the number -m has in the chosen generation of the test; empty: the default of the machine.',
  default: '',
  pattern: '^([0-9]+|P[0-9X]+V[0-9]+_[0-9]+K|)$',
  expected: 'a name such as P40V48_4K or a number',
};

/**
 * Finds a guest mode.
 * @param mode name, number, or empty for the default: PXXV48_4K, on arm64 the 40-bit mode with the host's page size
 * @throws MmulabError WORKLOAD_UNKNOWN_MODE, WORKLOAD_MODE_NOT_SUPPORTED when the machine has no such mode
 */
export function resolveGuestMode(workload: string, mode: string, generation: Generation, machine: Machine): GuestMode {
  const name = mode === '' ? defaultMode(machine) : nameOf(workload, mode, generation);
  const match = /^P(XX|\d+)V(\d+)_(\d+)K$/.exec(name);
  if (match === null) throw unknownMode(workload, mode, MODE_NUMBERS[generation]);
  const shown = name === mode || mode === '' ? name : `${mode} (${name} in the tests of ${generation})`;
  if ((match[1] === MACHINE_BITS) !== (machine.arch !== 'arm64') || match[2] === '64') throw unsupportedMode(workload, shown, notOf(machine));
  const pageSizeBytes = Number(match[3]) * 1024;
  const physBits = match[1] === MACHINE_BITS ? machine.physBits : Number(match[1]);
  return { name, physBits, virtBits: Number(match[2]), pageSizeBytes, pageFrames: pageSizeBytes / machine.pageSizeBytes };
}

function defaultMode(machine: Machine): string {
  return machine.arch === 'arm64' ? `P40V48_${machine.pageSizeBytes / 1024}K` : 'PXXV48_4K';
}

function nameOf(workload: string, mode: string, generation: Generation): string {
  const names = MODE_NUMBERS[generation];
  const name = /^\d+$/.test(mode) ? names[Number(mode)] : MODES_OF_6_8.find(known => known === mode);
  if (name === undefined) throw unknownMode(workload, mode, names);
  return name;
}

function notOf(machine: Machine): string {
  return `not a mode of ${machine.arch} (default: ${defaultMode(machine)})`;
}
