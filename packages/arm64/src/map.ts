/**
 * The map walker as two rules: one that goes down and takes away what stands in the way, one that writes the new entry.
 *
 * Visits of the kernel's walker and what they are here: LEAF on an entry above the goal installs a table (breaking a block that is there); LEAF at the goal
 * breaks what differs, or answers -EAGAIN; TABLE_PRE at the goal takes the whole table away (coalescing). The kernel's TABLE_POST visits of
 * old walkers only free what the break detached: that is part of the protocol. Where walkers run in parallel every entry is LOCKED before anything
 * else happens to it; a walker that meets a LOCKED entry has lost and answers -EAGAIN — after it has taken, and given back, a page for the
 * table it meant to install.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c kvm_pgtable_stage2_map(), stage2_map_walker(), stage2_pte_needs_update(). Hot path.
 */
import { Action, Effect, EntryKind, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import { PERMISSIONS } from './descriptor';
import type { Stage2Attrs } from './descriptor';
import { Stage2Action } from './protocols';

/** How a walk of the map rule ended. */
export const MapStep = {
  /** The leaf is there already; the call returns 0. */
  Same: 0,
  Eagain: 1,
  Enomem: 2,
  /** The entry at the goal is free and (in parallel) locked: the leaf is to be written. */
  New: 3,
  /** The same after a leaf was broken. */
  Replaced: 4,
  /** The same after a table was taken away. */
  Coalesced: 5,
  /** A block above the goal was broken: a table is to be written in its place. */
  Broke: 6,
  /** -EAGAIN above the goal: the page taken for a table goes back. */
  Lost: 7,
} as const;

const STEP_BITS = 3;

/** How a walk ended, of its outcome. */
export function mapStep(outcome: number): number {
  return outcome & ((1 << STEP_BITS) - 1);
}

/** Level of the block that was broken (Broke). */
export function brokenLevel(outcome: number): number {
  return outcome >> STEP_BITS;
}

/** Constants of one map call. */
export class MapOp {
  /** Level of the leaf, counted from 1. */
  goal = 1;
  /** Attribute of the leaf. */
  attr = 0;
  /** Whether there is a memory cache to take tables from. */
  memcache = true;
  /** Whether other walkers run at the same time. */
  shared = false;
}

const final = (action: number, outcome: number, attr = 0): Verdict => makeVerdict(action, attr, 0, Effect.Final, outcome);
const stop = (outcome: number): Verdict => makeVerdict(Action.Stop, 0, 0, 0, outcome);

const INSTALL_TABLE = makeVerdict(Stage2Action.InstallTable);
const LOSE_TABLE = final(Stage2Action.LoseTable, MapStep.Lost);
const BREAK_LEAF = final(Stage2Action.BreakLeaf, MapStep.Replaced);
const BREAK_TABLE = final(Stage2Action.BreakTable, MapStep.Coalesced);

/** The way down. */
export class MapRule implements Rule<MapOp> {
  readonly name = 'stage2_map';
  private readonly lock: Verdict;
  private readonly lockLeaf: Verdict;
  private readonly lockTable: Verdict;

  /** @param eagain whether the walker answers -EAGAIN where the leaf is there, or differs in rights only */
  constructor(
    private readonly attrs: Stage2Attrs,
    private readonly eagain: boolean,
  ) {
    this.lock = final(Stage2Action.Lock, MapStep.New, attrs.locked);
    this.lockLeaf = final(Stage2Action.LockLeaf, MapStep.Replaced, attrs.locked);
    this.lockTable = final(Stage2Action.LockTable, MapStep.Coalesced, attrs.locked);
  }

  visit(at: Entry, op: MapOp): Verdict {
    if (at.level > op.goal) return this.aboveGoal(at, op);
    switch (at.kind) {
      case EntryKind.Table:
        return op.shared ? this.lockTable : BREAK_TABLE;
      case EntryKind.Empty:
        return op.shared ? this.lock : stop(MapStep.New);
      case EntryKind.Special:
        return stop(MapStep.Eagain);
      default:
        return this.overLeaf(at.attr, op);
    }
  }

  private aboveGoal(at: Entry, op: MapOp): Verdict {
    if (!op.memcache) return stop(MapStep.Enomem);
    if (at.kind === EntryKind.Empty) return INSTALL_TABLE;
    if (at.kind === EntryKind.Special) return LOSE_TABLE;
    const outcome = MapStep.Broke | (at.level << STEP_BITS);
    return op.shared ? final(Stage2Action.LockBlock, outcome, this.attrs.locked) : final(Stage2Action.BreakBlock, outcome);
  }

  private overLeaf(old: number, op: MapOp): Verdict {
    if (this.eagain && ((this.attrs.bits(old) ^ this.attrs.bits(op.attr)) & ~PERMISSIONS) === 0) return stop(MapStep.Eagain);
    if (old === op.attr) return stop(MapStep.Same);
    return op.shared ? this.lockLeaf : BREAK_LEAF;
  }
}

/** The entry that was broken or locked gets its new content. The protocol is chosen by the caller: see cmo.ts. */
export class MakeOp {
  action: number = Stage2Action.MakeLeaf;
  attr = 0;
}

/** The store that ends a break. */
export class MakeRule implements Rule<MakeOp> {
  readonly name = 'stage2_make';

  visit(_at: Entry, op: MakeOp): Verdict {
    return final(op.action, 0, op.attr);
  }
}
