/**
 * Accesses of vCPUs: single ones, runs of them, and those that interleave.
 *
 * Runs are cut at memslot borders, their table pages are touched before the data that needs them, and the data is lifted by the engine. What concerns a memslot other than
 * 0 is counted in that slot's scope. Hot path: `touch`, `begin`, `advance`.
 */
import type { AccessBatch, AccessKind, AccessRun, Counters, FaultWaits } from '@mmulab/api';
import { AccessProgram, PendingAccesses, SideState, accessKind, eachPiece, touchEach } from '@mmulab/kvm';
import type { DirtyRings, Memslot, Memslots, PieceRunner, TouchOne } from '@mmulab/kvm';
import { Way } from './guest-table-walks';
import type { GuestTableWalks } from './guest-table-walks';
import { KnownAccesses } from './known-accesses';
import type { MemoryCaches } from './memcache';
import type { Stage2Tables } from './stage2-tables';
import type { UserMemAbort } from './user-mem-abort';
import { WaitingTables } from './waiting-tables';

/** Runs shorter than this are not worth lifting. */
const MIN_LIFTED = 8;
/** Accesses of a run go the long way each: few pages of a block are worth being remembered. */
const LEAST_PART = 16;

/** Accesses of all vCPUs of one VM. */
export class GuestAccesses implements PieceRunner, FaultWaits {
  private readonly pending: PendingAccesses;
  private readonly sideState: SideState;
  private readonly hasRings: boolean;
  /** Single accesses by memory, where this run's engines have one and nobody is to hear of every call. */
  private readonly known: KnownAccesses | undefined;
  private readonly touchOne: TouchOne = (vcpu, vfn, kind) => this.touch(vcpu, vfn, kind);

  constructor(
    vcpus: number,
    private readonly walks: GuestTableWalks,
    private readonly path: UserMemAbort,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly caches: MemoryCaches,
    private readonly counters: Counters,
    rings: DirtyRings | undefined,
  ) {
    this.pending = new PendingAccesses(vcpus, walks, path);
    this.hasRings = rings !== undefined;
    const { pages } = tables;
    const isKnown = pages?.mayHold === true && rings === undefined;
    this.known = isKnown ? new KnownAccesses(vcpus, pages, walks, tables, slots, caches, path, counters) : undefined;
    const parts = [caches, new WaitingTables(tables.mm)];
    this.sideState = new SideState(rings === undefined ? parts : [...parts, rings]);
  }

  /** One access, all its faults included. */
  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    const { known } = this;
    if (known?.touch(vcpu, vfn, kind) === true) return;
    this.walks.touch(vcpu, vfn, this.path);
    if (known === undefined) this.path.access(vcpu, this.walks.layout.gfnOf(vfn), kind, 0);
    else known.access(vcpu, vfn, kind);
  }

  /** A batch of accesses, those that are known by memory. */
  touchAll(batch: AccessBatch): void {
    if (this.known === undefined) touchEach(batch, this.touchOne);
    else this.known.touchAll(batch, this.touchOne);
  }

  /** More than accesses by memory is to come: what is known of them is surveyed anew after it. */
  forgetKnown(): void {
    this.walks.version.bump();
  }

  /** Begins an access that may interleave. @returns the first stage due, or ACCESS_DONE */
  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    this.forgetKnown();
    return this.pending.begin(vcpu, vfn, kind);
  }

  /** Accesses from here on that hit, all behind one guest table; see MmuBackend.hitsAhead. */
  hitsAhead(vfn: number, kind: AccessKind, stride: number, count: number): number {
    const { walks, tables } = this;
    // What a ring takes may end in an exit, wherever the vCPU is.
    if (this.hasRings || !walks.arePagesMapped(vfn)) return 0;
    const run = walks.layout.find(vfn);
    const limit = Math.min(count, walks.untilNextTable(vfn, stride), Math.ceil((run.end - vfn) / stride));
    return tables.hitsFrom(vfn - run.vfn + run.gfn, kind, stride, limit);
  }

  /** Runs the stage due. @returns the next one, or ACCESS_DONE */
  advance(vcpu: number): number {
    this.forgetKnown();
    this.path.select(vcpu);
    return this.pending.advance(vcpu);
  }

  get version(): number {
    return this.path.version;
  }

  isWaiting(vcpu: number): boolean {
    return this.path.isWaiting(vcpu);
  }

  resumeAt(vcpu: number, stage: number): void {
    this.pending.resumeAt(vcpu, stage);
  }

  run(vcpu: number, run: AccessRun): void {
    this.forgetKnown();
    eachPiece(vcpu, run, this.walks.layout, this.slots, this);
  }

  outside(vcpu: number, run: AccessRun, first: number): void {
    this.runSingly(vcpu, run, first, 1);
  }

  /** A run within one memslot. @returns how many of the accesses were made */
  piece(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): number {
    const vfn = run.vfn + first * run.stride;
    if (count < MIN_LIFTED) return this.runSingly(vcpu, run, first, count);
    if (this.walks.areSeen(vfn, vfn + (count - 1) * run.stride)) {
      this.runLifted(vcpu, run, first, count, gfn, slot);
      return count;
    }
    this.walks.touch(vcpu, vfn, this.path);
    const here = this.accessesBeforeTables(vcpu, run, first, count);
    if (here < MIN_LIFTED) return this.runSingly(vcpu, run, first, here);
    this.runLifted(vcpu, run, first, here, gfn, slot);
    return here;
  }

  /**
   * How many accesses of a run may be made before one of its guest table pages has to be read in its turn. Faults on table pages that take no page from the memory cache
   * change places with those on data; they are taken here. One that takes pages, and the last one, which may find the cache low, keep their places.
   */
  private accessesBeforeTables(vcpu: number, run: AccessRun, first: number, count: number): number {
    const { walks } = this;
    const vfnOf = (index: number): number => run.vfn + (first + index) * run.stride;
    const early: number[] = [];
    let last = count;
    for (let index = walks.untilNextTable(vfnOf(0), run.stride); index < count; index += walks.untilNextTable(vfnOf(index), run.stride)) {
      const way = walks.wayTo(vfnOf(index));
      switch (way) {
        case Way.Seen:
          continue;
        case Way.Mapped:
          early.push(vfnOf(index));
          continue;
        case Way.Missing:
        case Way.NeedsTables:
          if (last < count) early.push(vfnOf(last));
          last = index;
      }
      if (way === Way.NeedsTables) break;
    }
    for (const vfn of early) walks.touch(vcpu, vfn, this.path);
    return last;
  }

  /** @returns `count` */
  private runSingly(vcpu: number, run: AccessRun, first: number, count: number): number {
    for (let i = first; i < first + count; i++) this.touch(vcpu, run.vfn + i * run.stride, accessKind(run, i));
    return count;
  }

  private runLifted(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const pattern = { gfn, count, stride: run.stride, kind: run.kind, writeEvery: run.writeEvery, firstIndex: first };
    this.caches.vcpu = vcpu;
    this.tables.mm.scope = slot.spec.id;
    this.counters.select(vcpu, slot.spec.id);
    const program = new AccessProgram('', this.sideState, vcpu, pattern, slot, this.slots, this.path, this.tables.attrs);
    program.leastPart = LEAST_PART;
    this.tables.run(program, gfn, gfn + (count - 1) * run.stride + 1);
    this.caches.count();
  }
}
