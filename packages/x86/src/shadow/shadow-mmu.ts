/**
 * Shadow pages of one VM and what happens to them: looked up or made, linked, zapped, recycled.
 *
 * A page is zapped in two steps: prepared (its entries go, its parents forget it, nobody finds it any more) and, once the vCPUs have been told to flush,
 * freed. A page some vCPU holds as a root is prepared twice: when it is zapped, and when the last reference goes. Pages below a zapped one stay: another
 * parent, or a later fault, finds them in the hash. Everything here runs under mmu_lock held for writing.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_get_shadow_page(), link_shadow_page(), kvm_mmu_prepare_zap_page(), kvm_mmu_commit_zap_page(),
 * make_mmu_pages_available(), kvm_zap_obsolete_pages(). Hot path.
 */
import { ENTRIES_PER_TABLE as TABLE_ENTRIES } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import { badPageLimit, shadowPagesExhausted } from '../errors';
import { Ev } from '../events';
import type { Memslots } from '@mmulab/kvm';
import type { NxList } from '../nx-lists';
import { Role, hasGptes, roleLevel } from '../roots/role';
import type { VmJournal } from '../vm-journal';
import type { GuestMemory } from './guest-memory';
import { PteLists } from './pte-list';
import { Rmap } from './rmap';
import { NO_PAGE, PageFlag, ShadowPages } from './shadow-page';
import type { ShadowPolicy } from './shadow-policy';
import { type ShadowRules, shadowRules } from './shadow-rules';
import { type LeafBits, MMIO_ENTRY, MMIO_GENERATION, childOf, isLeaf, isMmuWritable, isWritable, tableEntry } from './shadow-spte';
import type { TreeRule } from './tree-rule';
import { UnsyncTree } from './unsync-tree';
import type { WriteTrack } from './write-track';

// Bound here: a name that another package re-exports is a call of a getter.
const ENTRIES_PER_TABLE: number = TABLE_ENTRIES;

/** Shadow pages a VM may always have (KVM_MIN_ALLOC_MMU_PAGES), and its share of guest memory (KVM_PERMILLE_MMU_PAGES). */
const MIN_MMU_PAGES = 64;
const PAGES_PER_SHADOW_PAGE = 50;
/** Pages that must be free before a fault, and how many are made free at once. */
const MIN_FREE_PAGES = 5;
const REFILL_PAGES = 25;
/** Entries of one frame beyond which all are dropped (RMAP_RECYCLE_THRESHOLD). */
const RMAP_RECYCLE_THRESHOLD = 1000;

/** What the shadow MMU needs of the VM around it. */
export interface ShadowVm {
  /** Write-protects a frame in the VM's other MMU. @returns whether anything changed */
  writeProtectElsewhere(gfn: number): boolean;
  /** Roots became obsolete: vCPUs are to let go of them. */
  rootsObsolete(): void;
}

/** Shadow pages of one VM. */
export class ShadowMmu {
  readonly lists = new PteLists();
  readonly pages = new ShadowPages();
  readonly rmap = new Rmap(this.lists);
  readonly unsync = new UnsyncTree(this.pages, this.lists);
  readonly leaf: LeafBits;
  readonly tree: TreeRule;
  /** Generation of pages made now; those of another one are obsolete. */
  generation = 0;
  /** What user space has set as the limit on pages (KVM_SET_NR_MMU_PAGES); 0 while it has not. */
  private requestedPages = 0;
  private readonly entries: number[] = [];
  private readonly parentEntries: number[] = [];

  constructor(
    readonly policy: ShadowPolicy,
    readonly slots: Memslots,
    readonly counters: Counters,
    readonly journal: VmJournal,
    private readonly nxPages: NxList,
    readonly track: WriteTrack,
    readonly memory: GuestMemory,
    private readonly vm: ShadowVm,
    rules: ShadowRules = shadowRules,
  ) {
    this.tree = new rules.tree(policy);
    this.leaf = new rules.leaf(policy.adBits, policy.nxHugePages, policy.dirtyOnRefault, !policy.syncKeepsAccessed);
  }

  /** An entry for a frame without a memslot, of the present generation of memslots. */
  get mmioEntry(): number {
    return MMIO_ENTRY + (this.slots.generation % MMIO_GENERATION.count) * MMIO_GENERATION.unit;
  }

  /** The NX workaround is switched on or off: everything goes. */
  setNxHugePages(on: boolean): void {
    this.policy.nxHugePages = on;
    this.leaf.setNxHugePages(on);
  }

  /** Asks all vCPUs to flush. */
  flush(): void {
    this.count(Ev.remoteTlbFlushRequests);
    this.journal.flush();
  }

  count(index: number, amount = 1): void {
    const now = this.counters.now;
    now[index] = now[index] + amount;
  }

  /** Whether a page was invalidated or belongs to an old generation. */
  isObsolete(page: number): boolean {
    return (this.pages.role[page] & Role.Invalid) !== 0 || this.pages.generation[page] !== this.generation;
  }

  /** Takes W, and the right to give it back, from everything that maps a frame. @returns whether anything changed */
  writeProtectGfn(gfn: number): boolean {
    let changed = this.vm.writeProtectElsewhere(gfn);
    for (let level = 1; level <= 3; level++) changed = this.protectRmap(gfn, level, true) || changed;
    return changed;
  }

  /** Write-protects the entries of `level` that map a frame. @returns whether any changed */
  protectRmap(gfn: number, level: number, forShadow: boolean): boolean {
    let changed = false;
    const count = this.rmap.collect(gfn, level, this.entries);
    for (let i = 0; i < count; i++) changed = this.protectEntry(this.entries[i], forShadow) || changed;
    return changed;
  }

  /** Write-protects one leaf. @returns whether it changed */
  protectEntry(at: number, forShadow: boolean): boolean {
    const old = this.pages.entry(at >> 9, at & 511);
    const changes = isWritable(old) || (forShadow && isMmuWritable(old));
    this.slots.work.leaves(1, changes ? 1 : 0);
    if (changes) this.pages.setEntry(at >> 9, at & 511, this.leaf.writeProtect(old, forShadow));
    return changes;
  }

  /**
   * A writable mapping of a frame is to be built: its last-level tables become unsync.
   * @returns whether that is refused, so that the mapping must not be writable
   */
  tryToUnsync(gfn: number, canUnsync: boolean, prefetch: boolean): boolean {
    const { pages, track } = this;
    if (track.indirectPages === 0 || track.isClear(gfn)) return false;
    if (track.isTracked(gfn)) return true;
    for (let page = pages.bucket(gfn); page !== NO_PAGE; page = pages.nextInBucket(page)) {
      const role = pages.role[page];
      if (pages.gfn[page] !== gfn || (role & Role.Invalid) !== 0 || !hasGptes(role)) continue;
      if (!canUnsync) return true;
      if (pages.has(page, PageFlag.Unsync)) continue;
      if (prefetch) return true;
      pages.setFlag(page, PageFlag.Unsync);
      this.count(Ev.mmuUnsync);
      this.unsync.markParents(page);
    }
    return false;
  }

  /** A page is in step again, or about to go. */
  endUnsync(page: number): void {
    if (!this.pages.has(page, PageFlag.Unsync)) return;
    this.pages.clearFlag(page, PageFlag.Unsync);
    this.count(Ev.mmuUnsync, -1);
  }

  /** Frees pages that were zapped, with the one flush that takes; without any, flushes where that is owed. */
  flushOrCommit(zapped: number[], flushOwed: boolean): void {
    if (zapped.length > 0) this.commit(zapped);
    else if (flushOwed) this.flush();
  }

  /**
   * Points an entry to a page.
   * @param alwaysFlush the caller asks for a flush when something present gives way (faults do)
   */
  link(parent: number, index: number, child: number, alwaysFlush: boolean): void {
    const { pages } = this;
    const old = pages.entry(parent, index);
    if (old !== 0) {
      const wasPresent = old < 0 || isLeaf(old);
      const zapped: number[] = [];
      this.zapEntry(parent, index, zapped);
      this.flushOrCommit(zapped, wasPresent && (alwaysFlush || this.policy.flushOnLink));
    }
    pages.setEntry(parent, index, tableEntry(child));
    pages.parents[child] = this.lists.add(pages.parents[child], parent * ENTRIES_PER_TABLE + index);
    if (pages.has(child, PageFlag.Unsync) || pages.unsyncChildren[child] > 0) this.unsync.markParents(child);
  }

  /** Sets a leaf's reverse map and gauge; drops all entries of a frame that has too many. */
  addLeaf(page: number, index: number, gfn: number, access: number): void {
    const level = this.pages.level(page);
    this.pages.setTranslation(page, index, gfn, access);
    this.count(Ev.pages[level]);
    if (this.rmap.add(gfn, level, page * ENTRIES_PER_TABLE + index) <= RMAP_RECYCLE_THRESHOLD) return;
    this.unmapBlock(gfn, level);
    this.flush();
  }

  /** Removes every entry of `level` that maps a frame. @returns whether there was any */
  unmapBlock(gfn: number, level: number): boolean {
    const count = this.rmap.collect(gfn, level, this.entries);
    this.slots.work.leaves(count, count);
    for (let i = 0; i < count; i++) this.zapEntry(this.entries[i] >> 9, this.entries[i] & 511, undefined);
    return count > 0;
  }

  /**
   * Empties an entry.
   * @param zapped takes nested pages that lose their last parent; without it they stay
   * @returns whether it was present
   */
  zapEntry(page: number, index: number, zapped: number[] | undefined): boolean {
    const { pages } = this;
    const entry = pages.entry(page, index);
    if (entry === 0) return false;
    pages.setEntry(page, index, 0);
    if (entry < 0) {
      const child = childOf(entry);
      pages.parents[child] = this.lists.remove(pages.parents[child], page * ENTRIES_PER_TABLE + index);
      const isNested = (pages.role[child] & Role.GuestMode) !== 0;
      if (this.policy.tdp && zapped !== undefined && isNested && pages.parents[child] === 0) this.prepareZap(child, zapped);
      return true;
    }
    if (!isLeaf(entry)) return false;
    const level = pages.level(page);
    this.rmap.remove(pages.entryGfn(page, index), level, page * ENTRIES_PER_TABLE + index);
    this.count(Ev.pages[level], -1);
    return true;
  }

  /** First step of zapping. @param zapped takes the pages to be freed */
  prepareZap(page: number, zapped: number[]): void {
    const { pages } = this;
    this.count(Ev.mmuShadowZapped);
    this.count(Ev.tableZap);
    if (pages.unsyncChildren[page] > 0) this.zapUnsyncBelow(page, zapped);
    this.zapEntries(page, zapped);
    this.unlinkParents(page);
    const role = pages.role[page];
    if ((role & Role.Invalid) === 0 && hasGptes(role)) this.track.remove(pages.gfn[page], roleLevel(role));
    this.endUnsync(page);
    pages.deactivate(page);
    const isRoot = pages.rootCount[page] > 0;
    const obsolete = this.isObsolete(page);
    pages.role[page] = role | Role.Invalid;
    if (!isRoot) {
      pages.usedPages--;
      zapped.push(page);
    } else if (!obsolete) {
      this.vm.rootsObsolete();
    }
    this.forgetNx(page);
  }

  /** Second step: one flush, then the pages are freed. */
  commit(zapped: number[]): void {
    if (zapped.length === 0) return;
    this.flush();
    for (const page of zapped) this.pages.release(page);
    zapped.length = 0;
  }

  /** Marks a page as made for the NX workaround. @param listed it may be recovered */
  trackNx(page: number, listed: boolean): void {
    if (this.pages.has(page, PageFlag.NxDisallowed) && (!this.policy.nxPrecise || !listed || this.pages.has(page, PageFlag.NxListed))) return;
    this.pages.setFlag(page, PageFlag.NxDisallowed);
    if (!listed) return;
    this.pages.setFlag(page, PageFlag.NxListed);
    this.nxPages.addPage(page);
    this.count(Ev.nxLpageSplits);
  }

  /** Takes the marks back. */
  forgetNx(page: number): void {
    if (this.pages.has(page, PageFlag.NxListed)) this.count(Ev.nxLpageSplits, -this.nxPages.cutPage(page));
    this.pages.clearFlag(page, PageFlag.NxDisallowed | PageFlag.NxListed);
  }

  /** Pages still to be had. */
  get availablePages(): number {
    return Math.max(0, this.limit() - this.pages.usedPages);
  }

  /** User space limits the pages: those beyond go at once, the oldest first; roots stay, and so does the room they take. @throws SHADOW_PAGE_LIMIT */
  limitPages(pages: number): void {
    if (!Number.isSafeInteger(pages) || pages < MIN_MMU_PAGES) throw badPageLimit(pages, MIN_MMU_PAGES);
    const excess = this.pages.usedPages - pages;
    if (excess > 0) this.zapOldest(excess);
    this.requestedPages = excess > 0 ? this.pages.usedPages : pages;
  }

  /** Whether a fault would find room without making any. */
  get hasFreePages(): boolean {
    return this.availablePages >= MIN_FREE_PAGES;
  }

  /** Makes room before a fault or a load: the oldest pages that are no roots go. @throws KvmRunFailure ENOSPC when nothing can go */
  makePagesAvailable(): void {
    const available = this.availablePages;
    if (available >= MIN_FREE_PAGES) return;
    this.zapOldest(REFILL_PAGES - available);
    if (this.availablePages === 0) throw shadowPagesExhausted(this.journal.vcpu, this.limit());
  }

  /** Zaps everything: pages of the old generation go from the oldest on, roots that are held become invalid. */
  fastZap(): void {
    this.slots.work.underLock('write', () => this.zapGeneration());
  }

  private zapGeneration(): void {
    this.generation ^= 1;
    this.vm.rootsObsolete();
    const zapped: number[] = [];
    for (let page = this.pages.oldest; page !== NO_PAGE; page = this.pages.oldest) this.prepareZap(page, zapped);
    this.commit(zapped);
  }

  /** Zaps the pages that shadow tables in a range of frames, and flushes: once, if there were any or `isOwed`. */
  zapTablesIn(start: number, end: number, isOwed: boolean): void {
    const zapped: number[] = [];
    for (let page = this.pages.oldest; page !== NO_PAGE;) {
      const newer = this.pages.newer(page);
      const gfn = this.pages.gfn[page];
      if (gfn >= start && gfn < end && hasGptes(this.pages.role[page])) this.prepareZap(page, zapped);
      page = newer !== NO_PAGE && !this.pages.has(newer, PageFlag.Active) ? this.pages.oldest : newer;
    }
    if (zapped.length > 0) this.commit(zapped);
    else if (isOwed) this.flush();
  }

  private zapEntries(page: number, zapped: number[]): void {
    const { pages } = this;
    let leaves = 0;
    if (pages.used[page] > 0 && pages.level(page) === 1) {
      leaves = this.zapSmall(page);
    } else if (pages.used[page] > 0) {
      for (let i = 0; i < ENTRIES_PER_TABLE; i++) {
        if (isLeaf(pages.entry(page, i))) leaves++;
        this.zapEntry(page, i, zapped);
      }
    }
    this.slots.work.walked(leaves, leaves, 1);
  }

  /** Empties the entries of a last-level page. @returns leaves that were among them */
  private zapSmall(page: number): number {
    const { pages, rmap } = this;
    const table = pages.tables[page] as Int32Array;
    let leaves = 0;
    for (let i = 0; i < ENTRIES_PER_TABLE; i++) {
      if (!isLeaf(table[i])) continue;
      rmap.removeSmall(pages.entryGfn(page, i), page * ENTRIES_PER_TABLE + i);
      leaves++;
    }
    table.fill(0);
    pages.used[page] = 0;
    if (leaves > 0) this.count(Ev.pages[1], -leaves);
    return leaves;
  }

  private zapUnsyncBelow(page: number, zapped: number[]): void {
    for (let batch = this.unsync.walk(page); batch !== undefined; batch = this.unsync.walk(page)) {
      for (let at = batch.next(-1); at >= 0; at = batch.next(at)) {
        this.prepareZap(batch.page(at), zapped);
        batch.clearWay();
      }
    }
  }

  private unlinkParents(page: number): void {
    const count = this.lists.collect(this.pages.parents[page], this.parentEntries);
    for (let i = 0; i < count; i++) {
      const at = this.parentEntries[i];
      this.pages.setEntry(at >> 9, at & 511, 0);
      this.pages.parents[page] = this.lists.remove(this.pages.parents[page], at);
    }
  }

  private zapOldest(wanted: number): void {
    const zapped: number[] = [];
    for (let page = this.pages.oldest; page !== NO_PAGE && zapped.length < wanted;) {
      const newer = this.pages.newer(page);
      if (this.pages.rootCount[page] === 0) {
        this.prepareZap(page, zapped);
        // The list may have lost more than this page.
        page = newer !== NO_PAGE && this.pages.has(newer, PageFlag.Active) ? newer : this.pages.oldest;
      } else {
        page = newer;
      }
    }
    this.count(Ev.mmuRecycled, zapped.length);
    this.commit(zapped);
  }

  private limit(): number {
    return this.requestedPages > 0 ? this.requestedPages : Math.max(MIN_MMU_PAGES, Math.floor(this.slots.npages / PAGES_PER_SHADOW_PAGE));
  }
}
