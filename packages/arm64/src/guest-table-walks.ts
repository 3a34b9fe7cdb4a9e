/**
 * The hardware's walks of the guest's stage-1 tables: which pages of theirs need a mapping before the data does.
 *
 * The hardware reads the table pages through stage 2, from the top down. A page that was mapped once stays so until an invalidation or aging; then all are forgotten.
 * Hot path: `touch`, `frameAt`.
 */
import { AccessKind, EntryKind } from '@mmulab/api';
import { SeenTables } from '@mmulab/kvm';
import type { AccessPath, GuestLayout, GuestWalks } from '@mmulab/kvm';
import { Version } from '@mmulab/pgtable';
import type { Stage2Tables } from './stage2-tables';

const { Read } = AccessKind;

/** What the guest's table pages on the way to a frame need: nothing, as is known or as the tables say; mappings; or mappings that take tables of the second stage. */
export const Way = { Seen: 0, Mapped: 1, Missing: 2, NeedsTables: 3 } as const;
export type Way = (typeof Way)[keyof typeof Way];

/** Walks of one VM's guest. */
export class GuestTableWalks implements GuestWalks {
  readonly tableAccess = Read;
  /** Accesses end before the data: only the table pages are read. */
  tablesOnly = false;
  readonly seen: SeenTables;
  /** Counted up when what was known of accesses may hold no longer. */
  readonly version = new Version();

  constructor(
    readonly layout: GuestLayout,
    private readonly stage2: Stage2Tables,
  ) {
    this.seen = new SeenTables(layout);
  }

  /** A mapping of a guest table page may have gone. */
  forget(): void {
    this.version.bump();
    this.seen.forget();
  }

  levels(): number {
    return this.layout.levels;
  }

  /** Where vCPUs interleave, each of them reads every table page, and finds it mapped or not. */
  frameAt(_vcpu: number, level: number, vfn: number): number {
    if (level > 0) return this.layout.tableFrame(level, this.indexAt(level, vfn));
    return this.tablesOnly ? -1 : this.layout.gfnOf(vfn);
  }

  /** The hardware reads the table pages on the way to a frame, as far as they are not known to be mapped. */
  touch(vcpu: number, vfn: number, path: AccessPath): void {
    const { layout, seen } = this;
    const block = layout.blockOf(layout.find(vfn), vfn);
    if (seen.isWalkSeen(block)) return;
    const { epoch } = seen;
    for (let level = layout.levels; level >= 1; level--) {
      const frame = seen.firstTouch(level, this.indexAt(level, vfn));
      if (frame >= 0) path.access(vcpu, frame, Read, 1);
    }
    seen.noteWalk(block, epoch);
  }

  /** Whether the table pages on the ways to frames `vfn` to `lastVfn` are known to be mapped. */
  areSeen(vfn: number, lastVfn: number): boolean {
    for (let level = this.layout.levels; level >= 1; level--) {
      const last = this.indexAt(level, lastVfn);
      for (let index = this.indexAt(level, vfn); index <= last; index++) if (!this.seen.areSeen(level, index, 1)) return false;
    }
    return true;
  }

  /** Whether accesses go on to their data, and reads of all table pages on the way to a frame hit. */
  arePagesMapped(vfn: number): boolean {
    if (this.tablesOnly) return false;
    for (let level = this.layout.levels; level >= 1; level--) {
      const frame = this.layout.tableFrame(level, this.indexAt(level, vfn));
      if (frame >= 0 && this.stage2.hitsFrom(frame, Read, 1, 1) === 0) return false;
    }
    return true;
  }

  /** What the table pages on the way to a frame need. */
  wayTo(vfn: number): Way {
    if (this.areSeen(vfn, vfn)) return Way.Seen;
    let way: Way = Way.Mapped;
    for (let level = this.layout.levels; level >= 1; level--) {
      const frame = this.layout.tableFrame(level, this.indexAt(level, vfn));
      if (frame < 0) continue;
      const entry = this.stage2.lookup(frame);
      if (entry.kind === EntryKind.Leaf) continue;
      if (entry.level > 1) return Way.NeedsTables;
      way = Way.Missing;
    }
    return way;
  }

  /** Accesses of a run from a frame on until one lies under another last-level table. */
  untilNextTable(vfn: number, stride: number): number {
    const span = this.layout.spanOf(1);
    return Math.ceil((span - (vfn % span)) / stride);
  }

  private indexAt(level: number, vfn: number): number {
    return Math.floor(vfn / this.layout.spanOf(level));
  }
}
