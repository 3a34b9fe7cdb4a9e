/**
 * A view of one block of level-1 entries, found once and used for access after access: the owned tables of the page table and of the frame maps there.
 *
 * What a view says holds while the version of the trees stands still: they count it up whenever a table takes another one's place. What changes more often, that a
 * table is no longer plain or has other attributes, is read from its head each time. Hot path.
 */
import type { LeafTables } from './leaf-table';
import type { PageOutcomes } from './page-outcomes';

const NONE = new Int32Array(2);

/** Counts changes of what windows depend on. One per VM. */
export class Version {
  now = 0;

  /** Something has changed that windows may show, or that whoever uses them has looked at once for all. */
  bump(): void {
    this.now++;
  }
}

/** An owned table of level-1 entries with two attributes, where it is stored. */
export class PlainTable {
  /** As LeafTables has them. */
  heads: Int32Array = NONE;
  words: Int32Array = NONE;
  headAt = 0;
  wordsAt = 0;

  /** Looks at a record from now on. */
  open(leaves: LeafTables, record: number): void {
    if (this.heads !== leaves.heads) {
      this.heads = leaves.heads;
      this.words = leaves.words;
    }
    this.headAt = record << 1;
    this.wordsAt = Math.imul(record, leaves.stride);
  }
}

/** One vCPU's view of a block. */
export class PageWindow {
  /** Version it holds for; -1: for none. */
  version = -1;
  /** What it shows, as its owner calls it. */
  block = -1;
  vcpu = 0;
  root = 0;
  /** Frame number of a page of the block, split by the geometry. */
  high = 0;
  low = 0;
  /** By kind of access; those there are. Set by its owner. */
  readonly outcomes: (PageOutcomes | undefined)[] = [undefined, undefined, undefined];
  readonly entries = new PlainTable();
  readonly values: readonly PlainTable[];
  /** Which of the values' tables have been found, as bits. */
  found = 0;

  /** @param maps number of frame maps; made by PageCache.makeWindow */
  constructor(maps: number) {
    this.values = Array.from({ length: maps }, () => new PlainTable());
  }
}
