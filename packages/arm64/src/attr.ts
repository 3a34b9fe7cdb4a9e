/**
 * The attribute walkers: adding rights, taking S2AP_W back, aging, setting the access flag; and the hardware's own walk, which reads attributes.
 *
 * None of them breaks an entry: rights and AF may change in one store. Who adds rights owes a TLB invalidation of the page afterwards, whether or not anything
 * changed; who takes them back flushes once for the whole range.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c stage2_attr_walker(), kvm_pgtable_stage2_relax_perms(), kvm_pgtable_stage2_wrprotect(),
 * kvm_pgtable_stage2_mkyoung(), kvm_pgtable_stage2_mkold(), stage2_age_walker(); Arm ARM D8.4 (permissions and AF). Hot path.
 */
import { Action, Effect, EntryKind, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import { relaxAction } from './cmo';
import type { Stage2Attrs } from './descriptor';
import { Stage2Action } from './protocols';

/** Outcomes of the attribute walker. */
export const AttrStep = { Done: 0, Eagain: 1 } as const;

/** Rights to be added. */
export class RelaxOp {
  write = false;
  exec = false;
}

const DONE = makeVerdict(Action.Stop, 0, 0, 0, AttrStep.Done);
const EAGAIN = makeVerdict(Action.Stop, 0, 0, 0, AttrStep.Eagain);
const KEEP = makeVerdict(Action.Keep);

/** kvm_pgtable_stage2_relax_perms on one leaf. */
export class RelaxRule implements Rule<RelaxOp> {
  readonly name = 'stage2_relax_perms';

  constructor(
    private readonly attrs: Stage2Attrs,
    private readonly walkerCmo: boolean,
    private readonly eagain: boolean,
  ) {}

  visit(at: Entry, op: RelaxOp): Verdict {
    if (at.kind !== EntryKind.Leaf) return this.eagain ? EAGAIN : DONE;
    const after = this.attrs.relaxed(at.attr, op.write, op.exec);
    if (after === at.attr) return DONE;
    return makeVerdict(relaxAction(this.attrs, at.attr, after, this.walkerCmo), after, 0, Effect.Final, AttrStep.Done);
  }
}

/** Constants of walkers that have none. */
export interface NoOp {
  readonly none?: undefined;
}

/** Sets the access flag of one leaf. */
export class MkyoungRule implements Rule<NoOp> {
  readonly name = 'stage2_mkyoung';

  constructor(private readonly attrs: Stage2Attrs) {}

  visit(at: Entry): Verdict {
    if (at.kind !== EntryKind.Leaf || this.attrs.isYoung(at.attr)) return DONE;
    return makeVerdict(Stage2Action.SetAttr, this.attrs.accessed(at.attr), 0, Effect.Final, AttrStep.Done);
  }
}

/** Clears S2AP_W on every leaf of a range. */
export class WriteProtectRule implements Rule<NoOp> {
  readonly name = 'stage2_wrprotect';

  constructor(private readonly attrs: Stage2Attrs) {}

  visit(at: Entry): Verdict {
    return this.attrs.isWritable(at.attr) ? makeVerdict(Stage2Action.SetAttr, this.attrs.writeProtected(at.attr)) : KEEP;
  }
}

/** Clears AF on every leaf of a range, and has those counted that had it. */
export class AgeRule implements Rule<NoOp> {
  readonly name = 'stage2_age';

  constructor(private readonly attrs: Stage2Attrs) {}

  visit(at: Entry): Verdict {
    return this.attrs.isYoung(at.attr) ? makeVerdict(Stage2Action.SetAttr, this.attrs.aged(at.attr), 0, Effect.Count) : KEEP;
  }
}

/** What the hardware's walk meets. */
export const Walk = { Hit: 0, Translation: 1, Permission: 2, AccessFlag: 3 } as const;

/** Bits of a walk's outcome below the level. */
const WALK_BITS = 2;

/** What a walk met, of its outcome. */
export function walkResult(outcome: number): number {
  return outcome & ((1 << WALK_BITS) - 1);
}

/** Level of the entry at which it ended. */
export function walkLevel(outcome: number): number {
  return outcome >> WALK_BITS;
}

/** The access of a hardware walk. */
export class WalkOp {
  /** 0 read, 1 write, 2 execute. */
  kind = 0;
}

/** The hardware's walk; outcome: result and level. */
export class HardwareWalkRule implements Rule<WalkOp> {
  readonly name = 'hardware_walk';

  /** @param hafdbs whether the hardware sets the access flag */
  constructor(
    private readonly attrs: Stage2Attrs,
    private readonly hafdbs: boolean,
  ) {}

  visit(at: Entry, op: WalkOp): Verdict {
    const level = at.level << WALK_BITS;
    if (at.kind !== EntryKind.Leaf) return makeVerdict(Action.Stop, 0, 0, 0, level | Walk.Translation);
    if (!this.attrs.isYoung(at.attr)) {
      if (!this.hafdbs) return makeVerdict(Action.Stop, 0, 0, 0, level | Walk.AccessFlag);
      return makeVerdict(Stage2Action.Hardware, this.attrs.accessed(at.attr));
    }
    return makeVerdict(Action.Stop, 0, 0, 0, level | (this.attrs.allows(at.attr, op.kind) ? Walk.Hit : Walk.Permission));
  }
}
