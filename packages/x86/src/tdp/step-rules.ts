/**
 * The map rule taken in single steps, for faults whose course a trace gives: one change at a time, or none and only the answer whether there would be one.
 */
import { Action, Effect, EntryKind, makeVerdict, verdictAction } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import { RetPf } from '../ret-pf';
import { TdpAction } from './protocols';
import type { NoOp } from './range-rules';

const GO_ON = makeVerdict(Action.Stop, 0, 0, 0, RetPf.Continue);
/** Outcome of a probe that found a change to make. */
export const WOULD_CHANGE = 1;
const YES = makeVerdict(Action.Stop, 0, 0, 0, WOULD_CHANGE);
const NO = makeVerdict(Action.Stop, 0, 0, 0, 0);

/** Lets a rule make one change; then the walk ends with RetPf.Continue, unless the change itself ended it. */
export class OneChange<Op> implements Rule<Op> {
  readonly name: string;
  private changed = false;

  constructor(private readonly rule: Rule<Op>) {
    this.name = rule.name;
  }

  /** Before each walk. */
  begin(): this {
    this.changed = false;
    return this;
  }

  visit(at: Entry, op: Op): Verdict {
    if (this.changed) return GO_ON;
    const verdict = this.rule.visit(at, op);
    this.changed = verdictAction(verdict) >= Action.FirstProtocol;
    return verdict;
  }
}

/** Asks a rule and does nothing of what it says. */
export class Probe<Op> implements Rule<Op> {
  readonly name: string;

  constructor(private readonly rule: Rule<Op>) {
    this.name = rule.name;
  }

  visit(at: Entry, op: Op): Verdict {
    const verdict = this.rule.visit(at, op);
    const action = verdictAction(verdict);
    return action === Action.LowerGoal ? verdict : action >= Action.FirstProtocol ? YES : NO;
  }
}

/** Makes one entry what a trace shows it to have been, whatever stood there. */
export class AdoptRule implements Rule<NoOp> {
  readonly name = 'adopt';

  /** @param attr attribute of a leaf, 0 for an empty entry, -1 for a table */
  constructor(
    private readonly level: number,
    private readonly attr: number,
  ) {}

  visit(at: Entry): Verdict {
    if (at.level > this.level) return makeVerdict(at.kind === EntryKind.Leaf ? TdpAction.ZapPlain : TdpAction.Link);
    if (this.attr < 0)
      return at.kind === EntryKind.Table ? makeVerdict(Action.Stop) : makeVerdict(at.kind === EntryKind.Empty ? TdpAction.Link : TdpAction.ZapPlain);
    if (this.attr === 0) return makeVerdict(at.kind === EntryKind.Empty ? Action.Stop : TdpAction.ZapPlain);
    if (at.kind === EntryKind.Table) return makeVerdict(TdpAction.ZapPlain);
    return makeVerdict(TdpAction.SetPlain, this.attr, 0, Effect.Final);
  }
}
