/**
 * Options and command line of memslot_perf_test: which of its six tests run, over how many memslots, how often.
 */
import type { OptionSpec, WorkloadDefinition } from '@mmulab/api';
import { defineWorkload, type CommandFlag } from './command-line';
import { fixedVcpus, switchOption } from './option-values';

export const MEMSLOT_PERF = 'memslot_perf_test';

/** Names of the tests, by their numbers. */
export const MEMSLOT_TESTS = ['map', 'unmap', 'unmap_chunked', 'move_active', 'move_inactive', 'rw'] as const;
export type MemslotTest = (typeof MEMSLOT_TESTS)[number];

/** Stands for "the first test that -f and -e name". */
export const FIRST_TEST = 'first';
const LAST = MEMSLOT_TESTS.length - 1;

function testNumber(name: string, which: string, isDefault: number): OptionSpec {
  return { kind: 'number', name, doc: `${which}, by number: ${numbered()}.`, default: isDefault, min: 0, max: LAST, integer: true };
}

function numbered(): string {
  return MEMSLOT_TESTS.map((name, number) => `${number} ${name}`).join(', ');
}

const options: readonly OptionSpec[] = [
  fixedVcpus(1),
  testNumber('first_test', 'The first test to run (-f)', 0),
  testNumber('last_test', 'The last test to run (-e)', LAST),
  {
    kind: 'choice',
    name: 'test',
    doc: 'The test that this VM runs. A command line runs one VM for each test from -f to -e; first: that of -f alone.',
    choices: [FIRST_TEST, ...MEMSLOT_TESTS],
    default: FIRST_TEST,
  },
  {
    kind: 'number',
    name: 'slot_cap',
    doc: 'Memslots of the VM at most (-s), slot 0 included; -1: as many as KVM allows, and where the test memory has fewer pages than that, one per page.',
    default: -1,
    min: -1,
    max: 2 ** 31 - 1,
    integer: true,
  },
  {
    kind: 'number',
    name: 'loops',
    doc: 'Loops of a test (-l). The program loops for so many seconds; here it is the number of loops.',
    default: 5,
    min: 1,
    max: 1_000_000,
    integer: true,
  },
  {
    kind: 'number',
    name: 'runs',
    doc: 'Runs of a test (-r), each with a VM of its own. They count the same: one is performed.',
    default: 1,
    min: 1,
    max: 2 ** 31 - 1,
    integer: true,
  },
  switchOption(
    'disable_slot_zap_quirk',
    'KVM_X86_QUIRK_SLOT_ZAP_ALL is disabled (-q, 6.13): a memslot that goes takes its own mappings along, and no others.',
  ),
  switchOption('verbose', 'Print more (-v). Nothing here depends on it.'),
  switchOption('debug_checks', 'Extra checks of the program itself (-d). Nothing here depends on it.'),
];

const flags: readonly CommandFlag[] = [
  { letter: 'v', option: 'verbose', value: true, doc: 'print more (no effect here)' },
  { letter: 'd', option: 'debug_checks', value: true, doc: 'extra checks of the program itself (no effect here)' },
  { letter: 'q', option: 'disable_slot_zap_quirk', value: true, doc: 'disable the memslot zap quirk' },
  { letter: 's', argument: 'slots', option: 'slot_cap', doc: 'memslots at most, -1 for no cap' },
  { letter: 'f', argument: 'first_test', option: 'first_test', doc: `the first test to run: ${numbered()}` },
  { letter: 'e', argument: 'last_test', option: 'last_test', doc: 'the last test to run' },
  { letter: 'l', argument: 'test_length', option: 'loops', doc: 'loops of a test (seconds in the program)' },
  { letter: 'r', argument: 'run_count', option: 'runs', doc: 'runs of a test (equal ones; one is performed)' },
];

/** What memslot_perf_test says of itself. */
export const memslotPerfDefinition: WorkloadDefinition = {
  ...defineWorkload({
    name: MEMSLOT_PERF,
    doc: 'Many memslots: mapped, unmapped, moved while the guest writes; six tests, a VM each.',
    options,
    flags,
  }),
  runsOf: ({ first_test: first = 0, last_test: last = LAST }) => {
    const tests = MEMSLOT_TESTS.slice(Number(first), Number(last) + 1);
    return tests.length === 0 ? {} : { test: tests };
  },
};
