/**
 * Builds the guest's own page tables: runs of pages and the frames of the table pages, in the order in which the selftests allocate them
 * (ascending addresses, each missing table from the top down).
 *
 * Models: Linux 6.1 tools/testing/selftests/kvm/lib/x86_64/processor.c, __virt_pg_map().
 */
import { ENTRIES_PER_TABLE, type Gfn, type GuestRun, type GuestTableRun, type GuestTables, type Level, type Vfn } from '@mmulab/api';

/** Takes frames for table pages, neighbours of one another. @returns the first of them */
export type TableAllocator = (count: number) => Gfn;

/** Frames that a table of a level covers. */
function tableSpan(level: Level): number {
  return ENTRIES_PER_TABLE ** level;
}

/** One guest address space under construction. */
export class GuestTableBuilder {
  private readonly runs: GuestRun[] = [];
  /** Tables that exist, by the table above them: `level/number of the parent`. Few per key, ascending. */
  private readonly tables = new Map<string, GuestTableRun[]>();

  /**
   * @param levels levels of the guest's paging
   * @param root frame of the top table, allocated already
   */
  constructor(
    private readonly name: string,
    private readonly levels: number,
    private readonly root: Gfn,
    private readonly allocate: TableAllocator,
  ) {}

  /** Maps a run, allocating the tables it needs that do not exist yet. */
  map(run: GuestRun): void {
    this.runs.push(run);
    this.addTables(this.levels - 1, run.level, run.vfn, run.vfn + run.npages - 1);
  }

  /** @returns the address space as far as it is built */
  build(): GuestTables {
    const tables = [...this.tables.values()].flat();
    return {
      name: this.name,
      levels: this.levels,
      root: this.root,
      runs: [...this.runs].sort((a, b) => a.vfn - b.vfn),
      tables: tables.sort((a, b) => b.level - a.level || a.first - b.first),
    };
  }

  /** Adds the missing tables of `level` and below for the pages `first` to `last`, one subtree after the other. */
  private addTables(level: Level, leafLevel: Level, first: Vfn, last: Vfn): void {
    if (level < leafLevel) return;
    const span = tableSpan(level);
    if (level === leafLevel) return this.addMissing(level, Math.floor(first / span), Math.floor(last / span));
    for (let number = Math.floor(first / span); number * span <= last; number++) {
      this.addMissing(level, number, number);
      this.addTables(level - 1, leafLevel, Math.max(first, number * span), Math.min(last, (number + 1) * span - 1));
    }
  }

  /** Adds those tables `first` to `last` of a level, all below one parent unless the root is it, that do not exist. */
  private addMissing(level: Level, first: number, last: number): void {
    const key = `${level}/${Math.floor(first / ENTRIES_PER_TABLE)}`;
    const known = this.tables.get(key) ?? [];
    let next = first;
    const added: GuestTableRun[] = [];
    const addUpTo = (end: number): void => {
      if (next < end) added.push({ level, first: next, count: end - next, gfn: this.allocate(end - next) });
    };
    for (const run of known) {
      if (run.first > last || run.first + run.count <= first) continue;
      addUpTo(run.first);
      next = run.first + run.count;
    }
    addUpTo(last + 1);
    this.tables.set(
      key,
      [...known, ...added].sort((a, b) => a.first - b.first),
    );
  }
}
