/**
 * A mark on each page of a memslot, kept as stretches: which memory is PROT_READ, which has no huge pages.
 *
 * Ranges with a stride are laid down page by page while they are few; a longer one leaves its whole range undecided, about which nothing is said.
 */
import type { PageRange } from '@mmulab/api';

/** Pages of a strided range that are marked one by one. */
const MOST_PIECES = 256;

/** Pages [start, end) of one mark; undefined where pages differ. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly mark: boolean | undefined;
}

/** Marks of the pages of one memslot; none is marked at first. */
export class PageMarks {
  private stretches: readonly Stretch[];

  constructor(private readonly npages: number) {
    this.stretches = [{ start: 0, end: npages, mark: false }];
  }

  /** Whether every page of a range has this mark, as far as is known. */
  isAll(range: PageRange, mark: boolean): boolean {
    return this.pieces(range).every(({ start, end }) => this.stretches.every(one => one.mark === mark || one.end <= start || one.start >= end));
  }

  mark(range: PageRange, mark: boolean): void {
    const isExact = isShort(range, this.npages);
    for (const { start, end } of this.pieces(range)) this.lay({ start, end, mark: isExact ? mark : undefined });
  }

  private lay(laid: Stretch): void {
    const before = this.stretches.filter(({ start }) => start < laid.start).map(one => ({ ...one, end: Math.min(one.end, laid.start) }));
    const behind = this.stretches.filter(({ end }) => end > laid.end).map(one => ({ ...one, start: Math.max(one.start, laid.end) }));
    this.stretches = [...before, laid, ...behind];
  }

  /** Pages a range names; the whole of it where they are too many to be told apart. */
  private pieces(range: PageRange): readonly { readonly start: number; readonly end: number }[] {
    const { npages } = this;
    const { start, end, stride } = spanOf(range, npages);
    if (stride === 1 || !isShort(range, npages)) return [{ start, end }];
    return Array.from({ length: Math.ceil((end - start) / stride) }, (_, i) => ({ start: start + i * stride, end: start + i * stride + 1 }));
  }
}

function spanOf(
  { firstPage = 0, npages, stride = 1 }: PageRange,
  whole: number,
): { readonly start: number; readonly end: number; readonly stride: number } {
  return { start: firstPage, end: Math.min(whole, firstPage + (npages ?? whole)), stride };
}

function isShort(range: PageRange, whole: number): boolean {
  const { start, end, stride } = spanOf(range, whole);
  return stride === 1 || (end - start) / stride <= MOST_PIECES;
}
