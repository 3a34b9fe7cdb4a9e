/**
 * The words of a dirty bitmap as a program the engine may lift.
 *
 * The kernel takes a bitmap 64 pages at a time: bits that user space read and that are still set are cleared, and the word's pages are protected again. What
 * protecting means is the architecture's; the units are the same everywhere and are never merged, since counts hang on them. A word that crosses a
 * block's end is cut there when lifted: whoever minds must not lift. Words are counted where their first bit lies, before such an end; those that have bits only behind it
 * are counted apart (`wordsBehindBorders`), so that a cut shows in no count.
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect(). Hot path.
 */
import type { Journal, FrameMap, RunProgram } from '@mmulab/pgtable';
import type { WorkCounts } from './work-counts';

/** Pages of one word. */
export const WORD_PAGES = 64;

/** What is done for a word that had bits. */
export interface WordTaker {
  /** Once per word. @param first first page taken, @param last last one */
  word(first: number, last: number): void;
  /** Once per page taken, in ascending order, after `word`. */
  page?(gfn: number): void;
  /** As `page` for every page of [start, end). Absent: each is taken by itself. */
  pages?(start: number, end: number): void;
  /** Whether `word` does something. Absent: it may. */
  readonly needsWords?: boolean;
}

/** Frames of a block that a frame map may have one value for. */
const BLOCK_PAGES = 512;
const BLOCK_LEVEL = 2;

/** Takes the words of one slot's bitmap. */
export class BitmapWords implements RunProgram, Journal {
  readonly period = 1;
  readonly stride = 1;
  readonly journal = this;
  readonly frameMaps: readonly FrameMap[];
  /** Whether any bit was taken. */
  any = false;
  private readonly recordings: boolean[] = [];

  /**
   * @param constants text that is equal for programs that do the same to equal words; made when it is wanted
   * @param origin first page of the slot: where words begin
   * @param dirty the bitmap
   * @param read what user space read of it
   * @param work counts words and bits
   * @param blockPages pages of the blocks at whose ends words may be cut
   */
  constructor(
    private readonly text: () => string,
    readonly origin: number,
    private readonly dirty: FrameMap,
    private readonly read: FrameMap,
    private readonly taker: WordTaker,
    private readonly work: WorkCounts,
    private readonly blockPages: number,
  ) {
    this.frameMaps = [dirty, read];
  }

  get constants(): string {
    return this.text();
  }

  block(from: number, to: number): void {
    if (this.taker.pages === undefined || this.taker.needsWords !== false) return this.words(from, to);
    for (let at = from; at < to;) {
      const end = Math.min(to, at - (at % BLOCK_PAGES) + BLOCK_PAGES);
      if (end - at < BLOCK_PAGES || !this.wholeBlock(at, end)) this.words(at, end);
      at = end;
    }
  }

  /** A block all of whose bits are taken, or none. @returns false where it is neither */
  private wholeBlock(start: number, end: number): boolean {
    const { dirty, read, taker } = this;
    const value = dirty.uniformValue(BLOCK_LEVEL, start);
    if (value === 0) return true;
    if (value < 0 || read.uniformValue(BLOCK_LEVEL, start) !== value) return false;
    this.any = true;
    dirty.setRange(start, end - start, 0);
    for (let first = start; first < end;) {
      const next = Math.min(end, first - ((first - this.origin) % WORD_PAGES) + WORD_PAGES);
      this.work.words(this.isBehindBorder(first) ? 0 : 1, next - first);
      first = next;
    }
    taker.pages?.(start, end);
    return true;
  }

  private words(from: number, to: number): void {
    const firstWord = Math.floor((from - this.origin) / WORD_PAGES);
    for (let start = this.origin + firstWord * WORD_PAGES; start < to; start += WORD_PAGES) {
      this.word(Math.max(start, from), Math.min(start + WORD_PAGES, to));
    }
  }

  isStable(): boolean {
    return false;
  }

  context(): number {
    return 0;
  }

  isIdle(from: number, to: number): boolean {
    return this.dirty.isUniform(from, to - from, 0);
  }

  /** Whether a block ends between the beginning of a page's word and the page. */
  private isBehindBorder(gfn: number): boolean {
    const begin = gfn - ((gfn - this.origin) % WORD_PAGES);
    return Math.floor(begin / this.blockPages) !== Math.floor(gfn / this.blockPages);
  }

  open(): void {
    this.recordings.push(this.any);
    this.any = false;
  }

  close(): unknown {
    const happened = this.any;
    this.any = (this.recordings.pop() as boolean) || happened;
    return happened ? true : undefined;
  }

  replay(): void {
    this.any = true;
  }

  /** One word, or the part of one that lies in [start, end). */
  private word(start: number, end: number): void {
    if (this.taker.pages !== undefined && this.isFull(start, end)) this.takeAll(start, end);
    else this.takeBits(start, end);
  }

  /** Whether every bit of [start, end) is to be taken. */
  private isFull(start: number, end: number): boolean {
    const { dirty, read } = this;
    return dirty.isUniform(start, end - start, 1) && read.isUniform(start, end - start, 1);
  }

  private takeAll(start: number, end: number): void {
    const { dirty, taker, work } = this;
    dirty.setRange(start, end - start, 0);
    this.any = true;
    work.words(this.isBehindBorder(start) ? 0 : 1, end - start);
    taker.word(start, end - 1);
    taker.pages?.(start, end);
  }

  private takeBits(start: number, end: number): void {
    const { dirty, read, taker } = this;
    let low = 0;
    let high = 0;
    let first = -1;
    let last = -1;
    let taken = 0;
    for (let gfn = start; gfn < end; gfn++) {
      if (dirty.get(gfn) === 0 || read.get(gfn) === 0) continue;
      const bit = gfn - start;
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit - 32);
      if (first < 0) first = gfn;
      last = gfn;
      taken++;
      dirty.set(gfn, 0);
    }
    if (first < 0) return;
    this.any = true;
    this.work.words(this.isBehindBorder(first) ? 0 : 1, taken);
    taker.word(first, last);
    if (taker.page === undefined) return;
    for (let gfn = first; gfn <= last; gfn++) {
      const bit = gfn - start;
      if (((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) !== 0) taker.page(gfn);
    }
  }
}

/** What words are counted over. */
export interface CountedWords {
  readonly origin: number;
  readonly blockPages: number;
  readonly dirty: FrameMap;
  readonly read: FrameMap;
}

/** Words with bits to take in frames [start, end) that have them only behind the end of a block within the word. Uniform stretches cost nothing. */
export function wordsBehindBorders(words: CountedWords, start: number, end: number): number {
  const { origin, blockPages, dirty, read } = words;
  const border = (Math.floor(start / blockPages) + 1) * blockPages;
  if (origin % WORD_PAGES === 0 || border >= end) return 0;
  const isAll = (map: FrameMap, value: number): boolean => map.isUniform(start, end - start, value);
  if (isAll(dirty, 0) || isAll(read, 0) || (isAll(dirty, 1) && isAll(read, 1))) return 0;
  const next = border + blockPages;
  if (next < end) {
    const middle = start + Math.ceil((end - start) / 2 / blockPages) * blockPages;
    const cut = middle - ((middle - origin) % WORD_PAGES);
    if (cut > start && cut < end) return wordsBehindBorders(words, start, cut) + wordsBehindBorders(words, cut, end);
  }
  const begin = Math.max(start, border - ((border - origin) % WORD_PAGES));
  const has = (from: number, to: number): boolean => {
    for (let gfn = from; gfn < to; gfn++) if (dirty.get(gfn) !== 0 && read.get(gfn) !== 0) return true;
    return false;
  };
  const isOnlyBehind = !has(begin, border) && has(border, Math.min(end, border - ((border - origin) % WORD_PAGES) + WORD_PAGES));
  return (isOnlyBehind ? 1 : 0) + wordsBehindBorders(words, Math.min(end, border - ((border - origin) % WORD_PAGES) + WORD_PAGES), end);
}
