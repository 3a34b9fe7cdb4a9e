/**
 * The reverse map: which shadow entries map a guest frame, per level of the entry.
 *
 * Heads lie in chunks made on demand, so a slot that is barely touched costs nothing.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c gfn_to_rmap(), rmap_add(), rmap_remove(). Hot path.
 */
import { PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';
import { isSingle, type PteLists } from './pte-list';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;

/** Frames whose heads lie together. */
export const CHUNK = 512;
const INVERSE_CHUNK = 1 / CHUNK;
const NO_HEADS = new Int32Array(0);

/** Reverse map of one VM. */
export class Rmap {
  /** Chunks of heads, by level. */
  private readonly chunks: readonly Map<number, Int32Array>[] = [new Map(), new Map(), new Map(), new Map()];
  /** The last chunk of small leaves that was found, and its number. */
  private lastChunk: Int32Array = NO_HEADS;
  private lastNumber = -1;

  constructor(private readonly lists: PteLists) {}

  /** Head of the list of a frame's block at a level. */
  head(gfn: number, level: number): number {
    const block = Math.floor(gfn / PAGES_PER_LEVEL[level]);
    const chunk = this.find(level, Math.floor(block / CHUNK));
    return chunk === undefined ? 0 : chunk[block % CHUNK];
  }

  /** Heads of the small leaves that map the CHUNK frames around one; undefined where there are none yet. */
  smallHeads(gfn: number): Int32Array | undefined {
    return this.find(1, Math.floor(gfn / CHUNK));
  }

  /** The same, made where there are none. */
  makeSmallHeads(gfn: number): Int32Array {
    return this.chunk(1, Math.floor(gfn / CHUNK));
  }

  /** Adds an entry. @returns entries that were there before */
  add(gfn: number, level: number, entry: number): number {
    const block = Math.floor(gfn / PAGES_PER_LEVEL[level]);
    const chunk = this.chunk(level, Math.floor(block / CHUNK));
    const head = chunk[block % CHUNK];
    chunk[block % CHUNK] = this.lists.add(head, entry);
    return head === 0 ? 0 : this.lists.count(head);
  }

  /** Removes an entry. */
  remove(gfn: number, level: number, entry: number): void {
    const block = Math.floor(gfn / PAGES_PER_LEVEL[level]);
    const chunk = this.chunk(level, Math.floor(block / CHUNK));
    chunk[block % CHUNK] = this.lists.remove(chunk[block % CHUNK], entry);
  }

  /** The same for a small leaf. Neighbours follow each other. */
  removeSmall(gfn: number, entry: number): void {
    const number = Math.floor(gfn * INVERSE_CHUNK);
    const chunk = number === this.lastNumber ? this.lastChunk : this.chunk(1, number);
    const at = gfn - number * CHUNK;
    chunk[at] = isSingle(chunk[at]) ? 0 : this.lists.remove(chunk[at], entry);
  }

  /** Copies the entries that map a frame at a level. @returns how many */
  collect(gfn: number, level: number, into: number[]): number {
    const head = this.head(gfn, level);
    return head === 0 ? 0 : this.lists.collect(head, into);
  }

  /** The first frame of a non-empty list of `level` in [gfn, end), or -1. */
  next(gfn: number, end: number, level: number): number {
    const span = PAGES_PER_LEVEL[level];
    let block = Math.floor(gfn / span);
    while (block * span < end) {
      const chunk = this.find(level, Math.floor(block / CHUNK));
      if (chunk === undefined) {
        if (this.chunks[level].size === 0) return -1;
        block = (Math.floor(block / CHUNK) + 1) * CHUNK;
        continue;
      }
      if (chunk[block % CHUNK] !== 0) return Math.max(gfn, block * span);
      block++;
    }
    return -1;
  }

  private chunk(level: number, number: number): Int32Array {
    let chunk = this.find(level, number);
    if (chunk === undefined) {
      chunk = new Int32Array(CHUNK);
      this.chunks[level].set(number, chunk);
    }
    return chunk;
  }

  /** A chunk that is there. */
  private find(level: number, number: number): Int32Array | undefined {
    if (level > 1) return this.chunks[level].get(number);
    if (number === this.lastNumber) return this.lastChunk;
    const chunk = this.chunks[1].get(number);
    if (chunk === undefined) return undefined;
    this.lastNumber = number;
    this.lastChunk = chunk;
    return chunk;
  }
}
