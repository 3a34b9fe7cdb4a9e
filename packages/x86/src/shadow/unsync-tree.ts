/**
 * Which shadow pages have something out of step below them: a count per page, and a bit per entry that leads there.
 *
 * Marking goes up through all parents and stops where it is known already. Looking for the pages goes down along the bits, takes up the pages it comes by (the unsync ones
 * and those on the way) into a batch of fixed size, and clears bits that lead nowhere any more. Whoever has dealt with an unsync page of a batch clears the bits that
 * led to it, as far up as nothing else is out of step.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_mark_parents_unsync(), mmu_unsync_walk(), mmu_pages_add(), mmu_pages_next(), mmu_pages_clear_parents(),
 * clear_unsync_child_bit().
 */
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import type { PteLists } from './pte-list';
import { NO_PAGE, PageFlag } from './shadow-page';
import type { ShadowPages } from './shadow-page';
import { childOf } from './shadow-spte';

/** Pages of a batch (KVM_PAGE_ARRAY_NR): unsync ones, those on the way to them, and the page at the top. */
const BATCH_PAGES = 16;
/** The page at the top is no entry of another. */
const NO_INDEX = -1;
/** The batch is full before everything was seen. */
const FULL = -1;
/** Levels a page on the way may have. */
const MAX_LEVELS = 5;

/** Unsync marks of one VM's shadow pages. */
export class UnsyncTree {
  constructor(
    private readonly pages: ShadowPages,
    private readonly lists: PteLists,
  ) {}

  /** A page fell out of step: everything above it learns of it. */
  markParents(page: number): void {
    const parents: number[] = [];
    const count = this.lists.collect(this.pages.parents[page], parents);
    for (let i = 0; i < count; i++) {
      const parent = parents[i] >> 9;
      const index = parents[i] & 511;
      const bits = this.pages.unsync(parent);
      const word = bits[index >> 5];
      if ((word & (1 << (index & 31))) !== 0) continue;
      bits[index >> 5] = word | (1 << (index & 31));
      const before = this.pages.unsyncChildren[parent];
      this.pages.unsyncChildren[parent] = before + 1;
      if (before === 0) this.markParents(parent);
    }
  }

  /** The next batch of unsync pages below a page; undefined when there are none. */
  walk(top: number): UnsyncBatch | undefined {
    if (this.pages.unsyncChildren[top] === 0) return undefined;
    const batch = new UnsyncBatch(this.pages);
    batch.add(top, NO_INDEX);
    return this.descend(top, batch) === 0 ? undefined : batch;
  }

  /** @returns unsync pages found, or FULL */
  private descend(page: number, batch: UnsyncBatch): number {
    const { pages } = this;
    const bits = pages.unsync(page);
    let found = 0;
    for (let index = 0; index < ENTRIES_PER_TABLE; index++) {
      if (bits[index >> 5] === 0) index |= 31;
      else if ((bits[index >> 5] & (1 << (index & 31))) !== 0) {
        const entry = pages.entry(page, index);
        const below = entry < 0 ? this.visit(childOf(entry), index, batch) : 0;
        if (below === FULL) return FULL;
        if (below === 0) clearBit(pages, page, index);
        found += below;
      }
    }
    return found;
  }

  /** A page behind a bit. @returns unsync pages found, 0 when the bit leads nowhere, or FULL */
  private visit(child: number, index: number, batch: UnsyncBatch): number {
    const { pages } = this;
    const isOnTheWay = pages.unsyncChildren[child] > 0;
    if (!isOnTheWay && !pages.has(child, PageFlag.Unsync)) return 0;
    if (batch.add(child, index)) return FULL;
    return isOnTheWay ? this.descend(child, batch) : 1;
  }
}

/** Pages of one walk, in the order in which they were met. */
export class UnsyncBatch {
  private readonly found: number[] = [];
  private readonly indices: number[] = [];
  // By level: the page on the way to the unsync page at hand, and the entry of it that leads on.
  private readonly way = new Int32Array(MAX_LEVELS + 2).fill(NO_PAGE);
  private readonly wayIndex = new Int32Array(MAX_LEVELS + 2);

  constructor(private readonly pages: ShadowPages) {}

  /** Adds a page; an unsync one at most once. @param index entry of the page before that leads to it; @returns whether the batch is full */
  add(page: number, index: number): boolean {
    if (this.pages.has(page, PageFlag.Unsync) && this.found.includes(page)) return false;
    this.found.push(page);
    this.indices.push(index);
    return this.found.length === BATCH_PAGES;
  }

  /** Goes on to the next unsync page, noting the way to it. @param from place of the last one, at first -1; @returns its place, or -1 behind the last */
  next(from: number): number {
    const { pages, found, indices } = this;
    for (let i = from + 1; i < found.length; i++) {
      const level = pages.level(found[i]);
      if (i > 0) this.wayIndex[level + 1] = indices[i];
      if (level === 1) return i;
      this.way[level] = found[i];
    }
    return -1;
  }

  /** The page at a place. */
  page(place: number): number {
    return this.found[place];
  }

  /** The page that `next` went to last is dealt with: bits that led to it go, as far up as they led to nothing else. */
  clearWay(): void {
    const { pages, way, wayIndex } = this;
    for (let level = 2; level <= MAX_LEVELS && way[level] !== NO_PAGE; level++) {
      clearBit(pages, way[level], wayIndex[level]);
      if (pages.unsyncChildren[way[level]] > 0) return;
    }
  }
}

/** An entry leads to nothing that is out of step. */
function clearBit(pages: ShadowPages, page: number, index: number): void {
  const bits = pages.unsync(page);
  const bit = 1 << (index & 31);
  if ((bits[index >> 5] & bit) === 0) return;
  bits[index >> 5] = bits[index >> 5] & ~bit;
  pages.unsyncChildren[page] = pages.unsyncChildren[page] - 1;
}
