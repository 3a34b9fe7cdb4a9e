/**
 * A set of pages as bits, by block of 512 pages.
 */

/** Pages `first`, `first + stride`, … up to `last`. */
interface Pages {
  readonly first: number;
  readonly last: number;
  readonly stride: number;
}

const BLOCK_PAGES = 512;
const WORD_BITS = 32;

/** Pages of short runs. */
export class PageBits {
  private readonly blocks = new Map<number, Uint32Array>();

  /** Whether no page was ever set. */
  get isEmpty(): boolean {
    return this.blocks.size === 0;
  }

  /** @returns how many of the pages were not there */
  set({ first, last, stride }: Pages): number {
    let added = 0;
    for (let page = first; page <= last; page += stride) {
      const bits = this.block(Math.floor(page / BLOCK_PAGES));
      const [word, bit] = placeOf(page);
      if (((bits[word] ?? 0) & bit) !== 0) continue;
      bits[word] = (bits[word] ?? 0) | bit;
      added++;
    }
    return added;
  }

  /** Takes pages out. @returns how many of them were there */
  take(pages: Pages): number {
    const [from, to] = [Math.floor(pages.first / BLOCK_PAGES), Math.floor(pages.last / BLOCK_PAGES)];
    let taken = 0;
    if (to - from > this.blocks.size) {
      for (const [block, bits] of this.blocks) if (block >= from && block <= to) taken += takeOf(bits, block * BLOCK_PAGES, pages);
      return taken;
    }
    for (let block = from; block <= to; block++) {
      const bits = this.blocks.get(block);
      if (bits !== undefined) taken += takeOf(bits, block * BLOCK_PAGES, pages);
    }
    return taken;
  }

  private block(number: number): Uint32Array {
    const known = this.blocks.get(number);
    if (known !== undefined) return known;
    const bits = new Uint32Array(BLOCK_PAGES / WORD_BITS);
    this.blocks.set(number, bits);
    return bits;
  }
}

/** Word of a page in its block, and its bit there. */
function placeOf(page: number): readonly [word: number, bit: number] {
  const inBlock = page % BLOCK_PAGES;
  return [inBlock >> 5, 1 << (inBlock & 31)];
}

/** @param base first page of the block */
function takeOf(bits: Uint32Array, base: number, { first, last, stride }: Pages): number {
  const from = first >= base ? first : first + Math.ceil((base - first) / stride) * stride;
  let taken = 0;
  for (let page = from; page <= last && page < base + BLOCK_PAGES; page += stride) {
    const [word, bit] = placeOf(page);
    if (((bits[word] ?? 0) & bit) === 0) continue;
    bits[word] = (bits[word] ?? 0) & ~bit;
    taken++;
  }
  return taken;
}
