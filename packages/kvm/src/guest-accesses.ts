/**
 * Accesses of vCPUs, for backends that owe no account of which table page was touched when: single ones, runs of them, and those that interleave.
 *
 * The hardware comes to a page through the guest's own tables, whose pages need second-stage mappings themselves. Before a run its table pages are touched, block after
 * block, and then the data, lifted by the engine; where the order of faults shows in a count, a run stops before the next block whose table pages may fault.
 */
import type { AccessKind, AccessRun } from '@mmulab/api';
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import type { Journal, RunProgram } from '@mmulab/pgtable';
import { AccessProgram, type AccessPath, type LeafRights } from './access-program';
import { accessKind, eachPiece, type PieceRunner } from './access-runs';
import type { GuestLayout } from './guest-layout';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { PendingAccesses, type StagedPath } from './pending-access';
import { SeenTables } from './seen-tables';

/** Shorter runs are not worth lifting. */
const MIN_LIFTED = 8;

/** What accesses are made of. */
export interface AccessParts {
  readonly vcpus: number;
  readonly layout: GuestLayout;
  readonly slots: Memslots;
  readonly path: AccessPath & StagedPath;
  readonly leaves: LeafRights;
  /** State beside the tables. */
  readonly journal: Journal;
  /** What the hardware does to a page of the guest's tables. Absent: what it does to the data. */
  readonly tableAccess?: AccessKind;
  /** Whether table pages are touched no earlier than the data before them. */
  readonly keepsOrder: boolean;
  /** Runs a program over frames [start, end) of a slot, lifted, for a vCPU whose counters become current. */
  lift(program: RunProgram, vcpu: number, slot: Memslot, start: number, end: number): void;
}

/** Accesses of all vCPUs of one VM, in one address space. */
export class GuestAccesses implements PieceRunner {
  /** Table pages that need no touch: to be forgotten when a mapping of theirs may have gone. */
  readonly seen: SeenTables;
  private readonly pending: PendingAccesses;

  constructor(private readonly parts: AccessParts) {
    const { vcpus, layout, path, tableAccess } = parts;
    this.seen = new SeenTables(layout);
    const frameAt = (_vcpu: number, level: number, vfn: number): number =>
      level === 0 ? layout.gfnOf(vfn) : layout.tableFrame(level, Math.floor(vfn / layout.spanOf(level)));
    this.pending = new PendingAccesses(vcpus, { tableAccess, levels: () => layout.levels, frameAt }, path);
  }

  /** One access, all its faults included. */
  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    this.walk(vcpu, vfn, kind);
    this.parts.path.access(vcpu, this.parts.layout.gfnOf(vfn), kind, 0);
  }

  /** Begins an access that may interleave. @returns the first stage due, or ACCESS_DONE */
  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    return this.pending.begin(vcpu, vfn, kind);
  }

  /** Runs the stage due. @returns the next one, or ACCESS_DONE */
  advance(vcpu: number): number {
    return this.pending.advance(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    eachPiece(vcpu, run, this.parts.layout, this.parts.slots, this);
  }

  outside(vcpu: number, run: AccessRun, first: number): void {
    this.touch(vcpu, run.vfn + first * run.stride, accessKind(run, first));
  }

  /** A run within one memslot. @returns how many of the accesses were made */
  piece(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): number {
    const { slots, path, leaves, journal } = this.parts;
    const here = this.walkAhead(vcpu, run, first, count);
    if (here < MIN_LIFTED) {
      for (let i = 0; i < here; i++) path.access(vcpu, gfn + i * run.stride, accessKind(run, first + i), 0);
      return here;
    }
    const { stride, kind, writeEvery } = run;
    const program = new AccessProgram(
      '',
      journal,
      vcpu,
      { gfn, count: here, stride, kind, writeEvery, firstIndex: first },
      slot,
      slots,
      path,
      leaves,
    );
    this.parts.lift(program, vcpu, slot, gfn, gfn + (here - 1) * stride + 1);
    return here;
  }

  /** The hardware walks the guest's tables on the way to a run. @returns accesses up to the next walk that has to wait */
  private walkAhead(vcpu: number, run: AccessRun, first: number, count: number): number {
    let done = 0;
    while (done < count) {
      const vfn = run.vfn + (first + done) * run.stride;
      if (done > 0 && this.parts.keepsOrder && !this.seen.isWalkSeen(this.blockOf(vfn))) break;
      this.walk(vcpu, vfn, accessKind(run, first + done));
      done += Math.ceil((ENTRIES_PER_TABLE - (vfn % ENTRIES_PER_TABLE)) / run.stride);
    }
    return Math.min(done, count);
  }

  /** The hardware walks the guest's tables to a page, as far as that may fault. */
  walk(vcpu: number, vfn: number, kind: AccessKind): void {
    const { layout, path, tableAccess = kind } = this.parts;
    const block = this.blockOf(vfn);
    if (this.seen.isWalkSeen(block)) return;
    const { epoch } = this.seen;
    for (let level = layout.levels; level >= 1; level--) {
      const frame = this.seen.firstTouch(level, Math.floor(vfn / layout.spanOf(level)));
      if (frame >= 0) path.access(vcpu, frame, tableAccess, 1);
    }
    this.seen.noteWalk(block, epoch);
  }

  private blockOf(vfn: number): number {
    const { layout } = this.parts;
    return layout.blockOf(layout.find(vfn), vfn);
  }
}
