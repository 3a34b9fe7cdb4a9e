/**
 * A vCPU's accesses through its guest's own page tables.
 *
 * The hardware walks those tables first, from the top down, and their pages need second-stage mappings of their own; then it touches the page itself.
 * Runs are cut at memslot borders; their table pages are touched as a run of their own, and the data is lifted by the engine. An access that may interleave
 * with others goes on stage by stage.
 *
 * Models: Linux arch/x86/kvm/mmu: what reaches KVM of a two-dimensional walk. Hot path.
 */
import { ACCESS_DONE as DONE_CODE, type AccessKind, ENTRIES_PER_TABLE } from '@mmulab/api';
import type { AccessBatch, AccessRun, Counters } from '@mmulab/api';
import { AccessProgram, KnownTouches, PendingAccesses, accessKind, eachPiece, touchEach } from '@mmulab/kvm';
import type { AccessPattern, GuestLayout, GuestWalks, Memslot, Memslots, PieceRunner, SeenTables, Stretch, Surveyor, TouchOne } from '@mmulab/kvm';
import type { PageOutcomes } from '@mmulab/pgtable';
import type { VcpuStates } from '../vcpu-state';
import type { VmJournal } from '../vm-journal';
import type { TdpFaultPath } from './fault';
import type { TdpFaultVm } from './fault-vm';
import type { KnownAccesses } from './known-accesses';
import type { TdpMmu } from './tdp-mmu';
import type { VcpuContext, VcpuContexts } from './vcpu-contexts';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;
const BLOCK_PAGES = ENTRIES_PER_TABLE;
const INVERSE_BLOCK = 1 / BLOCK_PAGES;
/** Frames that a guest table of a level covers. */
const SPANS: readonly number[] = [1, 2, 3, 4, 5].reduce((spans, level) => [...spans, 512 ** level], [1]);

/** Neighbouring guest table pages that are worth a run of their own. */
const MIN_LIFTED_TABLES = 16;
/** Shorter runs are not worth lifting. */
const MIN_LIFTED_PAGES = 8;

/** The last-level guest table that was come to last without touching a page. */
class WalkedTable {
  block = -1;
  epoch = 0;
  seen: SeenTables | undefined = undefined;
}

/** Accesses of all vCPUs of one VM. */
export class GuestAccesses implements PieceRunner, GuestWalks, Surveyor {
  private readonly pending: PendingAccesses;
  /** Accesses by memory, where this run's engines have one. */
  private readonly touches: KnownTouches | undefined;
  /** By vCPU. */
  private readonly walked: readonly WalkedTable[];

  /** @param tableAccess what the hardware's walk does to guest table pages */
  constructor(
    private readonly vcpus: VcpuStates,
    private readonly contexts: VcpuContexts,
    private readonly slots: Memslots,
    private readonly mmu: TdpMmu,
    private readonly path: TdpFaultPath,
    private readonly known: KnownAccesses,
    private readonly journal: VmJournal,
    private readonly counters: Counters,
    private readonly vm: TdpFaultVm,
    readonly tableAccess: AccessKind,
  ) {
    this.pending = new PendingAccesses(vcpus.count, this, path);
    this.walked = Array.from({ length: vcpus.count }, () => new WalkedTable());
    this.touches = mmu.pages === undefined ? undefined : new KnownTouches(vcpus.count, mmu.pages, vcpus.version, this);
  }

  /** A run of accesses, all their faults included. */
  run(vcpu: number, run: AccessRun): void {
    eachPiece(vcpu, run, this.contexts.layout(vcpu), this.slots, this);
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  piece(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): number {
    if (count < MIN_LIFTED_PAGES || this.path.shadowed !== undefined) this.runSingly(vcpu, run, first, count);
    else this.runLifted(vcpu, run, first, count, gfn, slot);
    return count;
  }

  outside(vcpu: number, run: AccessRun, first: number): void {
    this.runSingly(vcpu, run, first, 1);
  }

  /** One access, all its faults included. */
  touch(vcpu: number, vfn: number, kind: number): void {
    this.access(vcpu, vfn, kind);
    if (this.vm.pmlActive) this.vcpus.countFulls(vcpu, this.counters.now);
    else this.touches?.survey(vcpu, vfn);
  }

  /** An access by memory of what such accesses do; nobody needs to be selected. @returns false when nothing was done */
  touchKnown(vcpu: number, vfn: number, kind: number): boolean {
    return this.touches !== undefined && this.touches.touch(vcpu, vfn, kind);
  }

  /** A batch of accesses, those that are known by memory. @param touch makes one of them, all its faults included */
  touchAll(batch: AccessBatch, touch: TouchOne): void {
    if (this.touches === undefined) touchEach(batch, touch);
    else this.touches.touchAll(batch, touch);
  }

  /** See Surveyor. */
  survey(stretch: Stretch, vcpu: number, vfn: number): void {
    const { layout, seen, root } = this.contexts.get(vcpu);
    const run = layout?.find(vfn);
    stretch.isKnown = false;
    stretch.from = vfn;
    stretch.end = vfn + 1;
    if (run === undefined || root === undefined) return;
    const slot = this.slots.find(vfn + run.gfn - run.vfn);
    stretch.cover(run, slot, vfn);
    stretch.isKnown = slot !== undefined && this.known.isKnown(vcpu, slot);
    stretch.root = root.id;
    stretch.seen = seen;
  }

  /** See Surveyor. */
  outcomesOf(stretch: Stretch, kind: number): PageOutcomes {
    return this.known.outcomesOf(this.slots.find(stretch.from + stretch.shift) as Memslot, kind);
  }

  /** Begins one access that may interleave. @returns the stage due, or ACCESS_DONE */
  begin(vcpu: number, vfn: number, kind: number): number {
    return this.ended(vcpu, this.pending.begin(vcpu, vfn, kind));
  }

  /** Runs the stage due. @returns the next one, or ACCESS_DONE */
  advance(vcpu: number): number {
    return this.ended(vcpu, this.pending.advance(vcpu));
  }

  /** Finds what holds for a vCPU's faults around a frame, to which the hardware comes without touching a page of the guest's tables. @returns false where something else does */
  surveyFaults(stretch: Stretch, vcpu: number, vfn: number): boolean {
    if (!this.contexts.isSeenBy(vcpu) || this.levels(vcpu, vfn) > 0) return false;
    const { layout, root } = this.contexts.get(vcpu);
    const run = layout?.find(vfn);
    if (run === undefined || root === undefined) return false;
    stretch.cover(run, this.slots.find(vfn + run.gfn - run.vfn), vfn);
    stretch.root = root.id;
    return true;
  }

  /** See PendingAccesses. */
  dueOfData(vcpu: number): number {
    return this.pending.dueOfData(vcpu);
  }

  /** See PendingAccesses. */
  putAtData(vcpu: number, vfn: number, kind: number, stage: number): void {
    this.pending.putAtData(vcpu, vfn, kind, stage);
  }

  /** Accesses from here on that neither fault nor change an entry, all behind one guest table; see MmuBackend.hitsAhead. */
  hitsAhead(vcpu: number, vfn: number, kind: number, stride: number, count: number): number {
    const { contexts, mmu } = this;
    if (!contexts.isSeenBy(vcpu)) return 0;
    const { layout } = contexts.get(vcpu);
    if (layout === undefined) return 0;
    if (this.levels(vcpu, vfn) > 0) return 0;
    const run = layout.find(vfn);
    const end = Math.min(run.end, (Math.floor(vfn / BLOCK_PAGES) + 1) * BLOCK_PAGES);
    const limit = Math.min(count, Math.ceil((end - vfn) / stride));
    return mmu.stableFrom(contexts.root(vcpu), vfn - run.vfn + run.gfn, kind, stride, limit);
  }

  /** Levels of guest tables the hardware walks; 0 where no page on the way has to be touched, which is remembered for the table that maps the frame. */
  levels(vcpu: number, vfn: number): number {
    const layout = this.contexts.layout(vcpu);
    const seen = this.contexts.seen(vcpu);
    const walked = this.walked[vcpu];
    const block = Math.floor(vfn * INVERSE_BLOCK);
    if (block === walked.block && seen === walked.seen && seen.epoch === walked.epoch) return 0;
    if (seen.touchesWay(vfn)) return layout.levels;
    walked.block = block;
    walked.seen = seen;
    walked.epoch = seen.epoch;
    return 0;
  }

  /** The frame touched at a level: the access's own (0), or a guest table page that may need a touch. */
  frameAt(vcpu: number, level: number, vfn: number): number {
    return level === 0 ? this.contexts.layout(vcpu).gfnOf(vfn) : this.contexts.seen(vcpu).firstTouch(level, Math.floor(vfn / SPANS[level]));
  }

  /** @returns the stage due */
  private ended(vcpu: number, stage: number): number {
    if (stage === ACCESS_DONE) this.vcpus.countFulls(vcpu, this.counters.now);
    return stage;
  }

  /** One access: the table pages of the guest's walk from the top down, then the page itself. */
  private access(vcpu: number, vfn: number, kind: number): void {
    const context = this.contexts.get(vcpu);
    const { layout, seen } = context;
    if (layout === undefined || seen === undefined) throw this.contexts.wrongMode(vcpu);
    const block = (vfn * INVERSE_BLOCK) | 0;
    if (block !== context.block || seen.epoch !== context.blockEpoch) this.enterBlock(vcpu, context, layout, seen, vfn, block);
    this.known.access(vcpu, vfn + context.shift, kind, 0);
  }

  /** Finds where a 2 MiB block of guest addresses lies, after the hardware has walked to it. It is kept where it lies in one piece. */
  private enterBlock(vcpu: number, context: VcpuContext, layout: GuestLayout, seen: SeenTables, vfn: number, block: number): void {
    const run = layout.find(vfn);
    const number = layout.blockOf(run, vfn);
    let isSeen = seen.isWalkSeen(number);
    if (!isSeen) {
      this.touchWalk(vcpu, layout, vfn, number);
      isSeen = seen.isWalkSeen(number);
    }
    const isWhole = block * BLOCK_PAGES >= run.vfn && (block + 1) * BLOCK_PAGES <= run.end;
    context.shift = run.gfn - run.vfn;
    context.block = isSeen && isWhole ? block : -1;
    context.blockEpoch = seen.epoch;
  }

  /** The hardware walks through the guest's tables. */
  private touchWalk(vcpu: number, layout: GuestLayout, vfn: number, block: number): void {
    const seen = this.contexts.seen(vcpu);
    const { epoch } = seen;
    for (let level = layout.space.levels; level >= 1; level--) this.touchTable(vcpu, level, Math.floor(vfn / SPANS[level]));
    seen.noteWalk(block, epoch);
  }

  /** The hardware walks through one guest table page. */
  private touchTable(vcpu: number, level: number, index: number): void {
    const frame = this.contexts.seen(vcpu).firstTouch(level, index);
    if (frame >= 0) this.known.access(vcpu, frame, this.tableAccess, 1);
  }

  private runSingly(vcpu: number, run: AccessRun, first: number, count: number): void {
    for (let i = first; i < first + count; i++) this.access(vcpu, run.vfn + i * run.stride, accessKind(run, i));
  }

  private runLifted(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const layout = this.contexts.layout(vcpu);
    const { stride } = run;
    let done = 0;
    while (done < count) {
      const vfn = run.vfn + (first + done) * stride;
      let here = count - done;
      // Table pages in between the data matter to a log that fills, and to a ring: then one guest table's worth of data at a time.
      if ((this.vm.pmlActive || this.areTablesPushed()) && !this.areTablesStable(vcpu, layout, vfn, vfn + (here - 1) * stride))
        here = Math.min(here, Math.ceil((512 - (vfn % 512)) / stride));
      this.touchTables(vcpu, layout, vfn, vfn + (here - 1) * stride, stride);
      this.runData(vcpu, run, first + done, here, gfn + done * stride, slot);
      done += here;
    }
  }

  private areTablesPushed(): boolean {
    return this.slots.rings !== undefined && this.slots.areTablesLogged;
  }

  private runData(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const pattern = { gfn, count, stride: run.stride, kind: run.kind, writeEvery: run.writeEvery, firstIndex: first };
    this.runPattern(vcpu, pattern, slot, 0);
  }

  /** Runs accesses to frames of one slot, lifted. @param guestTable 1 when they are the hardware's to guest table pages */
  private runPattern(vcpu: number, pattern: AccessPattern, slot: Memslot, guestTable: number): void {
    const { gfn, count, stride } = pattern;
    // The epoch, and whether the hardware logs.
    const more = 2 * this.mmu.spte.epoch + (this.vm.pmlActive ? 1 : 0);
    const alone = this.mmu.roots.length === 1 && !this.vm.hasNested;
    const program = new AccessProgram(more, this.journal, vcpu, pattern, slot, this.slots, this.known, this.mmu.spte, guestTable, alone);
    this.mmu.run(program, this.contexts.root(vcpu), gfn, gfn + (count - 1) * stride + 1);
  }

  /** Touches the table pages of all walks of a run, level by level. */
  private touchTables(vcpu: number, layout: GuestLayout, vfn: number, lastVfn: number, stride: number): void {
    for (let level = layout.space.levels; level >= 1; level--) {
      const span = SPANS[level];
      if (stride > span) {
        for (let at = vfn; at <= lastVfn; at += stride) this.touchTable(vcpu, level, Math.floor(at / span));
      } else {
        this.touchTableRange(vcpu, layout, level, Math.floor(vfn / span), Math.floor(lastVfn / span) + 1);
      }
    }
  }

  /** Touches the table pages of a level with numbers in [first, end), those of one run of frames at once. */
  private touchTableRange(vcpu: number, layout: GuestLayout, level: number, first: number, end: number): void {
    const seen = this.contexts.seen(vcpu);
    let index = layout.nextTable(level, first);
    while (index < end) {
      const inRun = Math.min(layout.tableRunEnd(level, index), end) - index;
      if (seen.areSeen(level, index, inRun)) {
        index = layout.nextTable(level, index + inRun);
        continue;
      }
      const frame = layout.tableFrame(level, index);
      const slot = this.slots.find(frame);
      const inSlot = slot === undefined ? 1 : slot.end - frame;
      const count = Math.min(inRun, inSlot);
      if (slot === undefined || count < MIN_LIFTED_TABLES) {
        for (let i = 0; i < count; i++) this.touchTable(vcpu, level, index + i);
      } else if (!seen.areSeen(level, index, count)) {
        const { epoch } = seen;
        this.runPattern(vcpu, { gfn: frame, count, stride: 1, kind: this.tableAccess, writeEvery: 0, firstIndex: 0 }, slot, 1);
        seen.noteTables(level, index, count, epoch);
      }
      index = layout.nextTable(level, index + count);
    }
  }

  /** Whether no table page on the way to a range of frames has to be touched, or a touch changes nothing. */
  private areTablesStable(vcpu: number, layout: GuestLayout, vfn: number, lastVfn: number): boolean {
    const seen = this.contexts.seen(vcpu);
    const root = this.contexts.root(vcpu);
    for (let level = layout.space.levels; level >= 1; level--) {
      const span = SPANS[level];
      const end = Math.floor(lastVfn / span) + 1;
      let index = layout.nextTable(level, Math.floor(vfn / span));
      while (index < end) {
        const count = Math.min(layout.tableRunEnd(level, index), end) - index;
        if (!seen.areSeen(level, index, count)) {
          const frame = layout.tableFrame(level, index);
          if (!this.mmu.areStable(root, frame, frame + count, this.tableAccess)) return false;
        }
        index = layout.nextTable(level, index + count);
      }
    }
    return true;
  }
}
