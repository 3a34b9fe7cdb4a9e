/**
 * Guest modes of the selftests: page size of the guest's own tables, bits of guest physical and virtual addresses. `-m` names one by a number
 * that changed from generation to generation of the tests, so names are the better choice in configs; a name means the same in all of them.
 *
 * Models: Linux 5.10, 6.1 and 6.12, tools/testing/selftests/kvm/include, enum vm_guest_mode.
 */
import type { GuestDefinition, GuestMode, TextOption, WorkloadRequest } from '@mmulab/api';
import { unknownMode, unsupportedMode } from './errors';
import type { Generation } from './generation';
import { ALL_MODES, MODE_NUMBERS } from './mode-numbers';

/** Address bits that say "whatever the machine has". */
const MACHINE_BITS = 'XX';
/** Levels of guest tables where the guest says nothing else. */
const GUEST_LEVELS = 4;

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
 * @param mode name, number, or empty for the guest's own default
 * @param request whose guest is asked
 * @throws MmulabError WORKLOAD_UNKNOWN_MODE, WORKLOAD_MODE_NOT_SUPPORTED when the guest has no such mode
 */
export function resolveGuestMode(
  workload: string,
  mode: string,
  generation: Generation,
  { machine, guest }: Pick<WorkloadRequest, 'machine' | 'guest'>,
): GuestMode {
  const arch = guest();
  const name = mode === '' ? arch.defaultMode(machine) : nameOf(workload, mode, generation, arch);
  const match = /^P(XX|\d+)V(\d+)_(\d+)K$/.exec(name);
  if (match === null) throw unknownMode(workload, mode, namesOf(generation, arch));
  if (!arch.modes.includes(name) && name !== arch.defaultMode(machine)) {
    const shown = name === mode || mode === '' ? name : `${mode} (${name} in the tests of ${generation})`;
    throw unsupportedMode(workload, shown, `not a mode of ${arch.arch} (default: ${arch.defaultMode(machine)})`);
  }
  const pageSizeBytes = Number(match[3]) * 1024;
  const physBits = match[1] === MACHINE_BITS ? machine.physBits : Number(match[1]);
  const parts = { name, physBits, virtBits: Number(match[2]), pageSizeBytes, pageFrames: pageSizeBytes / machine.pageSizeBytes };
  return { ...parts, levels: arch.levels?.(parts) ?? GUEST_LEVELS };
}

function nameOf(workload: string, mode: string, generation: Generation, guest: GuestDefinition): string {
  const names = namesOf(generation, guest);
  const name = /^\d+$/.test(mode) ? names[Number(mode)] : [...ALL_MODES, ...guest.modes].find(known => known === mode);
  if (name === undefined) throw unknownMode(workload, mode, names);
  return name;
}

/** Names by number. */
function namesOf(generation: Generation, { modeNumbers }: GuestDefinition): readonly string[] {
  return modeNumbers?.[generation] ?? MODE_NUMBERS[generation];
}
