/**
 * A view of one block of level-1 entries, found once and used for access after access: the owned tables of the page table and of the frame maps there.
 *
 * What a view says holds while the version of the trees stands still: they count it up whenever a table takes another one's place. What changes more often, that a
 * table is no longer plain or has other attributes, is read from its head each time. Hot path.
 */
import type { LeafTables } from './leaf-table';
import type { PageOutcomes } from './page-outcomes';

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
  /** Where it begins in `heads` and `words` of the tables. */
  headAt = 0;
  wordsAt = 0;

  /** @param leaves the tables of the tree that is looked at; their arrays give way to larger ones, so nobody else keeps them */
  constructor(readonly leaves: LeafTables) {}

  /** Looks at a record from now on. */
  open(record: number): void {
    const { leaves } = this;
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
  /** Frame number of a page of the block, split by the geometry. */
  high = 0;
  low = 0;
  /** By kind of access; those there are. Set by its owner. */
  readonly outcomes: (PageOutcomes | undefined)[] = [undefined, undefined, undefined];
  /** Which of the values' tables have been found, as bits. */
  found = 0;

  /** Made by PageCache.makeWindow. @param entries a view of the page table's tables; @param values one of each frame map's */
  constructor(
    readonly entries: PlainTable,
    readonly values: readonly PlainTable[],
  ) {}
}
