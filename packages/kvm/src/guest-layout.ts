/**
 * The guest's own page tables as the MMU meets them: which frame a virtual frame maps to, and which table pages the hardware reads (and, to set
 * A and D bits, writes) on its way. Hot path.
 */
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import type { GuestRun, GuestTables } from '@mmulab/api';
import { guestUnmapped } from './errors';

const INVERSE_ENTRIES = 1 / ENTRIES_PER_TABLE;

/** A run of the address space, and the number of its first 2 MiB block among the blocks of all runs. */
export interface NumberedRun {
  readonly vfn: number;
  readonly end: number;
  readonly gfn: number;
  readonly firstBlock: number;
  readonly blockNumber: number;
  readonly run: GuestRun;
}

/** Neighbouring table pages of one level; `number` counts the table pages of all runs. */
interface TableRun {
  readonly first: number;
  readonly end: number;
  readonly gfn: number;
  readonly number: number;
}

/** One guest address space, prepared for look-ups. */
export class GuestLayout {
  readonly levels: number;
  /** Table pages, the top one included. */
  readonly tableCount: number;
  /** 2 MiB blocks that the runs touch, those at their borders once per run. */
  readonly blockCount: number;
  private readonly runs: readonly NumberedRun[];
  /** Table runs by level. */
  private readonly tables: readonly (readonly TableRun[])[];
  private readonly lastTables: (TableRun | undefined)[];
  private readonly spans: readonly number[];
  private last: NumberedRun | undefined;

  constructor(readonly space: GuestTables) {
    this.levels = space.levels;
    this.spans = Array.from({ length: space.levels + 1 }, (_, level) => ENTRIES_PER_TABLE ** level);
    let blocks = 0;
    this.runs = space.runs.map(run => {
      const firstBlock = Math.floor(run.vfn * INVERSE_ENTRIES);
      const numbered = { vfn: run.vfn, end: run.vfn + run.npages, gfn: run.gfn, firstBlock, blockNumber: blocks, run };
      blocks += Math.ceil(numbered.end * INVERSE_ENTRIES) - firstBlock;
      return numbered;
    });
    this.blockCount = blocks;
    let count = 0;
    const tables: TableRun[][] = [];
    for (let level = 0; level < space.levels; level++) {
      const runs = space.tables.filter(run => run.level === level).sort((a, b) => a.first - b.first);
      tables.push(
        runs.map(run => {
          const numbered = { first: run.first, end: run.first + run.count, gfn: run.gfn, number: count };
          count += run.count;
          return numbered;
        }),
      );
    }
    tables.push([{ first: 0, end: Infinity, gfn: space.root, number: count }]);
    this.tables = tables;
    this.tableCount = count + 1;
    this.lastTables = tables.map(() => undefined);
  }

  /** The run a virtual frame lies in; typed error when the guest does not map it. */
  runAt(vfn: number): GuestRun {
    return this.find(vfn).run;
  }

  /** Virtual frames that one table of a level covers. */
  spanOf(level: number): number {
    return this.spans[level];
  }

  /** Guest frame of a virtual frame. */
  gfnOf(vfn: number): number {
    const run = this.find(vfn);
    return run.gfn + (vfn - run.vfn);
  }

  /** Number of the 2 MiB block of a virtual frame of a run, among those of all runs. */
  blockOf(run: NumberedRun, vfn: number): number {
    return run.blockNumber + ((vfn * INVERSE_ENTRIES) | 0) - run.firstBlock;
  }

  /** Frame of the table page number `index` of a level (its entries are of that level); -1 when the guest has none there. */
  tableFrame(level: number, index: number): number {
    if (level === this.space.levels) return this.space.root;
    const run = this.tableRun(level, index);
    return run === undefined ? -1 : run.gfn + (index - run.first);
  }

  /** Number of that page among all table pages of the space; -1 when there is none. */
  tableNumber(level: number, index: number): number {
    const run = this.tableRun(level, index);
    if (run === undefined) return -1;
    return level === this.space.levels ? run.number : run.number + (index - run.first);
  }

  /** The first table page of a level from number `index` on that is there; Infinity when there is none. */
  nextTable(level: number, index: number): number {
    if (this.tableRun(level, index) !== undefined) return index;
    const runs = this.tables[level];
    return runs[placeOf(runs, index)]?.first ?? Infinity;
  }

  /** Number after the last of the neighbouring table pages that `index` is one of; their frames are neighbours too. */
  tableRunEnd(level: number, index: number): number {
    return level === this.space.levels ? index + 1 : (this.tableRun(level, index)?.end ?? index);
  }

  /** The run a virtual frame lies in, numbered; typed error when the guest does not map it. */
  find(vfn: number): NumberedRun {
    const last = this.last;
    return last !== undefined && vfn >= last.vfn && vfn < last.end ? last : this.search(vfn);
  }

  private search(vfn: number): NumberedRun {
    for (const run of this.runs) {
      if (vfn >= run.vfn && vfn < run.end) {
        this.last = run;
        return run;
      }
    }
    throw guestUnmapped(vfn);
  }

  private tableRun(level: number, index: number): TableRun | undefined {
    const last = this.lastTables[level];
    if (last !== undefined && index >= last.first && index < last.end) return last;
    const runs = this.tables[level];
    const run = runs[placeOf(runs, index)];
    if (run === undefined || index < run.first) return undefined;
    this.lastTables[level] = run;
    return run;
  }
}

/** Place of the first run that ends behind a table page, of runs in the order of their pages. */
function placeOf(runs: readonly TableRun[], index: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle].end <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}
