/**
 * A mark on each page of a memslot, kept as stretches: which memory is PROT_READ, which has no huge pages.
 *
 * Ranges with a stride are laid down page by page while they are few; a longer one leaves its whole range undecided, and very many of them all pages, about which nothing is said.
 */
import type { PageRange } from '@mmulab/api';

/** Pages of a strided range that are marked one by one, and stretches that are told apart. */
const MOST_PIECES = 128;
const MOST_STRETCHES = 512;

/** Pages [start, end). */
interface Pages {
  readonly start: number;
  readonly end: number;
}

/** Pages of one mark; undefined where they differ. */
interface Stretch extends Pages {
  readonly mark: boolean | undefined;
}

/** Marks of the pages of one memslot; none is marked at first. */
export class PageMarks {
  /** In order, all pages of the slot. */
  private stretches: readonly Stretch[];

  constructor(private readonly npages: number) {
    this.stretches = [{ start: 0, end: npages, mark: false }];
  }

  /** Whether every page of a range has this mark, as far as is known. */
  isAll(range: PageRange, mark: boolean): boolean {
    const others = this.stretches.filter(stretch => stretch.mark !== mark);
    let at = 0;
    return this.pieces(range).every(({ start, end }) => {
      while (at < others.length && others[at].end <= start) at++;
      return at === others.length || others[at].start >= end;
    });
  }

  mark(range: PageRange, mark: boolean): void {
    this.stretches = laid(this.stretches, this.pieces(range), isShort(range, this.npages) ? mark : undefined);
    if (this.stretches.length > MOST_STRETCHES) this.stretches = [{ start: 0, end: this.npages, mark: undefined }];
  }

  /** Pages a range names, in order; the whole of it where they are too many to be told apart. */
  private pieces(range: PageRange): readonly Pages[] {
    const { npages } = this;
    const { start, end, stride } = spanOf(range, npages);
    if (stride === 1 || !isShort(range, npages)) return [{ start, end }];
    return Array.from({ length: Math.ceil((end - start) / stride) }, (_, i) => ({ start: start + i * stride, end: start + i * stride + 1 }));
  }
}

/** Stretches with a mark on some pieces; both in order. */
function laid(stretches: readonly Stretch[], pieces: readonly Pages[], mark: boolean | undefined): Stretch[] {
  const result: Stretch[] = [];
  const push = (start: number, end: number, of: boolean | undefined): void => {
    const last = result.at(-1);
    if (end <= start) return;
    if (last?.mark === of && last !== undefined) result[result.length - 1] = { ...last, end };
    else result.push({ start, end, mark: of });
  };
  let next = 0;
  for (const stretch of stretches) {
    let at = stretch.start;
    for (; next < pieces.length && pieces[next].start < stretch.end; next++) {
      const { start, end } = pieces[next];
      push(at, start, stretch.mark);
      at = Math.min(end, stretch.end);
      push(Math.max(start, stretch.start), at, mark);
      if (end > stretch.end) break;
    }
    push(at, stretch.end, stretch.mark);
  }
  return result;
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
