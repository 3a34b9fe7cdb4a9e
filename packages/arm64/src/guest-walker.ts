/**
 * The guest's own stage-1 tables as stage 2 meets them: which frame a virtual frame maps to, and which table pages the hardware reads on its way.
 *
 * Each table page is read through stage 2; a missing mapping is a translation fault of its own (S1PTW).
 */
import type { GuestRun, GuestTables } from '@mmulab/api';
import { guestUnmapped } from '@mmulab/kvm';

/** Entries per guest table, as workloads lay them out. */
const GUEST_ENTRIES = 512;

/** Frames of one level's table pages, as parallel arrays in ascending order. */
interface TableLevel {
  readonly first: readonly number[];
  readonly count: readonly number[];
  readonly gfn: readonly number[];
}

/** One guest address space, prepared for look-ups. */
export class GuestWalker {
  readonly levels: number;
  private readonly tables: TableLevel[] = [];
  private readonly spans: number[] = [];
  private last: GuestRun | undefined = undefined;

  constructor(readonly space: GuestTables) {
    this.levels = space.levels;
    for (let level = 0; level <= space.levels; level++) {
      const runs = space.tables.filter(run => run.level === level).sort((a, b) => a.first - b.first);
      this.tables.push({ first: runs.map(run => run.first), count: runs.map(run => run.count), gfn: runs.map(run => run.gfn) });
      this.spans.push(GUEST_ENTRIES ** level);
    }
  }

  /** Virtual frames that one table of a level covers. */
  spanOf(level: number): number {
    return this.spans[level];
  }

  /** The run a virtual frame lies in; typed error when the guest does not map it. */
  runAt(vfn: number): GuestRun {
    const { last } = this;
    if (last !== undefined && vfn >= last.vfn && vfn < last.vfn + last.npages) return last;
    for (const run of this.space.runs) {
      if (vfn >= run.vfn && vfn < run.vfn + run.npages) {
        this.last = run;
        return run;
      }
    }
    throw guestUnmapped(vfn);
  }

  /** Guest frame of a virtual frame. */
  gfnOf(vfn: number): number {
    const run = this.runAt(vfn);
    return run.gfn + (vfn - run.vfn);
  }

  /** Frame of the table page number `index` of a level (its entries are of that level); -1 when the guest has none there. */
  tableFrame(level: number, index: number): number {
    if (level === this.space.levels) return this.space.root;
    const runs = this.tables[level];
    for (let i = runs.first.length - 1; i >= 0; i--) {
      const offset = index - runs.first[i];
      if (offset >= 0) return offset < runs.count[i] ? runs.gfn[i] + offset : -1;
    }
    return -1;
  }
}
