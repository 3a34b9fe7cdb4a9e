/**
 * An ordered list of table positions, kept as runs.
 *
 * Lists whose order matters (NX huge pages: oldest first) are appended in regular runs and cut by range; keeping runs makes both cheap at
 * any scale. Entries are (level, first gfn of the span); a run is `count` entries `step` frames apart.
 */

/** One run of neighbouring entries. */
interface Run {
  readonly level: number;
  first: number;
  count: number;
  readonly step: number;
}

/** Ordered list of (level, gfn) with appends at the end. */
export class RunList {
  private runs: Run[] = [];
  private head = 0;
  private entries = 0;

  /** Number of entries. */
  get length(): number {
    return this.entries;
  }

  /**
   * Appends `count` entries: the first at `gfn`, each `step` frames after the one before.
   * @param level level of the entry that points to the listed table
   */
  append(level: number, gfn: number, step: number, count = 1): void {
    this.entries += count;
    const last = this.runs[this.runs.length - 1];
    if (last !== undefined && this.runs.length > this.head && last.level === level && last.step === step && last.first + last.count * step === gfn) {
      last.count += count;
      return;
    }
    this.runs.push({ level, first: gfn, count, step });
  }

  /** The oldest entry, or undefined. */
  oldest(): { readonly level: number; readonly gfn: number } | undefined {
    const run = this.runs[this.head];
    return run === undefined ? undefined : { level: run.level, gfn: run.first };
  }

  /** Removes the entries of levels `minLevel` to `maxLevel` whose gfn lies in [gfn, gfn + npages). @returns how many went */
  cut(gfn: number, npages: number, maxLevel: number, minLevel = 0): number {
    const end = gfn + npages;
    let removed = 0;
    const kept: Run[] = [];
    for (let i = this.head; i < this.runs.length; i++) {
      const run = this.runs[i];
      const from = Math.max(0, Math.ceil((gfn - run.first) / run.step));
      const to = Math.min(run.count, Math.ceil((end - run.first) / run.step));
      if (run.level > maxLevel || run.level < minLevel || from >= to) {
        kept.push(run);
        continue;
      }
      removed += to - from;
      if (from > 0) kept.push({ ...run, count: from });
      if (to < run.count) kept.push({ ...run, first: run.first + to * run.step, count: run.count - to });
    }
    if (removed > 0) {
      this.runs = kept;
      this.head = 0;
      this.entries -= removed;
    }
    return removed;
  }
}
