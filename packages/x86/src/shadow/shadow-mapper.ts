/**
 * How a fault maps a frame in shadow pages: from the root down, linking what is missing, to the leaf and its neighbours.
 *
 * Above the guest's leaf each page shadows a guest table; below it (a guest huge page mapped by smaller ones) pages are direct, keyed by the frame they map and the
 * rights of the guest's leaf. With two-dimensional paging, or without paging, all pages are direct. A mapping that was there is left (SPURIOUS) or changed, with
 * a flush when it loses something a TLB may hold; a new one brings up to seven neighbours.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c direct_map(), mmu_set_spte(), direct_pte_prefetch(), validate_direct_spte(); paging_tmpl.h FNAME(fetch)(),
 * FNAME(pte_prefetch)(); spte.c make_spte(). Hot path.
 */
import { ENTRIES_PER_TABLE, PAGES_PER_LEVEL } from '@mmulab/api';
import { Ev } from '../events';
import type { Memslot } from '@mmulab/kvm';
import { Access, Role, childRole, hasGptes, isDirect, roleAccess, roleLevel } from '../roots/role';
import { Spte } from '../spte';
import { RetPf } from '../ret-pf';
import { Gpte } from './guest-memory';
import type { TablePage } from './guest-memory';
import { accessOf } from './guest-walk';
import type { GuestWalk } from './guest-walk';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE, PageFlag } from './shadow-page';
import { MMIO_ENTRY, childOf, isShadowPresent } from './shadow-spte';
import type { LeafMaterial } from './shadow-spte';
import { guestIndex } from './sync';

/** Entries that are prefetched together (PTE_PREFETCH_NUM). */
const PREFETCH_ENTRIES = 8;

/** One fault once the host page is known. */
export class ShadowFault {
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
}

/** Maps frames in a VM's shadow pages. */
export class ShadowMapper {
  /** Asked before a writable mapping of a frame is built; see sync.ts. */
  tryToUnsync: (gfn: number, canUnsync: boolean, prefetch: boolean) => boolean = () => false;
  /** Asked to bring a newly linked page's children in line; see sync.ts. */
  syncLinked: (page: number) => void = () => undefined;
  /** The last leaf built may not be written although it should. */
  private writeProtected = false;
  /** Index of the leaf the last descent ended at. */
  private index = 0;

  constructor(private readonly mmu: ShadowMmu) {}

  /** Maps a frame in direct pages below a root page (or one of the four of a PAE root). @returns a RetPf */
  mapDirect(root: number, fault: ShadowFault): number {
    this.adjustLevel(fault);
    return this.finish(this.descendDirect(root, fault), fault, this.mmu.leaf.adBits);
  }

  /** Maps what a guest walk found. @param vfn virtual frame, or frame of the nested guest; @returns a RetPf */
  fetch(root: number, vfn: number, walk: GuestWalk, fault: ShadowFault): number {
    const { mmu } = this;
    const { pages } = mmu;
    let page = root;
    for (;;) {
      pages.flood[page] = 0;
      const level = pages.level(page);
      if (level === walk.level) break;
      const index = indexOf(vfn, level);
      const parentRole = pages.role[page];
      const passthrough = (parentRole & Role.Passthrough) !== 0;
      const table = passthrough ? pages.gfn[page] : walk.tableGfn[level - 1];
      const access = passthrough ? Access.All : walk.above[level - 1];
      const role = childRole(parentRole, index, false, access);
      const linked = this.child(page, index, table, role);
      if (linked !== NO_PAGE) {
        if (pages.unsyncChildren[linked] > 0) this.syncLinked(linked);
        mmu.link(page, index, linked, true);
      }
      page = childOf(pages.entry(page, index));
    }
    this.adjustLevel(fault);
    // Also without A bits: what is mapped in advance is then access-tracked, and each such page still faults.
    return this.finish(this.descendBelowLeaf(page, vfn, fault), fault, true);
  }

  /** Whether a leaf of `level` may become executable and writable as it stands; else what is built is write-protected. */
  makeLeaf(material: LeafMaterial, gfn: number, canUnsync: boolean): number {
    const { leaf, slots } = this.mmu;
    this.writeProtected = false;
    let bits = leaf.base(material);
    if (material.hostWritable && (material.access & Access.Write) !== 0) {
      const wasWritable = material.old > 0 && (material.old & Spte.Writable) !== 0;
      if (!wasWritable && this.tryToUnsync(gfn, canUnsync, material.prefetch)) this.writeProtected = true;
      else bits = leaf.writable(bits, material.old);
    }
    if (material.prefetch) bits = leaf.prefetched(bits);
    if ((bits & Spte.Writable) === 0) return bits;
    const slot = slots.find(gfn);
    if (slot !== undefined && (slot.logged || this.mmu.policy.markUnloggedDirty)) slots.markDirty(slot, gfn);
    return bits;
  }

  /** Maps the frame of a guest entry without being asked to, where that is safe. @returns false: prefetching is to end here */
  prefetchEntry(page: number, index: number): boolean {
    const { mmu } = this;
    const role = mmu.pages.role[page];
    if (!hasGptes(role)) return false;
    const table = mmu.memory.page(mmu.pages.gfn[page], 1, (role & Role.Has4ByteGpte) !== 0 ? 2 : 4);
    return this.prefetchGuest(page, index, table);
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
    fault.goal = fault.hugePageDisallowed ? 1 : fault.reqLevel;
  }

  /** With the NX workaround a table that stands at the goal may have to stay. */
  private lowerGoal(page: number, index: number, level: number, fault: ShadowFault): void {
    const { policy, pages } = this.mmu;
    this.index = index;
    if (!policy.nxHugePages || level !== fault.goal || level === 1) return;
    const entry = pages.entry(page, index);
    if (entry >= 0) return;
    if (!policy.nxPrecise || pages.has(childOf(entry), PageFlag.NxDisallowed)) fault.goal--;
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
    const { pages, policy } = this.mmu;
    const entry = pages.entry(page, index);
    if (entry < 0) {
      const child = childOf(entry);
      if (!policy.childRoleCheck || (pages.gfn[child] === gfn && pages.role[child] === role)) return NO_PAGE;
    }
    return this.mmu.getPage(gfn, role);
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
    const result = this.setLeaf(page, index, fault.access, fault.gfn, fault.hostWritable, fault.write, false, fault.mmio);
    if (prefetches && result !== RetPf.Spurious && !fault.mmio) this.prefetch(page, index);
    return result;
  }

  /** mmu_set_spte. */
  private setLeaf(
    page: number,
    index: number,
    access: number,
    gfn: number,
    hostWritable: boolean,
    write: boolean,
    prefetch: boolean,
    mmio: boolean,
  ): number {
    const { mmu } = this;
    const { pages } = mmu;
    const level = pages.level(page);
    let old = pages.entry(page, index);
    let flush = false;
    let wasMapped = false;
    if (isShadowPresent(old)) {
      if (old < 0 || pages.entryGfn(page, index) !== gfn - (gfn % PAGES_PER_LEVEL[level]) || mmio) {
        mmu.zapEntry(page, index, undefined);
        flush = true;
        old = 0;
      } else {
        wasMapped = true;
      }
    }
    if (mmio) {
      pages.setEntry(page, index, MMIO_ENTRY);
      if (flush) mmu.flush();
      return RetPf.Emulate;
    }
    const made = this.makeLeaf({ level, access, hostWritable, old, prefetch }, gfn, true);
    const refused = this.writeProtected;
    let result: number = RetPf.Fixed;
    if (made === old) {
      result = RetPf.Spurious;
    } else {
      if (wasMapped && mmu.leaf.needsFlush(old, made)) flush = true;
      pages.setEntry(page, index, made);
      mmu.count(Ev.shadowSetSpte);
    }
    if (refused && write) result = RetPf.Emulate;
    if (flush) mmu.flush();
    const base = gfn - (gfn % PAGES_PER_LEVEL[level]);
    if (wasMapped) pages.setTranslation(page, index, base, access);
    else mmu.addLeaf(page, index, base, access);
    return result;
  }

  private prefetch(page: number, index: number): void {
    const role = this.mmu.pages.role[page];
    if (roleLevel(role) > 1) return;
    if (isDirect(role)) this.prefetchDirect(page, index);
    else this.prefetchIndirect(page, index);
  }

  /** Neighbours in a linear page: run by run of empty entries, as far as the host has them writable. */
  private prefetchDirect(page: number, faulting: number): void {
    const { pages, policy } = this.mmu;
    const first = faulting - (faulting % PREFETCH_ENTRIES);
    let start = -1;
    for (let i = first; i < first + PREFETCH_ENTRIES; i++) {
      if (i !== faulting && !isShadowPresent(pages.entry(page, i))) {
        if (start < 0) start = i;
        continue;
      }
      if (start >= 0 && !this.prefetchRun(page, start, i)) return;
      start = -1;
    }
    if (start >= 0 && policy.prefetchLastRun) this.prefetchRun(page, start, first + PREFETCH_ENTRIES);
  }

  /** Maps the leading pages of a run. @returns whether there were any */
  private prefetchRun(page: number, from: number, to: number): boolean {
    const { pages, slots } = this.mmu;
    const access = roleAccess(pages.role[page]);
    const base = pages.gfn[page];
    const slot = slots.find(base + from);
    if (slot === undefined || ((access & Access.Write) !== 0 && (slot.logged || slot.spec.readonly)) || base + to > slot.end) return false;
    let at = from;
    while (at < to && slots.hostWritable(slot, base + at)) {
      this.setLeaf(page, at, access, base + at, true, false, true, false);
      at++;
    }
    return at > from;
  }

  /** Neighbours in a guest table: up to the first that cannot be had. */
  private prefetchIndirect(page: number, faulting: number): void {
    const { mmu } = this;
    const role = mmu.pages.role[page];
    const table = mmu.memory.page(mmu.pages.gfn[page], 1, (role & Role.Has4ByteGpte) !== 0 ? 2 : 4);
    const first = faulting - (faulting % PREFETCH_ENTRIES);
    for (let i = first; i < first + PREFETCH_ENTRIES; i++) {
      if (i === faulting || isShadowPresent(mmu.pages.entry(page, i))) continue;
      if (!this.prefetchGuest(page, i, table)) return;
    }
  }

  private prefetchGuest(page: number, index: number, table: TablePage): boolean {
    const { mmu } = this;
    const { slots } = mmu;
    const role = mmu.pages.role[page];
    const at = guestIndex(role, index);
    const bits = table.bits[at];
    if ((bits & (Gpte.Present | Gpte.Accessed | Gpte.Reserved)) !== (Gpte.Present | Gpte.Accessed)) return false;
    let access = roleAccess(role) & accessOf(bits, (role & Role.EferNx) !== 0);
    if ((bits & Gpte.Dirty) === 0) access &= ~Access.Write;
    const gfn = table.gfns[at];
    const slot = slots.find(gfn);
    if (slot === undefined || ((access & Access.Write) !== 0 && (slot.logged || slot.spec.readonly))) return false;
    if (!slots.hostWritable(slot, gfn)) return false;
    this.setLeaf(page, index, access, gfn, true, false, true, false);
    return true;
  }
}

/** Index of a frame's entry in a shadow table of a level. */
export function indexOf(frame: number, level: number): number {
  return Math.floor(frame / PAGES_PER_LEVEL[level]) % ENTRIES_PER_TABLE;
}
