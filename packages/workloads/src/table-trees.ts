/**
 * Where the table pages of a guest's address spaces lie that the guest itself writes: those it starts with, and those of a child that a fork makes.
 *
 * Tables and entries are counted as everywhere: table number k of a level covers the 512^level pages from k · 512^level on, and entry number e of a level maps the
 * 512^(level - 1) pages from e · 512^(level - 1) on, so that it lies in table number floor(e / 512) of that level.
 */
import { ENTRIES_PER_TABLE, type Gfn, type GuestTables, type Level } from '@mmulab/api';

/** Pages an entry of a level maps. */
export function entryPages(level: Level): number {
  return ENTRIES_PER_TABLE ** (level - 1);
}

/** The tables of one address space. */
export interface TableTree {
  /** Frame of a table; undefined where there is none. */
  frameOf(level: Level, table: number): Gfn | undefined;
}

/** The tables a space starts with. */
export function treeOf({ levels, root, tables }: GuestTables): TableTree {
  return {
    frameOf: (level, table) => {
      if (level === levels) return root;
      const run = tables.find(one => one.level === level && table >= one.first && table < one.first + one.count);
      return run === undefined ? undefined : run.gfn + (table - run.first);
    },
  };
}

/** Tables on the way to a stretch of pages, and which of each level they are. */
export interface TableSpan {
  readonly level: Level;
  readonly first: number;
  readonly count: number;
}

/** Tables of levels `leafLevel` up to `levels - 1` on the way to pages [vfn, end): what a fork copies. The upper ones first. */
export function tablesToward(vfn: number, end: number, leafLevel: Level, levels: number): readonly TableSpan[] {
  const spans: TableSpan[] = [];
  for (let level = levels - 1; level >= leafLevel; level--) {
    const pages = entryPages(level + 1);
    const first = Math.floor(vfn / pages);
    spans.push({ level, first, count: Math.floor((end - 1) / pages) - first + 1 });
  }
  return spans;
}

/** Frames of a child's tables: the top one, then those of each level. */
export class ChildTree implements TableTree {
  /** First frame of each span. */
  private readonly frames: readonly Gfn[];

  /**
   * @param parent whose tables it shares where it has none of its own
   * @param root frame of its top table; the others follow
   * @param spans its own tables
   * @param levels levels of its tables
   */
  constructor(
    private readonly parent: TableTree,
    readonly root: Gfn,
    readonly spans: readonly TableSpan[],
    private readonly levels: number,
  ) {
    let next = Number(root) + 1;
    this.frames = spans.map(({ count }) => (next += count) - count);
  }

  frameOf(level: Level, table: number): Gfn | undefined {
    if (level === this.levels) return this.root;
    const at = this.spans.findIndex(span => span.level === level && table >= span.first && table < span.first + span.count);
    const [span, frame] = [this.spans[at], this.frames[at]];
    return span === undefined || frame === undefined ? this.parent.frameOf(level, table) : frame + (table - span.first);
  }

  /** Table pages of its own, one behind the other. */
  get count(): number {
    return pagesOf(this.spans);
  }
}

/** Table pages of a child: its top one and those of its spans. */
export function pagesOf(spans: readonly TableSpan[]): number {
  return spans.reduce((sum, { count }) => sum + count, 1);
}
