/**
 * Rounds: the comma-separated list behind `-p` of access_rounds and nested_rounds, and the phases it stands for.
 *
 * A letter is a pass over memory (`w`, `r`, `x`, with an optional stride in pages) or a host operation on the test memory (`D` and `U` dirty log
 * on and off, `G` get, `K` clear, `Z` notifier unmap, `A` aging (`Ap` page by page, `Af` clear_flush_young, `At` test_young), `N` NX recovery).
 */
import {
  AccessKind,
  type HostBacking,
  type HostOp,
  type OptionSpec,
  type SwitchOption,
  type TextOption,
  type ChoiceOption,
  type WorkloadPhase,
} from '@mmulab/api';
import type { CommandFlag } from './command-line';
import { invalidRound } from './errors';
import { backingFlag, backingOption, bytesFlag, bytesOption, switchOption } from './option-values';
import { hostSteps, phase } from './steps';

/** A pass over memory. */
export interface PassRound {
  readonly kind: AccessKind;
  /** Pages from one access to the next. */
  readonly stride: number;
}

const PASS_KINDS: Readonly<Record<string, AccessKind>> = { r: AccessKind.Read, w: AccessKind.Write, x: AccessKind.Exec };

const HOST_OPS: Readonly<Record<string, (slot: number) => HostOp>> = {
  A: slot => ({ op: 'age', slot, pageByPage: false, flush: false }),
  Af: slot => ({ op: 'age', slot, pageByPage: false, flush: true }),
  Ap: slot => ({ op: 'age', slot, pageByPage: true, flush: false }),
  Apf: slot => ({ op: 'age', slot, pageByPage: true, flush: true }),
  At: slot => ({ op: 'age', slot, pageByPage: false, flush: false, test: true }),
  D: slot => ({ op: 'set_dirty_log', slot, on: true }),
  G: slot => ({ op: 'get_dirty_log', slot }),
  K: slot => ({ op: 'clear_dirty_log', slot }),
  N: () => ({ op: 'nx_recovery' }),
  U: slot => ({ op: 'set_dirty_log', slot, on: false }),
  Z: slot => ({ op: 'unmap', slot }),
};

const roundsOption: TextOption = {
  kind: 'text',
  name: 'rounds',
  doc: 'Rounds, comma-separated: w, r, x (with a stride in pages, as in x512) touch memory; D, U switch the dirty log, G gets, K clears it; Z unmaps, A ages (clear_young; Ap page by page, Af clear_flush_young, Apf both, At test_young), N runs NX recovery.',
  default: 'w,r',
  pattern: '^([wrx][1-9][0-9]{0,14}|[wrxDGKNUZ]|A(t|p?f?))(,([wrx][1-9][0-9]{0,14}|[wrxDGKNUZ]|A(t|p?f?)))*$',
  expected: 'letters of w, r, x (with a stride), D, U, G, K, Z, A (Ap, Af, Apf, At), N, separated by commas',
};

const protectOption: ChoiceOption = {
  kind: 'choice',
  name: 'manual_protect',
  doc: 'Manual dirty log protection as the number the capability takes: 0 off, 1 manual, 3 manual with an initially set bitmap.',
  choices: ['0', '1', '3'],
  default: '0',
};

const prefilledOption: SwitchOption = switchOption('prefilled', 'The host has written the test memory before the guest starts.');
const hugeEntriesOption: SwitchOption = switchOption('huge_guest_entries', 'The guest maps test memory with 2 MiB entries.');

/** Options that access_rounds and nested_rounds have in common, `vcpus` aside. */
export const roundOptions: readonly OptionSpec[] = [
  bytesOption('Test memory per vCPU; with overlap for all together.', 16 * 2 ** 20),
  backingOption,
  roundsOption,
  protectOption,
  prefilledOption,
  hugeEntriesOption,
];

/** Flags that access_rounds and nested_rounds have in common, `-v` aside. */
export const roundFlags: readonly CommandFlag[] = [
  bytesFlag,
  backingFlag,
  {
    letter: 'p',
    argument: 'rounds',
    option: 'rounds',
    doc: 'rounds: w,r,x with a stride (x512), D,U,G,K,Z,A,N; Ap, Af, Apf, At age page by page, with a flush, both, look only',
  },
  { letter: 'M', argument: 'n', option: 'manual_protect', doc: 'manual dirty log protection: 0, 1 or 3' },
  { letter: 'H', option: 'prefilled', value: true, doc: 'the host fills the memory first' },
  { letter: 'L', option: 'huge_guest_entries', value: true, doc: 'the guest maps the memory with 2 MiB entries' },
];

const NOT_DROPPABLE =
  'this kernel does not drop hugetlb memory (MADV_DONTNEED answers EINVAL before 5.18); the host option hugetlb_dontneed=Y has it go all the same, as when it is mapped over';

/** What the rounds need to know of their test. */
export interface RoundContext {
  readonly workload: string;
  readonly rounds: string;
  /** `0`, `1` or `3`. */
  readonly manualProtect: string;
  readonly slot: number;
  readonly backing: HostBacking;
  /** The guest part of a pass. */
  readonly pass: (round: PassRound) => WorkloadPhase['steps'];
}

/** The host step that enables manual protection, if any. */
export function protectSteps(manualProtect: string): WorkloadPhase['steps'] {
  return manualProtect === '0' ? [] : hostSteps([{ op: 'manual_protect', initiallySet: manualProtect === '3' }]);
}

/**
 * The phases of a list of rounds, named `k_LETTERSTRIDE` from 1 on.
 * @throws MmulabError WORKLOAD_ROUND_INVALID where the kernel would refuse the operation
 */
export function roundPhases(context: RoundContext): WorkloadPhase[] {
  let isLogging = false;
  return context.rounds.split(',').map((round, index) => {
    const name = `${index + 1}_${round}`;
    const kind = PASS_KINDS[round.charAt(0)];
    if (kind !== undefined) return phase(name, context.pass({ kind, stride: Number(round.slice(1) || 1) }));
    const op = HOST_OPS[round];
    if (op === undefined) throw invalidRound(context.workload, name, 'no such round');
    if (round === 'K' && context.manualProtect === '0')
      throw invalidRound(context.workload, name, 'clearing needs manual dirty log protection (-M 1 or -M 3)');
    if (round === 'Z' && context.backing.droppable === false) throw invalidRound(context.workload, name, NOT_DROPPABLE);
    if (round === 'D' || round === 'U') isLogging = round === 'D';
    else if ((round === 'G' || round === 'K') && !isLogging) throw invalidRound(context.workload, name, 'dirty logging is off at that point');
    return phase(name, hostSteps([op(context.slot)]));
  });
}
