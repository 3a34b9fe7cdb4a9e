/**
 * What the host does to the memory behind memslots: it drops pages, protects them, shares them with a child, gives advice on them, touches them itself. Each of it reaches the
 * tables as MMU notifier calls around the change; what becomes of the pages stands in the tables of their kind (`HostChanges`).
 *
 * mprotect tells the notifier only where there are pages, and not at all of memory that has the protection already. fork tells it of a whole private mapping, if any page of that
 * is the process's own. MADV_FREE and MADV_DONTNEED tell it of their range, MADV_COLLAPSE of each block that becomes one huge page; the other advice of nothing, but for
 * huge pages that are broken up at the ends of its range.
 *
 * Models: Linux mm/mprotect.c change_pud_range(), change_pmd_range(), mprotect_fixup(); mm/memory.c copy_page_range(); mm/madvise.c madvise_dontneed_free_valid_vma(); mm/khugepaged.c collapse_huge_page();
 * mm/mmap.c mmap_region().
 */
import type { HostBacking, HostChanges, HostOp, MemoryAdvice, StateMap } from '@mmulab/api';
import { changeRefusal } from '@mmulab/api';
import { breakBlocks, dropPages, type FrameRange } from './drop-pages';
import { hostAccessFailed, hostRefused } from './errors';
import { eachFrameRun } from './frame-runs';
import type { HostTables } from './host-tables';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

const PMD = 2;
const PUD = 3;

/** A range of one memslot. */
export interface SlotRange extends FrameRange {
  readonly slot: Memslot;
}

/** The memory of one VM, as its process changes it. */
export class HostMemoryOps {
  constructor(
    private readonly slots: Memslots,
    private readonly tables: HostTables,
  ) {}

  /** The host drops pages (MADV_DONTNEED), or maps something new over them. Of hugetlb memory what a range has of its last page stays, unless the slot ends there. */
  unmap({ slot, start, end: asked }: SlotRange, remap: boolean): void {
    const { hostStates, geometry } = this.slots;
    const { hugetlb } = slot.spec.backing;
    const end = hugetlb && !remap && asked !== slot.end ? this.alignHost(slot, asked, this.pageFrames(slot)) : asked;
    if (end <= start) return;
    this.tables.invalidate(slot, start, end, () => {
      const broken = dropPages(hostStates, geometry, slot.spec, { start, end });
      if (remap) this.mapAnew({ slot, start, end });
      if (slot.isDivided || slot.mayRefuse) this.slots.noteMappings(slot);
      this.invalidateAll(slot, broken);
    });
  }

  /** Something new is mapped over a range: it is as if nothing had been there, but for the page table of a block that others have pages in still. */
  private mapAnew({ slot, start, end }: SlotRange): void {
    const { dropped, changes } = slot.spec.backing;
    const span = dropped === undefined ? 1 : this.pageFrames(slot);
    const [first, last] = [Math.ceil(start / span) * span, end - (end % span)];
    this.change(start, end, changes?.unprotect);
    if (last > first) this.slots.hostStates.setRange(first, last - first, 0);
  }

  /** mprotect. @throws VM_HOST_REFUSED */
  protect({ slot, start, end }: SlotRange, op: Extract<HostOp, { op: 'protect' }>): void {
    const changes = this.changesOf(slot.spec.backing, op);
    if (!this.isWhole({ slot, start, end }))
      throw hostRefused('protect', `${slot.spec.backing.name}: hugetlb memory has one protection per page (EINVAL)`);
    const becomes = op.writable ? changes.unprotect : changes.protect;
    const { hostStates } = this.slots;
    // Memory of one protection is one mapping to the host.
    let at = start;
    const protect = (to: number): void => {
      if (to > at) this.protectMapping({ slot, start: at, end: to }, becomes, changes.protectsByGib);
    };
    eachFrameRun(hostStates, start, end - start, (first, npages, state) => {
      if (becomes[state] !== state) return;
      protect(first);
      at = first + npages;
    });
    protect(end);
    this.slots.noteMappings(slot);
  }

  /** madvise. @throws VM_HOST_REFUSED */
  advise(range: SlotRange, op: Extract<HostOp, { op: 'madvise' }>): void {
    const { slot, start, end } = range;
    const changes = this.changesOf(slot.spec.backing, op);
    const advice: Readonly<Record<MemoryAdvice, () => void>> = {
      free: () => this.tables.invalidate(slot, start, end, () => this.breakEnds(range)),
      cold: () => this.breakEnds(range),
      hugepage: () => this.change(start, end, changes.hugepage),
      nohugepage: () => this.change(start, end, changes.nohugepage),
      collapse: () => this.collapse(range, changes.collapsed ?? []),
    };
    advice[op.advice]();
    this.slots.noteMappings(slot);
  }

  /** The host itself touches pages. @throws VM_HOST_ACCESS where the process may not */
  access({ slot, start, end }: SlotRange, write: boolean): void {
    const { hostStates } = this.slots;
    const runs: number[] = [];
    eachFrameRun(hostStates, start, end - start, first => runs.push(first));
    for (const [i, first] of runs.entries()) {
      const to = runs[i + 1] ?? end;
      for (let gfn = first; gfn < to;) gfn = this.accessPage(slot, gfn, to, write);
    }
  }

  /** fork: private mappings with pages of their own are copied, which write-protects these. @throws VM_HOST_REFUSED */
  fork(child: 'lives' | 'gone'): void {
    for (const slot of this.slots.all) {
      const { backing } = slot.spec;
      if (backing.shared === true || backing.device === true) continue;
      const { own, share, unshare } = this.changesOf(backing, { op: 'fork', child });
      let isOwn = false;
      eachFrameRun(this.slots.hostStates, slot.base, slot.spec.npages, (_first, _npages, state) => (isOwn ||= own[state] === true));
      if (!isOwn) continue;
      this.tables.invalidate(slot, slot.base, slot.end, () => this.change(slot.base, slot.end, share));
      if (child === 'gone') this.change(slot.base, slot.end, unshare);
    }
  }

  /** The children end: pages that were shared with them are the process's own again. */
  childExit(): void {
    for (const { base, end, spec } of this.slots.all) this.change(base, end, spec.backing.changes?.unshare);
  }

  private changesOf(backing: HostBacking, op: HostOp): HostChanges {
    const refusal = changeRefusal(op, backing);
    if (refusal !== undefined) throw hostRefused(op.op, refusal);
    if (backing.changes === undefined) throw hostRefused(op.op, `${backing.name}: nothing is known of what it does to this kind of memory`);
    return backing.changes;
  }

  private change(start: number, end: number, becomes: StateMap | undefined): void {
    if (becomes === undefined) return;
    const { hostStates } = this.slots;
    const changed: [number, number, number][] = [];
    eachFrameRun(hostStates, start, end - start, (first, npages, state) => {
      const next = becomes[state] ?? state;
      if (next !== state) changed.push([first, npages, next]);
    });
    for (const [first, npages, next] of changed) hostStates.setRange(first, npages, next);
  }

  /** One mapping's protection changes: a notifier call from its first page on, or one for each GiB. */
  private protectMapping({ slot, start, end }: SlotRange, becomes: StateMap, byGib: boolean): void {
    const { geometry } = this.slots;
    const { hugetlb } = slot.spec.backing;
    const gib = geometry.pagesAt(PUD);
    for (let at = start; at < end;) {
      const to = byGib ? Math.min(end, this.alignHost(slot, at, gib) + gib) : end;
      const first = this.firstPresent(slot, at, to);
      const from = hugetlb || first < 0 ? at : Math.max(at, this.alignHost(slot, first, geometry.pagesAt(byGib ? PMD : PUD)));
      const [piece, npages] = [at, to - at];
      const change = (): void => {
        this.breakEnds({ slot, start: piece, end: piece + npages });
        this.change(piece, piece + npages, becomes);
      };
      if (first >= 0 || hugetlb) this.tables.invalidate(slot, from, to, change);
      else change();
      at = to;
    }
  }

  /** Whether a range begins and ends with pages of hugetlb memory, or with the slot. */
  private isWhole({ slot, start, end }: SlotRange): boolean {
    if (!slot.spec.backing.hugetlb || start === end) return true;
    const span = this.pageFrames(slot);
    return this.startsPage(slot, start, span) && (end === slot.end || this.startsPage(slot, end, span));
  }

  /** Frames of one page of the memory behind a slot. */
  private pageFrames({ spec: { backing } }: Memslot): number {
    return this.slots.geometry.pagesAt(backing.pageLevel) * (backing.contiguous ?? 1);
  }

  private startsPage(slot: Memslot, gfn: number, span: number): boolean {
    return gfn === slot.base || this.alignHost(slot, gfn, span) === gfn;
  }

  private firstPresent(slot: Memslot, start: number, end: number): number {
    const { states } = slot.spec.backing;
    let found = -1;
    eachFrameRun(this.slots.hostStates, start, end - start, (first, _npages, state) => {
      if (found < 0 && states[state]?.present === true) found = first;
    });
    return found;
  }

  /** The frame at which the host's own table of that size begins that has a frame. */
  private alignHost({ base, spec }: Memslot, gfn: number, pages: number): number {
    return gfn - ((spec.hvf + gfn - base) % pages);
  }

  /** Huge pages that the range covers in part are broken up. */
  private breakEnds({ slot, start, end }: SlotRange): void {
    this.invalidateAll(slot, breakBlocks(this.slots.hostStates, this.slots.geometry, slot.spec, { start, end }));
  }

  private invalidateAll(slot: Memslot, ranges: readonly FrameRange[]): void {
    for (const { start, end } of ranges) this.tables.invalidate(slot, start, end);
  }

  /** Blocks wholly inside the range become huge pages where the host may write to one of their pages and nothing is in the way. */
  private collapse({ slot, start, end }: SlotRange, collapsed: StateMap): void {
    const { geometry, hostStates } = this.slots;
    const span = geometry.pagesAt(PMD);
    for (let at = Math.ceil(start / span) * span; at + span <= end; at += span) {
      if (slot.maxLevel(at) < PMD) continue;
      const becomes = this.collapsedState(slot, at, span, collapsed);
      if (becomes >= 0) this.tables.invalidate(slot, at, at + span, () => hostStates.setRange(at, span, becomes));
    }
  }

  /** @returns the state of the huge page, or -1 where there will be none */
  private collapsedState(slot: Memslot, block: number, span: number, collapsed: StateMap): number {
    const { states } = slot.spec.backing;
    let becomes = -1;
    let isRefused = false;
    eachFrameRun(this.slots.hostStates, block, span, (_first, _npages, state) => {
      const { level, writable } = states[state];
      if (level >= PMD || (collapsed[state] ?? -1) < 0) isRefused = true;
      else if (writable) becomes = collapsed[state];
    });
    return isRefused ? -1 : becomes;
  }

  /** The host touches a page. @param to end of the stretch of pages in the same state @returns where to go on */
  private accessPage(slot: Memslot, gfn: number, to: number, write: boolean): number {
    const { slots } = this;
    const { hostStates, geometry } = slots;
    const { backing } = slot.spec;
    const state = hostStates.get(gfn);
    const fault = slots.hostFaultFrom(slot, gfn, state, write);
    if (!fault.ok) throw hostAccessFailed(slot.spec.id, gfn - slot.base, write, backing.states[state].name);
    const block = geometry.pagesAt(fault.spanLevel) * (fault.spanLevel === backing.pageLevel ? (backing.contiguous ?? 1) : 1);
    if (fault.notifications.length === 0 && backing.edgeFaults === undefined && fault.spanLevel === 1) {
      if (fault.state !== state) hostStates.setRange(gfn, to - gfn, fault.state);
      return to;
    }
    for (const { level, state: next } of fault.notifications) {
      const span = geometry.pagesAt(level);
      const first = gfn - (gfn % span);
      this.tables.invalidate(slot, Math.max(first, slot.base), Math.min(first + span, slot.end), () => slots.setHostState(slot, gfn, level, next));
    }
    if (hostStates.get(gfn) !== fault.state) slots.setHostState(slot, gfn, fault.spanLevel, fault.state);
    return gfn - (gfn % block) + block;
  }
}
