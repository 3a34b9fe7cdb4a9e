/**
 * Rules of operations that walk ranges: write protection, clearing dirty state, eager split, aging, unmapping, and what stopping dirty logging
 * does to tables that could be huge pages.
 *
 * Each rule says what happens to one entry; the walk visits parents before children.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c: wrprot_gfn_range(), clear_dirty_gfn_range(), clear_dirty_pt_masked(), write_protect_gfn(),
 * tdp_mmu_split_huge_pages_root(), age_gfn_range(), kvm_tdp_mmu_zap_leafs(), zap_collapsible_spte_range(), recover_huge_pages_range().
 */
import { Action, Effect, EntryKind, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import type { SpteAttrs } from '../spte';
import { TdpAction } from './protocols';

const KEEP = makeVerdict(Action.Keep);
const DESCEND = makeVerdict(Action.Descend);
const STOP = makeVerdict(Action.Stop);
/** Joined to a verdict: the walk ends with it. */
const FINAL = makeVerdict(0, 0, 0, Effect.Final);

/** An operation without constants of its own. */
export interface NoOp {
  readonly none?: never;
}

/** Clears W on leaves; MMU-writable stays, so that the lockless path may give it back. A whole slot is done under the read lock: by exchange. */
export class WriteProtectRule implements Rule<NoOp> {
  readonly name = 'write-protect';
  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry): Verdict {
    const attr = this.spte.writeProtect(at.attr);
    return attr === at.attr ? KEEP : makeVerdict(TdpAction.SetAtomic, attr, 0, Effect.FlushLater);
  }
}

/** Looks whether there is any leaf. */
export class SeenLeafRule implements Rule<NoOp> {
  readonly name = 'seen-leaf';
  seen = false;

  visit(): Verdict {
    this.seen = true;
    return KEEP;
  }
}

/** Clears W and MMU-writable on huge leaves: the first write after a clear takes the slow path and splits. */
export class WriteProtectHugeRule implements Rule<NoOp> {
  readonly name = 'write-protect-huge';
  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry): Verdict {
    const attr = this.spte.clearMmuWritable(at.attr);
    return attr === at.attr ? KEEP : makeVerdict(TdpAction.SetPlain, attr, 0, Effect.FlushLater);
  }
}

/** Clears D on leaves (W where there is no D), by exchange like write protection. */
export class ClearDirtyRule implements Rule<NoOp> {
  readonly name = 'clear-dirty';
  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry): Verdict {
    const attr = this.spte.clearDirty(at.attr);
    return attr === at.attr ? KEEP : makeVerdict(TdpAction.SetAtomic, attr, 0, Effect.FlushLater);
  }
}

/** Splits huge leaves; the walk then goes into the new table and splits on, down to 4 KiB. */
export class EagerSplitRule implements Rule<NoOp> {
  readonly name = 'eager-split';
  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry): Verdict {
    return makeVerdict(TdpAction.Split, this.spte.splitChild(at.attr, at.level - 1));
  }
}

/** Takes the accessed state of leaves back. */
export class AgeRule implements Rule<NoOp> {
  readonly name = 'age';
  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry): Verdict {
    if (!this.spte.isYoung(at.attr)) return KEEP;
    return makeVerdict(TdpAction.SetPlain, this.spte.age(at.attr), 0, Effect.FlushLater | Effect.Count);
  }
}

/** Removes leaves (and MMIO entries); tables stay. */
export class UnmapRule implements Rule<NoOp> {
  readonly name = 'unmap';

  visit(at: Entry): Verdict {
    return at.kind === EntryKind.Leaf ? makeVerdict(TdpAction.ZapPlain, 0, 0, Effect.FlushLater) : KEEP;
  }
}

/** Constants of unmapping with tables. */
export interface UnmapOp {
  /** First frame of the range, and first frame after it. */
  readonly start: number;
  readonly end: number;
}

/** Removes leaves, and whole tables that map nothing outside the range. */
export class UnmapTablesRule implements Rule<UnmapOp> {
  readonly name = 'unmap-tables';

  /** @param pagesAt frames an entry of a level spans */
  constructor(private readonly pagesAt: (level: number) => number) {}

  visit(at: Entry, op: UnmapOp): Verdict {
    if (at.kind === EntryKind.Table && (at.gfn < op.start || at.gfn + this.pagesAt(at.level) > op.end)) return DESCEND;
    return at.kind === EntryKind.Special ? KEEP : makeVerdict(TdpAction.ZapPlain, 0, 0, Effect.FlushLater);
  }
}

/** Constants of stopping dirty logging on a slot. */
export interface CollapseOp {
  /** First frame of the slot, and first frame after it. */
  readonly start: number;
  readonly end: number;
  /** Largest level the slot and the host allow at a frame. */
  maxMappingLevel(gfn: number): number;
}

/** Zaps the largest tables whose range could be one huge page; the next access maps it. */
export class ZapCollapsibleRule implements Rule<CollapseOp> {
  readonly name = 'zap-collapsible';

  visit(at: Entry, op: CollapseOp): Verdict {
    return isCollapsible(at, op) ? makeVerdict(TdpAction.ZapAtomic) : at.kind === EntryKind.Table ? DESCEND : KEEP;
  }
}

/** Zaps the leaves that could be part of a larger one; their tables stay, and the next access puts the huge leaf in the place of an empty one. */
export class ZapSmallLeavesRule implements Rule<CollapseOp> {
  readonly name = 'zap-small-leaves';
  private readonly zap: Verdict;

  /** @param flushEach each leaf is zapped by itself under the read lock, with a flush; else the caller flushes once */
  constructor(flushEach: boolean) {
    this.zap = flushEach ? makeVerdict(TdpAction.ZapAtomic) : makeVerdict(TdpAction.ZapPlain, 0, 0, Effect.FlushLater);
  }

  visit(at: Entry, op: CollapseOp): Verdict {
    return at.gfn >= op.start && at.gfn < op.end && op.maxMappingLevel(at.gfn) > at.level ? this.zap : KEEP;
  }
}

/** Puts the huge leaf in the table's place at once, built from the first leaf below; a table without leaves stays. */
export class RecoverRule implements Rule<CollapseOp> {
  readonly name = 'recover-huge-pages';
  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry, op: CollapseOp): Verdict {
    if (!isCollapsible(at, op)) return at.kind === EntryKind.Table ? DESCEND : KEEP;
    const leaf = at.firstLeafBelow();
    return leaf < 0 ? DESCEND : makeVerdict(TdpAction.Recover, this.spte.collapse(leaf), 0, Effect.FlushLater);
  }
}

/** A table within the slot, at most 1 GiB wide, whose whole range may be mapped by one leaf. */
function isCollapsible(at: Entry, op: CollapseOp): boolean {
  if (at.kind !== EntryKind.Table || at.level > 3 || at.gfn < op.start || at.gfn >= op.end) return false;
  return op.maxMappingLevel(at.gfn) >= at.level;
}

/** Removes the table (or leaf) at one level: NX recovery. */
export class ZapTableRule implements Rule<NoOp> {
  readonly name = 'zap-table';

  visit(at: Entry): Verdict {
    return at.level === at.goal && at.kind === EntryKind.Table ? makeVerdict(TdpAction.ZapPlain, 0, 0, Effect.Final) : makeVerdict(Action.Stop);
  }
}

/** Takes away whatever lies at one level: a pass over a root that dies. */
export class ZapLevelRule implements Rule<NoOp> {
  readonly name = 'zap-level';
  constructor(private readonly level: number) {}

  visit(at: Entry): Verdict {
    if (at.level === this.level) return makeVerdict(TdpAction.ZapPlain);
    return at.kind === EntryKind.Table ? DESCEND : KEEP;
  }
}

/** A leaf rule for pages, that leaves huge leaves alone. */
export class SmallLeafRule implements Rule<NoOp> {
  readonly name: string;
  constructor(
    private readonly leafRule: { readonly name: string; visit(at: Entry): Verdict },
    private readonly work: { leaves(visited: number, changed: number): void },
  ) {
    this.name = `${leafRule.name}-4k`;
  }

  visit(at: Entry): Verdict {
    if (at.level !== 1 || at.kind !== EntryKind.Leaf) return STOP;
    const verdict = this.leafRule.visit(at);
    const leaves = at.end - at.start;
    this.work.leaves(leaves, verdict === KEEP ? 0 : leaves);
    return verdict === KEEP ? STOP : verdict | FINAL;
  }
}
