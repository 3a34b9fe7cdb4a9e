/**
 * The errors of this package, sorted by code. COMMAND_… are faults of a command line, WORKLOAD_… faults of the values a workload is planned from.
 */
import { MmulabError, formatSize, suggestName } from '@mmulab/api';
import { withFlag } from './flag-names';

/** Flags of two generations of a test stand in one command line. */
export function conflictingGenerations(test: string, older: string, newer: string): MmulabError {
  return new MmulabError(
    'COMMAND_CONFLICTING_FLAGS',
    `${test}: ${older} belongs to the test of 6.1, ${newer} to that of 6.12; give one or the other`,
  );
}

/** Not a fault: `-h` asks for the usage text, which is the message. */
export function helpRequested(usage: string): MmulabError {
  return new MmulabError('COMMAND_HELP', usage);
}

/** A flag's value is none of those it takes. */
export function invalidFlagValue(test: string, flag: string, value: string, expected: readonly string[]): MmulabError {
  return new MmulabError('COMMAND_INVALID_VALUE', `${test}: ${flag} ${value}: expected one of ${expected.join(', ')}`);
}

/** A flag that takes a value stands at the end. */
export function missingValue(test: string, flag: string, argument: string): MmulabError {
  return new MmulabError('COMMAND_MISSING_VALUE', `${test}: ${flag} needs a value (${argument})`);
}

/** The test has the flag; what it asks for is not simulated. */
export function unsupportedFlag(test: string, flag: string, reason: string): MmulabError {
  return new MmulabError('COMMAND_NOT_SUPPORTED', `${test}: ${flag} is not supported: ${reason}`);
}

/** The tests run once per repeated flag; a simulation is one run. */
export function repeatedFlag(test: string, flag: string): MmulabError {
  return new MmulabError('COMMAND_REPEATED_FLAG', `${test}: ${flag} is given twice; one run has one of it (vary the option in a config instead)`);
}

/** A word that belongs to no flag. */
export function strayArgument(test: string, argument: string): MmulabError {
  return new MmulabError('COMMAND_STRAY_ARGUMENT', `${test}: ${argument}: belongs to no flag`);
}

/** The test has no such flag. */
export function unknownFlag(test: string, flag: string, known: readonly string[]): MmulabError {
  const beforeTest = flag.startsWith('--') ? '; options of mmulab stand before the -- that comes before the test' : '';
  return new MmulabError('COMMAND_UNKNOWN_FLAG', `${test}: ${flag}: not a flag of this test (known: ${known.join(', ')})${beforeTest}`);
}

/** Guest tables with 2 MiB entries cannot map memory that does not begin and end on 2 MiB. */
export function hugeEntriesUnaligned(workload: string, gfn: number, npages: number): MmulabError {
  return new MmulabError(
    'WORKLOAD_HUGE_ENTRIES_UNALIGNED',
    `${workload}: 2 MiB guest entries need test memory that begins and ends on 2 MiB, here it is ${npages} pages at gfn 0x${gfn.toString(16)} ` +
      '(a 2 MiB backing such as anonymous_hugetlb_2mb places it so)',
  );
}

/** All test memory together is more than the tests allow. */
export function memoryTooLarge(workload: string, bytes: number, limitBytes: number): MmulabError {
  return new MmulabError(
    'WORKLOAD_MEMORY_TOO_LARGE',
    `${workload}: ${withFlag(workload, 'bytes')}: ${formatSize(bytes)} of test memory in all, at most ${formatSize(limitBytes)}`,
  );
}

/** The machine is of the right architecture, and its backend has no guests of guests. */
export function nestedMissing(workload: string): MmulabError {
  return new MmulabError(
    'WORKLOAD_NEEDS',
    `${workload}: needs the host operation nested, which this backend does not have (its machine names no nesting)`,
  );
}

/** A workload made of one architecture's registers. */
export function notOnArch(workload: string, arch: string, wanted: string): MmulabError {
  return new MmulabError('WORKLOAD_NOT_ON_ARCH', `${workload}: runs on ${wanted} guests only, this machine is ${arch}`);
}

/** The guest mode does not exist, or not on this machine. */
export function unsupportedMode(workload: string, mode: string, reason: string): MmulabError {
  return new MmulabError('WORKLOAD_MODE_NOT_SUPPORTED', `${workload}: guest mode ${mode}: ${reason}`);
}

/** The guest physical address space does not hold what the workload wants. */
export function noRoom(workload: string, physBits: number, reason: string): MmulabError {
  return new MmulabError('WORKLOAD_NO_ROOM', `${workload}: ${physBits} bits of guest physical addresses are too few: ${reason}`);
}

/** Two options that cannot go together. */
export function optionConflict(workload: string, option: string, reason: string): MmulabError {
  return new MmulabError('WORKLOAD_OPTION_CONFLICT', `${workload}: ${withFlag(workload, option)}: ${reason}`);
}

/** The runner handed over a value of the wrong kind: a bug of ours, not of the user's. */
export function optionNotValidated(option: string, value: unknown): MmulabError {
  return new MmulabError('WORKLOAD_OPTION_NOT_VALIDATED', `option ${option} reached the workload as ${String(value)}`, 'internal');
}

/** The `-p` list of rounds asks for something the kernel would refuse at that point. */
export function invalidRound(workload: string, round: string, reason: string): MmulabError {
  return new MmulabError('WORKLOAD_ROUND_INVALID', `${workload}: round ${round}: ${reason}`);
}

/** A size is no multiple of what it has to be a multiple of. */
export function sizeUnaligned(workload: string, option: string, bytes: number, unitBytes: number): MmulabError {
  return new MmulabError(
    'WORKLOAD_SIZE_UNALIGNED',
    `${workload}: ${withFlag(workload, option)}: ${formatSize(bytes)} is not a multiple of ${formatSize(unitBytes)}`,
  );
}

/** `-x` does not divide the test memory. */
export function slotsUneven(workload: string, npages: number, slots: number): MmulabError {
  return new MmulabError(
    'WORKLOAD_SLOTS_UNEVEN',
    `${workload}: ${withFlag(workload, 'slots')}: ${npages} pages cannot be divided evenly into ${slots} memslots`,
  );
}

/** The program looks for something before it runs, and skips itself where it is not there. */
export function testNeeds(workload: string, what: string, why: string, found: string): MmulabError {
  return new MmulabError('WORKLOAD_TEST_NEEDS', `${workload}: needs ${what} (${why}), and finds ${found}`);
}

/** More memslots than the memory has pages for. */
export function tooManySlots(workload: string, cap: number, most: number): MmulabError {
  return new MmulabError(
    'WORKLOAD_TOO_MANY_SLOTS',
    `${workload}: ${withFlag(workload, 'slot_cap')}: ${cap} memslots are too many for this test (max is ${most})`,
  );
}

/** No guest mode has this name or number. */
export function unknownMode(workload: string, mode: string, names: readonly string[]): MmulabError {
  return new MmulabError('WORKLOAD_UNKNOWN_MODE', `${workload}: guest mode ${mode}: no such mode${suggestName(mode, names)}`);
}
