/**
 * Eager splitting of the nested guest's huge pages.
 *
 * The new table is direct, keyed by the guest's own rights: they come from the cache beside the huge entry, not from the entry, whose execute bit the NX workaround
 * and whose write bit dirty logging have taken. Objects a split needs are kept ready in three caches; the first attempt of a VM finds them empty, drops the lock to
 * fill them and is tried again, and so is every attempt that finds them used up.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_shadow_mmu_try_split_huge_pages(), shadow_mmu_try_split_huge_page(), topup_split_caches(),
 * shadow_mmu_split_huge_page().
 */
import { ENTRIES_PER_TABLE, PAGES_PER_LEVEL } from '@mmulab/api';
import { Ev } from '../events';
import { Role, childRole } from '../roots/role';
import { Spte } from '../spte';
import type { PageLookup } from './page-lookup';
import type { ShadowMmu } from './shadow-mmu';

/** Objects in a cache that was filled (KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE). */
const CACHE_CAPACITY = 40;
/** Descriptors a split may need, and a full cache of them (SPLIT_DESC_CACHE_MIN_NR_OBJECTS and as many as a cache holds more). */
const MIN_DESCRIPTORS = 513;
const DESCRIPTOR_CAPACITY = MIN_DESCRIPTORS + CACHE_CAPACITY;
/** With no more pages than this left, nothing is split. */
const MIN_FREE_PAGES = 5;

/** Splits of one VM, and its caches. */
export class NestedSplit {
  private descriptors = 0;
  private pageObjects = 0;
  private readonly entries: number[] = [];

  constructor(
    private readonly mmu: ShadowMmu,
    private readonly lookup: PageLookup,
  ) {}

  /** Splits all nested huge leaves that map frames of [start, end), from the largest level down. */
  splitRange(start: number, end: number): void {
    if (!this.mmu.policy.eagerSplit) return;
    for (let level = 3; level >= 2; level--) {
      for (let gfn = this.mmu.rmap.next(start, end, level); gfn >= 0;) {
        this.splitBlock(gfn, level);
        const span = PAGES_PER_LEVEL[level];
        const next = gfn - (gfn % span) + span;
        gfn = next < end ? this.mmu.rmap.next(next, end, level) : -1;
      }
    }
  }

  /** All huge leaves of one block; after each split the list is read anew. */
  private splitBlock(gfn: number, level: number): void {
    const { pages, rmap } = this.mmu;
    for (;;) {
      const count = rmap.collect(gfn, level, this.entries);
      const at = this.entries.slice(0, count).find(entry => isSplittable(pages.role[entry >> 9]));
      if (at === undefined || !this.trySplit(at >> 9, at & 511, level)) return;
    }
  }

  /** @returns false when the block is to be left alone */
  private trySplit(page: number, index: number, level: number): boolean {
    const { mmu } = this;
    mmu.count(Ev.hugeSplit[level]);
    mmu.slots.work.leaves(1, 0);
    if (mmu.availablePages <= MIN_FREE_PAGES) {
      mmu.count(Ev.hugeSplitFailed);
      return false;
    }
    if (this.descriptors < MIN_DESCRIPTORS || this.pageObjects < 1) {
      this.descriptors = DESCRIPTOR_CAPACITY;
      this.pageObjects = CACHE_CAPACITY;
      mmu.count(Ev.hugeSplitFailed);
      return true;
    }
    this.split(page, index, level);
    return true;
  }

  private split(page: number, index: number, level: number): void {
    const { mmu } = this;
    const { pages, leaf, lists } = mmu;
    const taken = lists.taken;
    const live = pages.live;
    const huge = pages.entry(page, index);
    const base = pages.entryGfn(page, index);
    const access = pages.entryAccess(page, index);
    const child = this.lookup.get(base, childRole(pages.role[page], index, true, access));
    this.pageObjects -= pages.live - live;
    const part = leaf.splitChild(huge, level - 1, access);
    const span = PAGES_PER_LEVEL[level - 1];
    let flush = false;
    for (let i = 0; i < ENTRIES_PER_TABLE; i++) {
      const old = pages.entry(child, i);
      if (old !== 0) {
        flush = flush || old < 0;
        continue;
      }
      pages.setEntry(child, i, part & ~Spte.Mmio);
      mmu.addLeaf(child, i, base + i * span, access);
    }
    mmu.link(page, index, child, flush);
    mmu.slots.work.leaves(0, 1);
    this.descriptors -= lists.taken - taken;
  }
}

function isSplittable(role: number): boolean {
  return (role & Role.Invalid) === 0 && (role & Role.GuestMode) !== 0;
}
