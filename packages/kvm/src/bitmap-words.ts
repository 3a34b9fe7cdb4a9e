/**
 * The words of a dirty bitmap as a program the engine may lift.
 *
 * The kernel takes a bitmap 64 pages at a time: bits that user space read and that are still set are cleared, and the word's pages are protected again. What
 * protecting means is the architecture's; the units are the same everywhere and are never merged, since counts hang on them. A word that crosses a
 * block's end is cut there when lifted: whoever minds must not lift.
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect(). Hot path.
 */
import type { Journal, FrameMap, RunProgram } from '@mmulab/pgtable';

/** Pages of one word. */
export const WORD_PAGES = 64;

/** What is done for a word that had bits. */
export interface WordTaker {
  /** Once per word. @param first first page taken, @param last last one */
  word(first: number, last: number): void;
  /** Once per page taken, in ascending order, after `word`. */
  page?(gfn: number): void;
}

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
   * @param constants equal for programs that do the same to equal words
   * @param origin first page of the slot: where words begin
   * @param dirty the bitmap
   * @param read what user space read of it
   */
  constructor(
    readonly constants: string,
    readonly origin: number,
    private readonly dirty: FrameMap,
    private readonly read: FrameMap,
    private readonly taker: WordTaker,
  ) {
    this.frameMaps = [dirty, read];
  }

  block(from: number, to: number): void {
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
    const { dirty, read, taker } = this;
    let low = 0;
    let high = 0;
    let first = -1;
    let last = -1;
    for (let gfn = start; gfn < end; gfn++) {
      if (dirty.get(gfn) === 0 || read.get(gfn) === 0) continue;
      const bit = gfn - start;
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit - 32);
      if (first < 0) first = gfn;
      last = gfn;
      dirty.set(gfn, 0);
    }
    if (first < 0) return;
    this.any = true;
    taker.word(first, last);
    if (taker.page === undefined) return;
    for (let gfn = first; gfn <= last; gfn++) {
      const bit = gfn - start;
      if (((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) !== 0) taker.page(gfn);
    }
  }
}
