/**
 * Protocols and rules broken on purpose: what the explorer has to catch.
 *
 * Each function takes what an architecture declares and answers with the same but for one fault, so that every backend can be tried with every mutant
 * that applies to it.
 */
import { Change, EntryKind, Step } from '@mmulab/api';
import type { Entry, Protocol, Rule, Verdict } from '@mmulab/api';

const CHANGES = new Map<Step, Step>([
  [Step.CasTable, Step.WriteTable],
  [Step.CasLeaf, Step.WriteLeaf],
]);

/** The protocols with the steps of some replaced. */
function mapSteps(protocols: readonly Protocol[], change: (protocol: Protocol) => readonly Step[]): readonly Protocol[] {
  return protocols.map(protocol => ({ ...protocol, steps: change(protocol) }));
}

/** The steps with one kind moved behind the first of another kind. */
function moveBehind(steps: readonly Step[], moved: readonly Step[], behind: readonly Step[]): readonly Step[] {
  const rest = steps.filter(step => !moved.includes(step));
  const at = rest.findIndex(step => behind.includes(step));
  if (at < 0 || rest.length === steps.length) return steps;
  return [...rest.slice(0, at + 1), ...steps.filter(step => moved.includes(step)), ...rest.slice(at + 1)];
}

/** Links the table of a split before it is filled: for a moment its pages are gone. */
export function linkBeforeFill(protocols: readonly Protocol[]): readonly Protocol[] {
  return mapSteps(protocols, ({ steps }) => moveBehind(steps, [Step.FillTable], [Step.CasTable, Step.WriteTable]));
}

/** Flushes after the entry has been emptied or made anew: what others map there meets old translations. */
export function flushTooLate(protocols: readonly Protocol[]): readonly Protocol[] {
  return mapSteps(protocols, ({ change, steps }) =>
    change === Change.Collapse ? steps : moveBehind(steps, [Step.Flush, Step.Tlbi], [Step.WriteEmpty, Step.WriteLeaf, Step.WriteTable]),
  );
}

/** Leaves out the flush or invalidation altogether. */
export function neverFlush(protocols: readonly Protocol[]): readonly Protocol[] {
  return mapSteps(protocols, ({ steps }) => steps.filter(step => step !== Step.Flush && step !== Step.Tlbi));
}

/** Stores where a compare-exchange should be, as if its failure were ignored. */
export function ignoreLostExchange(protocols: readonly Protocol[]): readonly Protocol[] {
  return mapSteps(protocols, ({ steps }) => steps.map(step => CHANGES.get(step) ?? step));
}

/** Frees removed tables at once, without waiting for those who read them. */
export function freeAtOnce(protocols: readonly Protocol[]): readonly Protocol[] {
  return mapSteps(protocols, ({ steps }) => steps.map(step => (step === Step.DeferFree ? Step.FreeSubtree : step)));
}

/** Forgets to give removed tables back. */
export function neverFree(protocols: readonly Protocol[]): readonly Protocol[] {
  return mapSteps(protocols, ({ steps }) => steps.filter(step => step !== Step.DeferFree && step !== Step.FreeSubtree));
}

/** An entry that pretends to be empty where it is locked. */
class Unlocked implements Entry {
  readonly level;
  readonly kind = EntryKind.Empty;
  readonly attr = 0;
  readonly gfn;
  readonly goal;
  readonly tableAttr = 0;
  readonly start;
  readonly end;

  constructor({ level, gfn, goal, start, end }: Entry) {
    this.level = level;
    this.gfn = gfn;
    this.goal = goal;
    this.start = start;
    this.end = end;
  }

  childCount(): number {
    return 0;
  }

  firstLeafBelow(): number {
    return -1;
  }
}

/** A rule that skips the check for locked entries and takes them for empty ones. */
export function skipLockedCheck<Op>(rule: Rule<Op>, locked: number): Rule<Op> {
  return {
    name: `${rule.name}, blind to locked entries`,
    visit(at: Entry, op: Op): Verdict {
      const isLocked = at.kind === EntryKind.Special && at.attr === locked;
      return rule.visit(isLocked ? new Unlocked(at) : at, op);
    },
  };
}
