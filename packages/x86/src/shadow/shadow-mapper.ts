/**
 * How a fault maps a frame in shadow pages: from the root down, linking what is missing, to the leaf and its neighbours.
 *
 * Above the guest's leaf each page shadows a guest table; below it (a guest huge page mapped by smaller ones) pages are direct, keyed by the frame they map and the
 * rights of the guest's leaf. With two-dimensional paging, or without paging, all pages are direct. The leaf itself is the business of shadow-leaves.ts; a new one
 * brings up to seven neighbours.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c direct_map(), validate_direct_spte(); paging_tmpl.h FNAME(fetch)(). Hot path.
 */
import { AccessKind, ENTRIES_PER_TABLE, PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';
import type { Memslot } from '@mmulab/kvm';
import { RetPf } from '../ret-pf';
import { Access, Role, childRole, roleAccess } from '../roots/role';
import { MAX_LEVELS } from './guest-memory';
import type { GuestWalk } from './guest-walk';
import type { PageLookup } from './page-lookup';
import { Why } from './shadow-leaves';
import type { ShadowLeaves, WantedLeaf } from './shadow-leaves';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE, PageFlag, indexOf } from './shadow-page';
import { childOf, isLeaf } from './shadow-spte';
import type { ShadowSync } from './sync';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;

/** One fault once the host page is known. */
export class ShadowFault implements WantedLeaf {
  gfn = 0;
  write = false;
  /** Instruction fetch under the NX workaround. */
  hugePageDisallowed = false;
  slot: Memslot | undefined = undefined;
  mmio = false;
  hostWritable = false;
  /** Rights of the mapping. */
  access: number = Access.All;
  /** Largest level the mapping could have had without the NX workaround. */
  reqLevel = 1;
  goal = 1;
  /** Largest level the guest's own mapping allows. */
  maxLevel = 3;

  /** A fault of which the guest's own tables say nothing. @param slot undefined for MMIO */
  set(gfn: number, kind: number, slot: Memslot | undefined, hostWritable: boolean): void {
    this.gfn = gfn;
    this.write = kind === AccessKind.Write;
    this.slot = slot;
    this.mmio = slot === undefined;
    this.hostWritable = hostWritable;
    this.hugePageDisallowed = false;
    this.access = Access.All;
    this.maxLevel = 3;
  }
}

/** The way of no walk. */
const NO_WAY = -1;

/** Number of the stretch of frames that one page of level 1 maps. */
function blockOf(frame: number): number {
  return Math.floor(frame / ENTRIES_PER_TABLE);
}

/** Maps frames in a VM's shadow pages. */
export class ShadowMapper {
  /** Index of the leaf the last descent ended at. */
  private index = 0;
  // The path of the last `fetch`: its pages, the walk's way, the stretch it leads to (half a table of a 32-bit guest), and before which change of links.
  private readonly path = new Int32Array(MAX_LEVELS);
  private depth = 0;
  private way = NO_WAY;
  private block = 0;
  private links = 0;
  /** Pages below the path were brought in line as it was linked. */
  private hasSynced = false;

  constructor(
    private readonly mmu: ShadowMmu,
    private readonly leaves: ShadowLeaves,
    private readonly sync: ShadowSync,
    private readonly lookup: PageLookup,
  ) {}

  /** Maps a frame in direct pages below a root page (or one of the four of a PAE root). @returns a RetPf */
  mapDirect(root: number, fault: ShadowFault): number {
    this.adjustLevel(fault);
    return this.finish(this.descendDirect(root, fault), fault, this.mmu.leaf.adBits);
  }

  /** The same for a page that nobody has touched. */
  mapAhead(root: number, fault: ShadowFault): void {
    this.adjustLevel(fault);
    const page = this.descendDirect(root, fault);
    const { index } = this;
    const entry = this.mmu.pages.entry(page, index);
    if (this.mmu.policy.prefetchKeeps && isLeaf(entry) && this.mmu.pages.entryGfn(page, index) === this.leaves.baseOf(page, fault.gfn)) return;
    const result = this.leaves.set(page, index, fault, Why.Prefetch);
    if (this.mmu.leaf.adBits && result !== RetPf.Spurious) this.leaves.prefetchAround(page, index);
  }

  /** Maps what a guest walk found. @param vfn virtual frame, or frame of the nested guest; @returns a RetPf */
  fetch(root: number, vfn: number, walk: GuestWalk, fault: ShadowFault): number {
    const page = this.isLinked(root, vfn, walk) ? this.pathEnd() : this.linkPath(root, vfn, walk);
    this.adjustLevel(fault);
    // Also without A bits: what is mapped in advance is then access-tracked, and each such page still faults.
    return this.finish(this.descendBelowLeaf(page, vfn, fault), fault, true);
  }

  /** Whether a fault would find all pages of its way linked, none of them with writes counted against it. Then it is the last path. */
  prime(root: number, vfn: number, walk: GuestWalk): boolean {
    if (!this.isLinked(root, vfn, walk) && !this.findPath(root, vfn, walk)) return false;
    for (let i = 0; i < this.depth; i++) if (this.mmu.pages.flood[this.path[i]] !== 0) return false;
    return true;
  }

  /** Looks for the pages along a walk to a last-level table. @returns whether all are linked */
  private findPath(root: number, vfn: number, walk: GuestWalk): boolean {
    const { pages } = this.mmu;
    let page = root;
    this.depth = 0;
    this.way = NO_WAY;
    for (let level = pages.level(root); level > 1; level--) {
      this.path[this.depth++] = page;
      const index = indexOf(vfn, level);
      const entry = pages.entry(page, index);
      const { gfn, role } = this.shadowed(page, index, level, walk);
      if (entry >= 0 || pages.gfn[childOf(entry)] !== gfn || pages.role[childOf(entry)] !== role) return false;
      page = childOf(entry);
    }
    this.path[this.depth++] = page;
    this.way = walk.way;
    this.block = blockOf(vfn);
    this.links = pages.links;
    return true;
  }

  /** Whether the pages of the last path serve: from the same root, for a walk that came the same way, all linked as they were. */
  private isLinked(root: number, vfn: number, walk: GuestWalk): boolean {
    const isSamePath = this.path[0] === root && this.way === walk.way && this.block === blockOf(vfn);
    return isSamePath && walk.level === 1 && this.depth > 0 && this.links === this.mmu.pages.links;
  }

  /** Goes along the last path. @returns its last page */
  private pathEnd(): number {
    const { flood } = this.mmu.pages;
    for (let i = 0; i < this.depth; i++) flood[this.path[i]] = 0;
    return this.path[this.depth - 1];
  }

  /** Goes down along a guest walk, linking what is missing. @returns the page that shadows the table of the guest's leaf */
  private linkPath(root: number, vfn: number, walk: GuestWalk): number {
    const { pages } = this.mmu;
    let page = root;
    this.depth = 0;
    this.hasSynced = false;
    for (;;) {
      pages.flood[page] = 0;
      this.path[this.depth++] = page;
      const level = pages.level(page);
      if (level === walk.level) break;
      this.linkStep(page, indexOf(vfn, level), level, walk);
      page = childOf(pages.entry(page, indexOf(vfn, level)));
    }
    // Who brings pages in line may take others away, those of the path among them.
    this.way = this.hasSynced ? NO_WAY : walk.way;
    this.block = blockOf(vfn);
    this.links = pages.links;
    return page;
  }

  /** The page that is to shadow the next table of a walk. */
  private shadowed(page: number, index: number, level: number, walk: GuestWalk): { readonly gfn: number; readonly role: number } {
    const { pages } = this.mmu;
    const parentRole = pages.role[page];
    const passthrough = (parentRole & Role.Passthrough) !== 0;
    const access = passthrough ? Access.All : walk.above[level - 1];
    return { gfn: passthrough ? pages.gfn[page] : walk.tableGfn[level - 1], role: childRole(parentRole, index, false, access) };
  }

  /** Links the page that shadows the next table of a walk, unless it is there. */
  private linkStep(page: number, index: number, level: number, walk: GuestWalk): void {
    const { pages } = this.mmu;
    const { gfn, role } = this.shadowed(page, index, level, walk);
    const linked = this.child(page, index, gfn, role);
    if (linked === NO_PAGE) return;
    if (pages.unsyncChildren[linked] > 0) {
      this.hasSynced = true;
      this.sync.syncChildren(linked, pages.role[linked]);
    }
    this.mmu.link(page, index, linked, true);
  }

  /** Goes down to the page whose entry is to be the leaf, in direct pages all the way. @returns the page, or NO_PAGE */
  private descendDirect(root: number, fault: ShadowFault): number {
    const { mmu } = this;
    const { pages } = mmu;
    let page = root;
    for (;;) {
      const level = pages.level(page);
      const index = indexOf(fault.gfn, level);
      this.lowerGoal(page, index, level, fault);
      if (level === fault.goal) return page;
      this.linkDirect(page, index, level, fault, Access.All);
      page = childOf(pages.entry(page, index));
    }
  }

  /** From the guest's leaf level down. */
  private descendBelowLeaf(from: number, vfn: number, fault: ShadowFault): number {
    const { mmu } = this;
    const { pages } = mmu;
    let page = from;
    for (;;) {
      pages.flood[page] = 0;
      const level = pages.level(page);
      const index = indexOf(vfn, level);
      this.lowerGoal(page, index, level, fault);
      if (level === fault.goal) return page;
      this.validateDirect(page, index, fault.access);
      this.linkDirect(page, index, level, fault, fault.access);
      page = childOf(pages.entry(page, index));
    }
  }

  /** Largest level the guest, the slot, the host and shadowed tables allow; small pages where writes are logged. */
  private adjustLevel(fault: ShadowFault): void {
    const { slots, track, policy } = this.mmu;
    const { slot, gfn } = fault;
    fault.reqLevel = 1;
    if (slot !== undefined && !fault.mmio && !slot.logged && fault.maxLevel > 1) {
      const level = Math.min(fault.maxLevel, policy.maxLeafLevel, slot.maxLevel(gfn), slots.hostLevel(slot, gfn));
      fault.reqLevel = track.maxLevel(gfn, level);
    }
    fault.goal = this.mmu.tree.goal(fault.reqLevel, fault.hugePageDisallowed);
  }

  /** With the NX workaround a table that stands at the goal may have to stay. */
  private lowerGoal(page: number, index: number, level: number, fault: ShadowFault): void {
    const { tree, pages } = this.mmu;
    this.index = index;
    if (level !== fault.goal || level === 1) return;
    const entry = pages.entry(page, index);
    if (entry < 0 && tree.keepsTable(pages.has(childOf(entry), PageFlag.NxDisallowed))) fault.goal--;
  }

  private linkDirect(page: number, index: number, level: number, fault: ShadowFault, access: number): void {
    const { mmu } = this;
    const gfn = fault.gfn - (fault.gfn % PAGES_PER_LEVEL[level]);
    const role = childRole(mmu.pages.role[page], index, true, access);
    const child = this.child(page, index, gfn, role);
    if (child === NO_PAGE) return;
    mmu.link(page, index, child, true);
    if (!fault.hugePageDisallowed) return;
    if (fault.reqLevel >= level) mmu.trackNx(child, true);
    else if (mmu.policy.nxPrecise) mmu.trackNx(child, false);
  }

  /** The page to be linked at an entry, or NO_PAGE when the right one is there. */
  private child(page: number, index: number, gfn: number, role: number): number {
    const { pages, tree } = this.mmu;
    const entry = pages.entry(page, index);
    if (entry < 0) {
      const child = childOf(entry);
      if (tree.keepsChild(pages.gfn[child] === gfn && pages.role[child] === role)) return NO_PAGE;
    }
    return this.lookup.get(gfn, role);
  }

  /** A direct page linked below a guest huge page must have its rights. */
  private validateDirect(page: number, index: number, access: number): void {
    const { mmu } = this;
    const entry = mmu.pages.entry(page, index);
    if (entry >= 0 || roleAccess(mmu.pages.role[childOf(entry)]) === access) return;
    mmu.zapEntry(page, index, undefined);
    mmu.flush();
  }

  /** Sets the leaf and prefetches around it. */
  private finish(page: number, fault: ShadowFault, prefetches: boolean): number {
    const { index } = this;
    const result = this.leaves.set(page, index, fault, fault.write ? Why.Write : Why.Access);
    if (prefetches && result !== RetPf.Spurious && !fault.mmio) this.leaves.prefetchAround(page, index);
    return result;
  }
}
