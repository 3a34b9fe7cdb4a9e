/**
 * How leaves of shadow pages are built and set: for a fault, or in advance for its neighbours.
 *
 * What stands at the entry gives way first: a page, a leaf of another frame. A leaf of the same frame is left (SPURIOUS) or changed, with a flush when it loses
 * something a TLB may hold. A leaf is not made writable while its frame holds a table that is written under KVM's eyes: a write then is emulated.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c mmu_set_spte(), direct_pte_prefetch(); paging_tmpl.h FNAME(prefetch_gpte)(), FNAME(pte_prefetch)(); spte.c make_spte().
 * Hot path.
 */
import { ENTRIES_PER_TABLE as TABLE_ENTRIES, PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';
import { Ev } from '../events';
import { RetPf } from '../ret-pf';
import { Access, Role, isDirect, roleAccess, roleLevel } from '../roots/role';
import { Spte } from '../spte';
import { Gpte } from './guest-memory';
import type { TablePage } from './guest-memory';
import { accessOf } from './guest-walk';
import type { ShadowMmu } from './shadow-mmu';
import { isShadowPresent } from './shadow-spte';
import type { LeafMaterial } from './shadow-spte';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;
const ENTRIES_PER_TABLE: number = TABLE_ENTRIES;

/** Entries that are prefetched together (PTE_PREFETCH_NUM). */
const PREFETCH_ENTRIES = 8;

/** What a leaf is to map. */
export interface WantedLeaf {
  readonly gfn: number;
  /** Rights of the mapping. */
  readonly access: number;
  readonly hostWritable: boolean;
  /** There is no memory behind the frame. */
  readonly mmio: boolean;
}

/** Why a leaf is set: an access that reads or executes, one that writes, or in advance. */
export const Why = { Access: 0, Write: 1, Prefetch: 2 } as const;
export type Why = (typeof Why)[keyof typeof Why];

/** Leaves of one VM's shadow pages. */
export class ShadowLeaves {
  /** The last leaf built may not be written although it should. */
  private writeProtected = false;
  /** What is set in advance: one object for all. */
  private readonly ahead = { gfn: 0, access: 0, hostWritable: true, mmio: false };

  constructor(private readonly mmu: ShadowMmu) {}

  /** mmu_set_spte. @returns a RetPf */
  set(page: number, index: number, wanted: WantedLeaf, why: Why): number {
    const { mmu } = this;
    const displaced = this.displace(page, index, wanted);
    if (wanted.mmio) {
      mmu.pages.setEntry(page, index, mmu.mmioEntry);
      mmu.pages.setTranslation(page, index, this.baseOf(page, wanted.gfn), wanted.access);
      if (displaced) mmu.flush();
      return RetPf.Emulate;
    }
    const old = mmu.pages.entry(page, index);
    const made = this.build(page, wanted, old, why);
    const refused = this.writeProtected;
    if (made !== old) this.store(page, index, made);
    if (displaced || (made !== old && isShadowPresent(old) && mmu.leaf.needsFlush(old, made))) mmu.flush();
    this.note(page, index, wanted, isShadowPresent(old));
    if (refused && why === Why.Write) return RetPf.Emulate;
    return made === old ? RetPf.Spurious : RetPf.Fixed;
  }

  /** make_spte: what a leaf says; write-protected where the frame holds a table whose shadow must not fall out of step. */
  make(material: LeafMaterial, gfn: number, canUnsync: boolean): number {
    const { leaf, slots } = this.mmu;
    this.writeProtected = false;
    let bits = leaf.base(material);
    if (material.hostWritable && (material.access & Access.Write) !== 0) {
      const wasWritable = material.old > 0 && (material.old & Spte.Writable) !== 0;
      if (!wasWritable && this.mmu.tryToUnsync(gfn, canUnsync, material.prefetch)) this.writeProtected = true;
      else bits = leaf.writable(bits, material.old);
    }
    if (material.prefetch) bits = leaf.prefetched(bits);
    if ((bits & Spte.Writable) === 0) return bits;
    const slot = slots.find(gfn);
    if (slot !== undefined && (slot.logged || this.mmu.policy.markUnloggedDirty)) slots.markDirty(slot, gfn, this.mmu.journal.vcpu);
    return bits;
  }

  /** Maps anew what the guest has invalidated one translation of, where that is safe; a log does not mind. */
  prefetchInvalidated(page: number, index: number): void {
    const { mmu } = this;
    const role = mmu.pages.role[page];
    const table = mmu.memory.tableAt(mmu.pages.gfn[page], (role & Role.Has4ByteGpte) !== 0 ? 2 : 4);
    this.prefetchGuest(page, index, table, true);
  }

  /** Maps the neighbours of a leaf in advance, as far as they are small. */
  prefetchAround(page: number, index: number): void {
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
      this.setAhead(page, at, base + at, access);
      at++;
    }
    return at > from;
  }

  /** Neighbours in a guest table: up to the first that cannot be had. */
  private prefetchIndirect(page: number, faulting: number): void {
    const { mmu } = this;
    const role = mmu.pages.role[page];
    const table = mmu.memory.tableAt(mmu.pages.gfn[page], (role & Role.Has4ByteGpte) !== 0 ? 2 : 4);
    const first = faulting - (faulting % PREFETCH_ENTRIES);
    for (let i = first; i < first + PREFETCH_ENTRIES; i++) {
      if (i === faulting || isShadowPresent(mmu.pages.entry(page, i))) continue;
      if (!this.prefetchGuest(page, i, table, false)) return;
    }
  }

  /** @param inLog also what may be written in a slot that is logged; @returns false: prefetching is to end here */
  private prefetchGuest(page: number, index: number, table: TablePage, inLog: boolean): boolean {
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
    if (slot === undefined || ((access & Access.Write) !== 0 && ((slot.logged && !inLog) || slot.spec.readonly))) return false;
    if (!slots.hostWritable(slot, gfn)) return false;
    this.setAhead(page, index, gfn, access);
    return true;
  }

  /** Takes away what stands in a leaf's place, if it is no leaf of the same frame. @returns whether a flush is owed */
  private displace(page: number, index: number, wanted: WantedLeaf): boolean {
    const { mmu } = this;
    const old = mmu.pages.entry(page, index);
    if (!isShadowPresent(old)) return false;
    const isSame = old > 0 && mmu.pages.entryGfn(page, index) === this.baseOf(page, wanted.gfn);
    if (isSame && !wanted.mmio) return false;
    mmu.zapEntry(page, index, undefined);
    return true;
  }

  private build(page: number, { gfn, access, hostWritable }: WantedLeaf, old: number, why: Why): number {
    return this.make({ level: this.mmu.pages.level(page), access, hostWritable, old, prefetch: why === Why.Prefetch }, gfn, true);
  }

  private store(page: number, index: number, made: number): void {
    this.mmu.pages.setEntry(page, index, made);
    this.mmu.count(Ev.shadowSetSpte);
  }

  /** Notes what the entry translates to, and in the reverse map unless it stood there before. */
  private note(page: number, index: number, { gfn, access }: WantedLeaf, wasMapped: boolean): void {
    const base = this.baseOf(page, gfn);
    if (wasMapped) this.mmu.pages.setTranslation(page, index, base, access);
    else this.mmu.addLeaf(page, index, base, access);
  }

  /** First frame of the block that an entry of a page maps. */
  baseOf(page: number, gfn: number): number {
    return gfn - (gfn % PAGES_PER_LEVEL[this.mmu.pages.level(page)]);
  }

  private setAhead(page: number, index: number, gfn: number, access: number): void {
    this.ahead.gfn = gfn;
    this.ahead.access = access;
    this.set(page, index, this.ahead, Why.Prefetch);
  }
}

/** Index of the guest's entry that entry `index` of a page stands for: 32-bit tables have twice as many. */
export function guestIndex(role: number, index: number): number {
  if ((role & Role.Has4ByteGpte) === 0) return index;
  const quadrant = (role >> Role.QuadrantShift) & 3;
  return roleLevel(role) === 1 ? quadrant * ENTRIES_PER_TABLE + index : quadrant * (ENTRIES_PER_TABLE / 2) + (index >> 1);
}
