/**
 * A hash of state: two independent 32-bit lanes over a sequence of numbers.
 *
 * It tells whether a VM is back in a state it has been in before, so that what follows need not be simulated again.
 */
import type { FrameMap } from '@mmulab/pgtable';
import type { Memslots } from '@mmulab/kvm';

/** Frames of a block looked at as a whole, and blocks beyond which no key is made. */
const BLOCK_PAGES = 512;
const MAX_BLOCKS = 4096;

/** Hash under construction. */
export class ContentHash {
  private a = 0x811c9dc5 | 0;
  private b = 0x2545f491 | 0;

  /** Adds a number: an integer up to 2^53. */
  add(value: number): void {
    this.mix(value | 0);
    if (value > 0x7fffffff || value < -0x80000000) this.mix(Math.floor(value / 2 ** 32) | 0);
  }

  /** The hash so far. */
  get text(): string {
    return `${(this.a >>> 0).toString(16)}.${(this.b >>> 0).toString(16)}`;
  }

  private mix(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x01000193);
    this.a ^= this.a >>> 15;
    this.b = Math.imul((this.b ^ word) + 0x9e3779b9, 0x85ebca6b);
    this.b ^= this.b >>> 13;
  }
}

/** State of host pages, and of dirty bitmaps where there are any, as a key; undefined where there are too many pages to be worth it. */
export function frameMapsKey(slots: Memslots): string | undefined {
  const hash = new ContentHash();
  let blocks = 0;
  for (const slot of slots.all) {
    blocks += Math.ceil(slot.spec.npages / BLOCK_PAGES) + 1;
    if (blocks > MAX_BLOCKS) return undefined;
    hash.add(slot.spec.id * 2 + (slot.logged ? 1 : 0));
    hashRange(hash, slots.hostStates, slot.spec.baseGfn, slot.end);
    if (!slot.logged) continue;
    hashRange(hash, slots.dirtyBits, slot.spec.baseGfn, slot.end);
    hashRange(hash, slots.readBits, slot.spec.baseGfn, slot.end);
  }
  return hash.text;
}

function hashRange(hash: ContentHash, frames: FrameMap, start: number, end: number): void {
  for (let gfn = start; gfn < end;) {
    const aligned = gfn % BLOCK_PAGES === 0 && gfn + BLOCK_PAGES <= end;
    const value = aligned ? frames.uniformValue(2, gfn) : -1;
    hash.add(value >= 0 ? 256 + value : frames.get(gfn));
    gfn += value >= 0 ? BLOCK_PAGES : 1;
  }
}
