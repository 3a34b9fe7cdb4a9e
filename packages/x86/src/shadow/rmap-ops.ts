/**
 * Host operations on shadow pages, reached through the reverse map: dirty logging, aging, unmapping, huge page recovery, eager split.
 *
 * The face is that of the TDP MMU's operations, so that dirty logging and NX recovery of a VM drive either or, with a nested guest, both.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c slot_rmap_walk users: kvm_mmu_slot_remove_write_access(), kvm_mmu_write_protect_pt_masked(),
 * kvm_mmu_clear_dirty_pt_masked(), kvm_mmu_zap_collapsible_spte(), kvm_age_rmap(), kvm_zap_rmap().
 */
import { PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';
import type { LockMode, Memslot } from '@mmulab/kvm';
import { callsOver } from '@mmulab/pgtable';
import { Role, isDirect } from '../roots/role';
import type { LoggedMmu, MinLevels } from '../log-tables';
import type { NxPages } from '../nx-recovery';
import type { PageLookup } from './page-lookup';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE, PageFlag } from './shadow-page';
import { isSingle, singleOf } from './pte-list';
import { CHUNK } from './rmap';
import { isWritable } from './shadow-spte';
import { NestedSplit } from './split';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;

/** Largest level of a leaf. */
const MAX_LEAF_LEVEL = 3;

const NO_ENTRIES = new Int32Array(0);

/** What one operation makes of a leaf; the same value leaves it alone. Asked for each leaf, or once for neighbours of one page that are equal. */
type LeafChange = (entry: number, page: number) => number;

/** Host operations on one VM's shadow pages. */
export class RmapOps implements LoggedMmu, NxPages {
  private readonly splitter: NestedSplit;
  private readonly entries: number[] = [];
  /** Pages zapped by NX recovery, freed with its flush. */
  private readonly zapped: number[] = [];

  constructor(
    private readonly mmu: ShadowMmu,
    lookup: PageLookup,
  ) {
    this.splitter = new NestedSplit(mmu, lookup);
  }

  /** Leaves are found by the reverse map, under the lock for writing. */
  readonly slotLocks: readonly LockMode[] = ['write'];

  /** Eager split of the nested guest's huge leaves that overlap [start, end). */
  splitHugePages(start: number, end: number): void {
    this.splitter.splitRange(start, end);
  }

  /** Clears W on leaves of `levels.rmap` and above; the right to give it back stays. @returns whether any changed */
  writeProtectRange(start: number, end: number, levels: MinLevels): boolean {
    let changed = false;
    for (let level = levels.rmap; level <= MAX_LEAF_LEVEL; level++) {
      changed = this.change(start, end, level, entry => this.mmu.leaf.writeProtect(entry, false)) > 0 || changed;
    }
    return changed;
  }

  /** Clears W and MMU-writable on the huge leaves that map a frame. */
  writeProtectHugePage(gfn: number): void {
    for (let level = 2; level <= MAX_LEAF_LEVEL; level++) this.mmu.protectRmap(gfn, level, true);
  }

  /** Takes the dirty state of small leaves back: D, or W where the hardware's log would not do (nested pages). @returns whether any changed */
  clearDirtyRange(start: number, end: number): boolean {
    return this.change(start, end, 1, (entry, page) => this.cleared(entry, page)) > 0;
  }

  /** The same for the small leaves of one frame. */
  clearDirtyPage(gfn: number, writeProtect: boolean): void {
    this.clearDirtyPages(gfn, gfn + 1, writeProtect);
  }

  clearDirtyPages(start: number, end: number, writeProtect: boolean): void {
    const { leaf } = this.mmu;
    if (writeProtect) this.change(start, end, 1, entry => leaf.writeProtect(entry, false));
    else this.change(start, end, 1, (entry, page) => this.cleared(entry, page));
  }

  /** Ages leaves, by one call or by one per page. @returns how many were young */
  age(start: number, end: number, pageByPage: boolean): number {
    const { leaf } = this.mmu;
    const aged = (entry: number): number => (leaf.isYoung(entry) ? leaf.aged(entry) : entry);
    let young = 0;
    for (let level = 1; level <= MAX_LEAF_LEVEL; level++) young += this.change(start, end, level, aged, pageByPage ? 1 : undefined);
    return young;
  }

  /** Zaps leaves. @returns whether any was there */
  unmap(start: number, end: number): boolean {
    let any = false;
    for (let level = 1; level <= MAX_LEAF_LEVEL; level++) this.eachBlock(start, end, level, gfn => (any = this.mmu.unmapBlock(gfn, level) || any));
    return any;
  }

  /** Logging stopped: leaves of linear pages that could be larger go. @returns whether a flush is owed */
  collapse(slot: Memslot): boolean {
    let any = this.collapseSmall(slot);
    for (let level = 2; level < MAX_LEAF_LEVEL; level++) {
      this.eachBlock(slot.base, slot.end, level, gfn => (any = this.collapseBlock(slot, gfn, level) || any));
    }
    return any;
  }

  /** The same for small leaves: those of pages that shadow guest tables, which most are, are looked at alone. */
  private collapseSmall(slot: Memslot): boolean {
    const { pages, slots, rmap } = this.mmu;
    let any = false;
    let visited = 0;
    for (let gfn = slot.base; gfn < slot.end;) {
      const stop = Math.min(slot.end, gfn - (gfn % CHUNK) + CHUNK);
      const heads = rmap.smallHeads(gfn);
      if (heads === undefined) {
        gfn = stop;
        continue;
      }
      for (let at = gfn % CHUNK; gfn < stop; gfn++, at++) {
        const head = heads[at];
        if (head === 0) continue;
        if (isSingle(head) && !isDirect(pages.role[singleOf(head) >> 9])) visited++;
        else any = this.collapseBlock(slot, gfn, 1) || any;
      }
    }
    slots.work.leaves(visited, 0);
    return any;
  }

  private collapseBlock(slot: Memslot, gfn: number, level: number): boolean {
    const { pages, slots, rmap, track, policy, tree } = this.mmu;
    const count = rmap.collect(gfn, level, this.entries);
    slots.work.leaves(count, 0);
    const hostLevel = slot.isSmall ? 1 : slots.hostLevel(slot, gfn);
    const allowed = track.maxLevel(gfn, Math.min(policy.maxLeafLevel, slot.maxLevel(gfn), hostLevel));
    let any = false;
    if (!tree.isCollapsible(level, allowed)) return any;
    for (const at of this.entries.slice(0, count)) {
      if (!isDirect(pages.role[at >> 9])) continue;
      slots.work.leaves(0, 1);
      any = this.mmu.zapEntry(at >> 9, at & 511, undefined) || any;
    }
    return any;
  }

  /** NX recovery: zaps a page; it is freed with the next flush. */
  zapPage(page: number): void {
    this.mmu.prepareZap(page, this.zapped);
  }

  /** NX recovery: takes the marks off a page that has left the list. */
  unmarkPage(page: number): void {
    this.mmu.pages.clearFlag(page, PageFlag.NxDisallowed | PageFlag.NxListed);
  }

  /** First frame a page maps. */
  gfnOf(page: number): number {
    return this.mmu.pages.gfn[page];
  }

  /** Asks `times` times for a flush of all vCPUs, and frees what waits for one. */
  flush(times: number): void {
    if (this.zapped.length > 0) this.mmu.commit(this.zapped);
    else for (let i = 0; i < times; i++) this.mmu.flush();
  }

  private cleared(entry: number, page: number): number {
    const { leaf } = this.mmu;
    const isNested = (this.mmu.pages.role[page] & Role.GuestMode) !== 0;
    return isNested && isWritable(entry) ? leaf.writeProtect(entry, false) : isNested ? entry : leaf.clearDirty(entry);
  }

  /** @param pieces see `RangeOptions`; @returns how many leaves changed */
  private change(start: number, end: number, level: number, change: LeafChange, pieces?: number): number {
    if (level === 1) return this.changeSmall(start, end, change);
    const { rmap } = this.mmu;
    const span = PAGES_PER_LEVEL[level];
    let changed = 0;
    for (let gfn = rmap.next(start, end, level); gfn >= 0; gfn = rmap.next(gfn - (gfn % span) + span, end, level)) {
      const calls = callsOver({ pieces }, start, end, gfn - (gfn % span), span);
      changed += this.changeList(rmap.collect(gfn, level, this.entries), change, calls);
    }
    return changed;
  }

  /** The same for small leaves, each of which one call visits: most frames have one, whose neighbours are those of the frame's. */
  private changeSmall(start: number, end: number, change: LeafChange): number {
    const { rmap } = this.mmu;
    let changed = 0;
    for (let gfn = start; gfn < end;) {
      const stop = Math.min(end, gfn - (gfn % CHUNK) + CHUNK);
      const heads = rmap.smallHeads(gfn);
      if (heads !== undefined) changed += this.changeChunk(heads, gfn, stop, change);
      gfn = stop;
    }
    return changed;
  }

  /** @param heads of the reverse maps of frames [start, end) and those around them */
  private changeChunk(heads: Int32Array, start: number, end: number, change: LeafChange): number {
    const { pages, rmap, slots } = this.mmu;
    let page = NO_PAGE;
    let table: Int32Array = NO_ENTRIES;
    let old = 0;
    let next = 0;
    let visited = 0;
    let changed = 0;
    let others = 0;
    for (let gfn = start, at = start % CHUNK; gfn < end; gfn++, at++) {
      const head = heads[at];
      if (head === 0) continue;
      if (!isSingle(head)) {
        others += this.changeList(rmap.collect(gfn, 1, this.entries), change, 1);
        continue;
      }
      const entry = singleOf(head);
      const isSamePage = entry >> 9 === page;
      if (!isSamePage) {
        page = entry >> 9;
        table = pages.tables[page] as Int32Array;
      }
      const found = table[entry & 511];
      if (!isSamePage || found !== old) {
        old = found;
        next = change(found, page);
      }
      visited++;
      if (next === old) continue;
      // A leaf for a leaf: nothing else of the page changes.
      table[entry & 511] = next;
      changed++;
    }
    slots.work.leaves(visited, changed);
    return changed + others;
  }

  /** The first entries of those collected. @returns how many changed */
  private changeList(count: number, change: LeafChange, calls: number): number {
    let changed = 0;
    for (let i = 0; i < count; i++) if (this.changeEntry(this.entries[i], change, calls)) changed++;
    return changed;
  }

  /** @param calls calls that visit it */
  private changeEntry(at: number, change: LeafChange, calls: number): boolean {
    const { pages, slots } = this.mmu;
    const old = pages.entry(at >> 9, at & 511);
    const next = change(old, at >> 9);
    slots.work.leaves(calls, next === old ? 0 : 1);
    if (next !== old) pages.setEntry(at >> 9, at & 511, next);
    return next !== old;
  }

  /** Calls for each block of `level` that some leaf maps and that overlaps [start, end). */
  private eachBlock(start: number, end: number, level: number, visit: (gfn: number) => void): void {
    const { rmap } = this.mmu;
    const span = PAGES_PER_LEVEL[level];
    for (let gfn = rmap.next(start, end, level); gfn >= 0;) {
      visit(gfn);
      const next = gfn - (gfn % span) + span;
      gfn = next < end ? rmap.next(next, end, level) : -1;
    }
  }
}
