/**
 * The one point every change of a TDP entry passes: counters, gauges, the NX list, flushes of removed tables.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c handle_changed_spte(), handle_removed_pt(). Hot path.
 */
import { Change, ENTRIES_PER_TABLE, EntryKind } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import type { Memslots } from '@mmulab/kvm';
import type { Bookkeeper, MmOps } from '@mmulab/pgtable';
import { Ev } from '../events';
import type { VmJournal } from '../vm-journal';

// Bound here: a name that another package re-exports is a call of a getter.
const { Leaf, Table } = EntryKind;

/** What the bookkeeper needs to know of the VM's dirty tracking. */
export type MarkDirty = (gfn: number) => void;

/** Marks a frame dirty in the memslot it lies in, which the vCPU that acts writes. */
export function markDirtyIn(slots: Memslots, journal: VmJournal): MarkDirty {
  return gfn => {
    const slot = slots.find(gfn);
    if (slot !== undefined) slots.markDirty(slot, gfn, journal.vcpu);
  };
}

/** Bookkeeping of one VM's TDP tables. */
export class TdpBookkeeper implements Bookkeeper, MmOps {
  /** Counts up whenever an entry is gone or an access may not pass as it did (MmuBackend.losses). */
  losses = 0;
  /** Young leaves that aging has met. */
  young = 0;

  /**
   * @param flushRemovedTable each removed table asks for a flush of its own (5.10)
   * @param markPageDirty called for the Effect of that name
   * @param rights kinds of access that leave a leaf of an attribute as it is, as bits
   * @param entries entries per table; tests on small tables have other than 512
   */
  constructor(
    private readonly counters: Counters,
    private readonly journal: VmJournal,
    private readonly flushRemovedTable: boolean,
    private readonly markPageDirty: MarkDirty,
    private readonly rights: (attr: number) => number,
    private readonly entries = ENTRIES_PER_TABLE,
  ) {}

  /** A young leaf is aged: the one visit that is counted. */
  visited(_gfn: number, _level: number, count: number): void {
    this.young += count;
  }

  changed(_gfn: number, level: number, oldKind: EntryKind, oldAttr: number, newKind: EntryKind, newAttr: number, count: number): void {
    const now = this.counters.now;
    if (oldKind === Leaf) {
      if (newKind !== Leaf || (this.rights(oldAttr) & ~this.rights(newAttr)) !== 0) this.losses++;
      if (newKind === Leaf) {
        add(now, Ev.update[level], count);
        return;
      }
      add(now, Ev.pages[level], -count);
      if (newKind === Table) {
        add(now, Ev.split[level], count);
        add(now, Ev.hugeSplit[level], count);
        add(now, Ev.pages[level - 1], count * this.entries);
        return;
      }
      add(now, Ev.zap[level], count);
      return;
    }
    if (newKind === Leaf) {
      add(now, Ev.pages[level], count);
      if (oldKind === Table) {
        this.losses++;
        add(now, Ev.tableToLeaf, count);
        // A fault that puts a leaf in a table's place asks for the flush itself.
        add(now, Ev.tableZap, count);
        add(now, Ev.rcuFree, count);
      } else {
        add(now, Ev.install[level], count);
      }
    } else if (newKind === Table) {
      add(now, Ev.installTable, count);
    } else if (oldKind === Table) {
      this.losses++;
      add(now, Ev.zapTable, count);
      this.tablesRemoved(count);
    }
  }

  track(gfn: number, level: number, count: number): void {
    const span = this.entries ** (level - 1);
    this.journal.listTables(gfn - (gfn % span), level, span, count);
    add(this.counters.now, Ev.nxLpageSplits, count);
  }

  subtreeRemoved(gfn: number, level: number, count: number): void {
    const span = this.entries ** (level - 1);
    const removed = this.journal.unlistTables(gfn - (gfn % span), span * count, level);
    add(this.counters.now, Ev.nxLpageSplits, -removed);
  }

  markDirty(gfn: number): void {
    this.markPageDirty(gfn);
  }

  /** The split was tried, and its tracepoint fires, though another vCPU came first. */
  lost(_gfn: number, level: number, change: Change): void {
    const now = this.counters.now;
    add(now, Ev.exchangeLost, 1);
    if (change === Change.Split || change === Change.LinkTable) add(now, Ev.tableFree, 1);
    if (change !== Change.Split) return;
    add(now, Ev.hugeSplit[level], 1);
    add(now, Ev.hugeSplitFailed, 1);
  }

  zallocPage(_gfn: number, _level: number, count: number): void {
    add(this.counters.now, Ev.tableAlloc, count);
  }

  flushRemoteTlbs(_gfn: number, _level: number, count: number): void {
    this.flush(count);
  }

  /** `count` requests to flush all vCPUs. */
  flush(count: number): void {
    add(this.counters.now, Ev.remoteTlbFlushRequests, count);
    this.journal.flush();
  }

  private tablesRemoved(count: number): void {
    add(this.counters.now, Ev.tableZap, count);
    add(this.counters.now, Ev.rcuFree, count);
    if (this.flushRemovedTable) this.flush(count);
  }
}

function add(now: Float64Array, index: number, amount: number): void {
  now[index] = now[index] + amount;
}
