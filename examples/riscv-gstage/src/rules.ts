/**
 * What each operation does to one entry, and the steps by which it is done.
 *
 * Everything here runs under mmu_lock, so that steps are plain stores but for the fast path, which holds it for reading. A table is linked without a fence; a leaf
 * is written first and fenced then. A table that a leaf is written over is never freed, with all that is in it.
 *
 * Models: Linux arch/riscv/kvm/gstage.c kvm_riscv_gstage_set_pte(), kvm_riscv_gstage_map_page(), kvm_riscv_gstage_split_huge(), kvm_riscv_gstage_op_pte().
 */
import { Action, Change, Effect, EntryKind, Step, makeVerdict } from '@mmulab/api';
import type { Entry, Protocol, Rule, Verdict } from '@mmulab/api';
import type { Policy } from './definition';
import type { Ptes } from './pte';

/** By number. */
export const protocols: readonly Protocol[] = [
  { name: 'link', change: Change.LinkTable, steps: [Step.AllocTable, Step.WriteTable] },
  { name: 'store', change: Change.SetLeaf, steps: [Step.WriteLeaf] },
  { name: 'store-fence', change: Change.SetLeaf, steps: [Step.WriteLeaf, Step.Flush] },
  { name: 'overwrite-table', change: Change.Collapse, steps: [Step.WriteLeaf, Step.RemoveSubtree, Step.Flush] },
  { name: 'split', change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.WriteTable, Step.Flush] },
  { name: 'fix', change: Change.SetLeaf, steps: [Step.CasLeaf, Step.Flush] },
  { name: 'clear', change: Change.Zap, steps: [Step.WriteEmpty] },
  { name: 'clear-fence', change: Change.Zap, steps: [Step.WriteEmpty, Step.Flush] },
  { name: 'set-accessed', change: Change.SetLeaf, steps: [Step.CasQuiet] },
];
const action = (name: string): number => Action.FirstProtocol + protocols.findIndex(protocol => protocol.name === name);
const [STORE, STORE_FENCE] = [action('store'), action('store-fence')];
const KEEP = makeVerdict(Action.Keep);

/** How a mapping ended. */
export const Outcome = { Changed: 0, Same: 1, Exists: 2 } as const;
const final = (act: number, attr: number, outcome: number): Verdict => makeVerdict(act, attr, 0, Effect.Final, outcome);
const stop = (outcome: number): Verdict => makeVerdict(Action.Stop, 0, 0, 0, outcome);

/** Constants of one mapping: the leaf's attribute. */
export interface LeafOp {
  attr: number;
}

/** set_pte, and since 7.2 what map_page does before: splitting, and no store of what is there. */
export class MapRule implements Rule<LeafOp> {
  readonly name = 'gstage_map';
  constructor(private readonly policy: Pick<Policy, 'inPlace' | 'quietInstall'>) {}

  visit(at: Entry, op: LeafOp): Verdict {
    if (at.level > at.goal) return this.above(at);
    if (at.kind === EntryKind.Table) return final(action('overwrite-table'), op.attr, Outcome.Changed);
    if (at.kind === EntryKind.Empty) return final(this.policy.quietInstall ? STORE : STORE_FENCE, op.attr, Outcome.Changed);
    if (at.attr !== op.attr) return final(STORE_FENCE, op.attr, Outcome.Changed);
    return this.policy.inPlace ? stop(Outcome.Same) : final(STORE_FENCE, op.attr, Outcome.Same);
  }

  private above(at: Entry): Verdict {
    if (at.kind === EntryKind.Empty) return makeVerdict(action('link'));
    return this.policy.inPlace ? makeVerdict(action('split'), at.attr) : stop(Outcome.Exists);
  }
}

/** The fast path of dirty logging, on a leaf of level 1. */
export class FixRule implements Rule<object> {
  readonly name = 'gstage_fast_fault';
  constructor(private readonly ptes: Ptes) {}

  visit(at: Entry): Verdict {
    return this.ptes.isWritable(at.attr) ? stop(Outcome.Same) : final(action('fix'), this.ptes.withWrite(at.attr), Outcome.Changed);
  }
}

/** Which leaves of a range are met, and whether each is fenced. */
type RangePolicy = Pick<Policy, 'rangeFence' | 'realign'>;

/** Whether the range covers an entry whole. */
const isWhole = (at: Entry, span: readonly number[]): boolean => at.end - at.start === span[at.level];

/** Takes W from the leaves of a range: since 7.2 from those too that the range covers in part. */
export class ProtectRule implements Rule<object> {
  readonly name = 'gstage_wp';
  private readonly store: number;
  constructor(
    private readonly policy: RangePolicy,
    private readonly ptes: Ptes,
    private readonly span: readonly number[],
  ) {
    this.store = policy.rangeFence ? STORE : STORE_FENCE;
  }

  visit(at: Entry): Verdict {
    if (!this.policy.realign && !isWhole(at, this.span)) return KEEP;
    return makeVerdict(this.store, this.ptes.protected(at.attr), 0, this.policy.rangeFence && this.ptes.isWritable(at.attr) ? Effect.FlushLater : 0);
  }
}

/** Takes the leaves of a range away that lie in it whole. */
export class ClearRule implements Rule<object> {
  readonly name = 'gstage_clear';
  private readonly clear: Verdict;
  constructor(
    policy: RangePolicy,
    private readonly span: readonly number[],
  ) {
    this.clear = policy.rangeFence ? makeVerdict(action('clear'), 0, 0, Effect.FlushLater) : makeVerdict(action('clear-fence'));
  }

  visit(at: Entry): Verdict {
    return isWhole(at, this.span) ? this.clear : KEEP;
  }
}

/** Sets A where the hardware walks, clears it where the host ages. */
export class AccessedRule implements Rule<object> {
  readonly name = 'accessed';
  constructor(
    private readonly ptes: Ptes,
    private readonly young: boolean,
  ) {}

  visit(at: Entry): Verdict {
    if (at.kind !== EntryKind.Leaf) return KEEP;
    return final(action('set-accessed'), this.young ? this.ptes.young(at.attr) : this.ptes.aged(at.attr), 0);
  }
}
