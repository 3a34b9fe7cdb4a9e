/**
 * What a TDP fault does to the entries it meets on its way down (kvm_tdp_mmu_map), and what the lockless path does to a leaf.
 *
 * A huge leaf above the goal is split: the child table is filled before it is linked, so no access finds a hole and the link needs no TLB flush.
 * Kernels before 6.2 zap the leaf instead, with a flush, and every other page of it faults again. With the NX workaround a table at the goal may have to
 * stay: the goal is lowered.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c kvm_tdp_mmu_map(), tdp_mmu_map_handle_target_level(); mmu.c disallowed_hugepage_adjust(),
 * fast_page_fault(). Hot path.
 */
import { AccessKind, Action, Effect, EntryKind, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import { TableBit } from '../spte';
import type { SpteAttrs } from '../spte';
import { RetPf } from '../ret-pf';
import { TdpAction } from './protocols';

// Bound here: a name that another package re-exports is a call of a getter.
const { Write } = AccessKind;

/** Constants of one fault. */
export class MapOp {
  /** 0 read, 1 write, 2 execute. */
  kind = 0;
  /** Largest level the mapping could have had without the NX workaround. */
  reqLevel = 1;
  /** An instruction fetch under the NX workaround. */
  hugePageDisallowed = false;
  /** The host's entry is writable and so is the slot. */
  hostWritable = false;
  /** The slot is under dirty logging. */
  logged = false;
  /** No memslot: an MMIO entry is installed. */
  mmio = false;
  /** Nobody touches the page: the leaf is not accessed. */
  prefetch = false;
}

/** Policy switches of the map rule. */
export interface MapPolicy {
  readonly splitHugePages: boolean;
  readonly nxHugePages: boolean;
  readonly nxPrecise: boolean;
  readonly dirtyOnRefault: boolean;
  /** A leaf that allows the access is left alone. */
  readonly spuriousIfAllowed: boolean;
  /** Small leaves that become writable mark their page dirty, in slots that are not logged too. */
  readonly markUnloggedDirty: boolean;
}

const RETRY = makeVerdict(Action.Stop, 0, 0, Effect.None, RetPf.Retry);
const SPURIOUS = makeVerdict(Action.Stop, 0, 0, Effect.None, RetPf.Spurious);
const LOWER_GOAL = makeVerdict(Action.LowerGoal);

/** Answers not found yet, in memories of verdicts (no verdict is negative). */
const UNKNOWN = -1;
const { Leaf, Table, Special } = EntryKind;

/** The loop body of kvm_tdp_mmu_map. */
export class TdpMapRule implements Rule<MapOp> {
  readonly name = 'tdp-map';
  /** Verdicts on 4 KiB entries by attribute, host-writable, logged and kind of access. */
  private readonly smallTargets = new Int32Array(4096).fill(UNKNOWN);

  /** A huge leaf above the goal is split; without it zapped. */
  readonly splitsHugePages: boolean;

  constructor(
    protected readonly spte: SpteAttrs,
    protected readonly policy: MapPolicy,
  ) {
    this.splitsHugePages = policy.splitHugePages;
  }

  visit(at: Entry, op: MapOp): Verdict {
    if (at.kind === Special && at.attr === this.spte.frozen) return RETRY;
    if (at.level === at.goal) {
      if (at.level === 1 && !op.mmio && !op.prefetch) return this.mapSmall(at, op);
      if (at.level > 1 && this.keepsTable(at)) return LOWER_GOAL;
      return this.mapTarget(at, op);
    }
    return at.kind === Leaf ? this.onHugeLeaf(at, op) : this.newTable(TdpAction.Link, 0, at, op);
  }

  /** A huge leaf stands above the goal. */
  protected onHugeLeaf(at: Entry, op: MapOp): Verdict {
    return this.splitsHugePages ? this.split(at, op) : makeVerdict(TdpAction.ZapAtomic);
  }

  /** A filled table takes the place of a huge leaf. */
  protected split(at: Entry, op: MapOp): Verdict {
    return this.newTable(TdpAction.Split, this.spte.splitChild(at.attr, at.level - 1), at, op);
  }

  /** A table, listed for recovery where it stands in the place of a huge page. */
  private newTable(action: number, attr: number, at: Entry, op: MapOp): Verdict {
    const tableAttr = this.tableAttr(at, op);
    return makeVerdict(action, attr, tableAttr, (tableAttr & TableBit.NxTracked) !== 0 ? Effect.Track : Effect.None);
  }

  /** Whether a table at the goal is to stay because huge pages are not executable. */
  private keepsTable(at: Entry): boolean {
    if (!this.policy.nxHugePages || at.kind !== Table) return false;
    return !this.policy.nxPrecise || (at.tableAttr & TableBit.NxDisallowed) !== 0;
  }

  private mapSmall(at: Entry, op: MapOp): Verdict {
    const key = at.attr | (op.hostWritable ? 256 : 0) | (op.logged ? 512 : 0) | (op.kind << 10);
    const known = this.smallTargets[key];
    if (known !== UNKNOWN) return known;
    const verdict = this.mapTarget(at, op);
    this.smallTargets[key] = verdict;
    return verdict;
  }

  protected mapTarget(at: Entry, op: MapOp): Verdict {
    if (op.mmio) return makeVerdict(TdpAction.Map, this.spte.newMmio(), 0, Effect.Final, RetPf.Emulate);
    if (this.policy.spuriousIfAllowed && at.kind === Leaf && (op.prefetch || this.spte.allows(at.attr, op.kind))) return SPURIOUS;
    const isTable = at.kind === Table;
    // Non-leaf entries are writable too, so D stays out when a table is replaced.
    const oldWritable = isTable || (at.kind === Leaf && this.spte.isWritable(at.attr));
    const touched = this.spte.leaf(at.level, op.hostWritable, this.policy.dirtyOnRefault || !oldWritable);
    const attr = op.prefetch ? this.spte.age(touched) : touched;
    const dirty = op.hostWritable && this.marksDirty(at, op, oldWritable) ? Effect.MarkDirty : Effect.None;
    if (isTable) return makeVerdict(TdpAction.MapOverTable, attr, 0, Effect.Final | dirty, RetPf.Fixed);
    if (at.kind === Leaf && at.attr === attr) return makeVerdict(Action.Stop, 0, 0, dirty, RetPf.Spurious);
    return makeVerdict(TdpAction.Map, attr, 0, Effect.Final | dirty, RetPf.Fixed);
  }

  /** Whether setting a writable leaf marks its page dirty: as one is made in a logged slot, or (up to 5.15) as a small one becomes writable. */
  private marksDirty(at: Entry, op: MapOp, oldWritable: boolean): boolean {
    return this.policy.markUnloggedDirty ? at.level === 1 && !oldWritable : op.logged;
  }

  /** Attribute of a table linked here. Before 6.2 only listed tables are marked as made for the workaround. */
  private tableAttr(at: Entry, op: MapOp): number {
    if (!op.hugePageDisallowed) return 0;
    if (op.reqLevel >= at.level) return TableBit.NxDisallowed | TableBit.NxTracked;
    return this.splitsHugePages ? TableBit.NxDisallowed : 0;
  }
}

/** Constants of one lockless attempt. */
export class FastOp {
  kind = 0;
  logged = false;
}

const INVALID = makeVerdict(Action.Stop, 0, 0, Effect.None, RetPf.Invalid);

/** fast_page_fault on the lowest entry. */
export class FastFaultRule implements Rule<FastOp> {
  readonly name = 'fast-page-fault';
  /** Verdicts by attribute, kind of access, huge and logged. */
  private readonly verdicts = new Int32Array(4096).fill(UNKNOWN);

  /** @param fixHuge huge leaves of slots that are not logged get W back, too */
  constructor(
    private readonly spte: SpteAttrs,
    private readonly fixHuge: boolean,
  ) {}

  visit(at: Entry, op: FastOp): Verdict {
    if (at.kind !== Leaf) return INVALID;
    const key = at.attr | (op.kind << 8) | (at.level > 1 ? 1024 : 0) | (op.logged ? 2048 : 0);
    const known = this.verdicts[key];
    if (known !== UNKNOWN) return known;
    const verdict = this.judge(at, op);
    this.verdicts[key] = verdict;
    return verdict;
  }

  private judge(at: Entry, op: FastOp): Verdict {
    if (this.spte.allows(at.attr, op.kind)) return SPURIOUS;
    const write = op.kind === Write;
    const fixed = this.spte.fastFix(at.attr, write);
    if (fixed === at.attr || !this.spte.allows(fixed, op.kind)) return INVALID;
    const gains = this.spte.isWritable(fixed) && !this.spte.isWritable(at.attr);
    if (gains && at.level > 1 && (op.logged || !this.fixHuge)) return INVALID;
    return makeVerdict(TdpAction.FixRights, fixed, 0, Effect.Final | (gains ? Effect.MarkDirty : Effect.None), RetPf.Fixed);
  }
}

/** How the hardware's walk ends. */
export const HwWalk = { Hit: 1, HitDirtied: 2, NotPresent: 3, Denied: 4, Mmio: 5 } as const;

const NOT_PRESENT = makeVerdict(Action.Stop, 0, 0, Effect.None, HwWalk.NotPresent);
const MMIO = makeVerdict(Action.Stop, 0, 0, Effect.None, HwWalk.Mmio);
const DENIED = makeVerdict(Action.Stop, 0, 0, Effect.None, HwWalk.Denied);
const HIT = makeVerdict(Action.Stop, 0, 0, Effect.None, HwWalk.Hit);

/** Constants of one hardware walk. */
export class HwOp {
  /** 0 read, 1 write, 2 execute. */
  kind = 0;
}

/** The hardware's walk: it lets the access through and sets A and D, or faults. */
export class HardwareWalkRule implements Rule<HwOp> {
  readonly name = 'hardware-walk';
  /** Verdicts by attribute and kind of access. */
  private readonly verdicts = new Int32Array(1024).fill(UNKNOWN);

  constructor(private readonly spte: SpteAttrs) {}

  visit(at: Entry, op: HwOp): Verdict {
    if (at.kind !== Leaf) return at.kind === Special && at.attr === this.spte.mmio ? MMIO : NOT_PRESENT;
    const key = at.attr | (op.kind << 8);
    const known = this.verdicts[key];
    if (known !== UNKNOWN) return known;
    const verdict = this.judge(at, op);
    this.verdicts[key] = verdict;
    return verdict;
  }

  private judge(at: Entry, op: HwOp): Verdict {
    if (!this.spte.allows(at.attr, op.kind)) return this.spte.isTracked(at.attr) ? NOT_PRESENT : DENIED;
    const after = this.spte.afterAccess(at.attr, op.kind);
    if (after === at.attr) return HIT;
    const dirtied = this.spte.isDirty(after) && !this.spte.isDirty(at.attr);
    return makeVerdict(TdpAction.FixRights, after, 0, Effect.Final, dirtied ? HwWalk.HitDirtied : HwWalk.Hit);
  }
}
