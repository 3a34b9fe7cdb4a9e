/**
 * Entries of tables with more than two attributes: a byte each, in blocks.
 *
 * A table comes here when an entry takes a third attribute, which mostly is a lock that passes. So the bytes are not filled in before somebody needs them all: until then the table is what
 * it was, its bits where they were, but for that one entry; and once the entry takes one of the two others it is a table of two attributes again. Hot path.
 */
import { copyInt32, copyUint8 } from './node-arena';

/** Blocks of one arena of leaf tables. */
export class DenseBlocks {
  private bytes: Uint8Array;
  /** Neighbouring pairs that differ. */
  private differing: Int32Array;
  /** What the table was before its third attribute came: the two others, and from bit 16 on the entry that has it; -1 once another entry is written. */
  private origins: Int32Array;
  /** Entries that had the second attribute then. */
  private ones: Int32Array;
  /** The third attribute where the bytes are not filled in; -1 where they are. */
  private thirds: Int32Array;
  private capacity = 8;
  private used = 0;
  private readonly freed: number[] = [];

  /** @param entries of a table */
  constructor(private readonly entries: number) {
    this.bytes = new Uint8Array(this.capacity * entries);
    this.differing = new Int32Array(this.capacity);
    this.origins = new Int32Array(this.capacity);
    this.ones = new Int32Array(this.capacity);
    this.thirds = new Int32Array(this.capacity);
  }

  /** A block for a table of which an entry takes a third attribute. @param attrs the two others, the first in the low byte; @param ones entries with the second */
  begin(index: number, attrs: number, ones: number, third: number): number {
    const block = this.take();
    this.origins[block] = (index << 16) | attrs;
    this.ones[block] = ones;
    this.thirds[block] = third;
    return block;
  }

  /** A block with the content of one of `from`, which is filled. */
  copy(from: DenseBlocks, block: number): number {
    const copy = this.take();
    const first = block * this.entries;
    this.bytes.set(from.bytes.subarray(first, first + this.entries), copy * this.entries);
    this.differing[copy] = from.differing[block];
    return copy;
  }

  release(block: number): void {
    this.freed.push(block);
  }

  /** Whether all entries have their bytes. */
  isFilled(block: number): boolean {
    return this.thirds[block] < 0;
  }

  /** The attribute of an entry. @param bit that the entry has in its table */
  get(block: number, index: number, bit: number): number {
    const third = this.thirds[block];
    if (third < 0) return this.bytes[block * this.entries + index];
    const origin = this.origins[block];
    if (origin >> 16 === index) return third;
    return bit === 0 ? origin & 255 : (origin >> 8) & 255;
  }

  /** Fills the bytes in. @param words and `at`: the table's bits, from there on */
  fill(block: number, words: Int32Array, at: number): void {
    if (this.isFilled(block)) return;
    const first = block * this.entries;
    for (let i = 0; i < this.entries; i++) this.bytes[first + i] = this.get(block, i, (words[at + (i >> 5)] >>> (i & 31)) & 1);
    this.thirds[block] = -1;
    this.recount(block);
  }

  /** Stores an attribute in a filled block. @returns true when all entries are now equal */
  set(block: number, index: number, attr: number): boolean {
    const { bytes } = this;
    const at = block * this.entries + index;
    if (this.origins[block] >> 16 !== index) this.origins[block] = -1;
    const old = bytes[at];
    let differing = this.differing[block];
    if (index > 0) differing += step(bytes[at - 1], old, attr);
    if (index < this.entries - 1) differing += step(bytes[at + 1], old, attr);
    bytes[at] = attr;
    this.differing[block] = differing;
    return differing === 0;
  }

  /** Whether the entry that made the table dense takes one of the two other attributes, and nothing else has been written in between. */
  isPassing(block: number, index: number, attr: number): boolean {
    const origin = this.origins[block];
    return origin >> 16 === index && (attr === (origin & 255) || attr === ((origin >> 8) & 255));
  }

  /** The two attributes the table had, and how many entries had the second. */
  attrsOf(block: number): number {
    return this.origins[block] & 0xffff;
  }

  onesOf(block: number): number {
    return this.ones[block];
  }

  /** The attribute all entries have, or -1. */
  uniformAttr(block: number): number {
    return this.isFilled(block) && this.differing[block] === 0 ? this.bytes[block * this.entries] : -1;
  }

  /** Adds to `counts[attr]` the number of entries of a filled block that hold it. */
  histogram(block: number, counts: Int32Array): void {
    const first = block * this.entries;
    for (let i = first; i < first + this.entries; i++) {
      const attr = this.bytes[i];
      counts[attr] = counts[attr] + 1;
    }
  }

  /** Replaces every attribute of a filled block by `map[attr]`. @returns true when all entries are now equal */
  mapAttrs(block: number, map: Uint8Array): boolean {
    const first = block * this.entries;
    this.origins[block] = -1;
    for (let i = first; i < first + this.entries; i++) this.bytes[i] = map[this.bytes[i]];
    return this.recount(block);
  }

  /** A hash of a filled block's content, on top of another one. */
  hash(block: number, from: number): number {
    let hash = from;
    const first = block * this.entries;
    for (let i = first; i < first + this.entries; i++) hash = (Math.imul(hash, 31) + this.bytes[i]) | 0;
    return hash;
  }

  /** Whether two filled blocks hold the same. */
  areEqual(a: number, b: number): boolean {
    const firstA = a * this.entries;
    const firstB = b * this.entries;
    for (let i = 0; i < this.entries; i++) if (this.bytes[firstA + i] !== this.bytes[firstB + i]) return false;
    return true;
  }

  /** Bytes of typed arrays in use. */
  get size(): number {
    return this.bytes.byteLength + this.differing.byteLength * 4;
  }

  private recount(block: number): boolean {
    const first = block * this.entries;
    let differing = 0;
    for (let i = first + 1; i < first + this.entries; i++) if (this.bytes[i] !== this.bytes[i - 1]) differing++;
    this.differing[block] = differing;
    return differing === 0;
  }

  private take(): number {
    const block = this.freed.pop() ?? this.used++;
    if (this.used > this.capacity) {
      this.capacity = Math.ceil(this.capacity * 1.5);
      this.bytes = copyUint8(this.bytes, this.capacity * this.entries);
      this.differing = copyInt32(this.differing, this.capacity);
      this.origins = copyInt32(this.origins, this.capacity);
      this.ones = copyInt32(this.ones, this.capacity);
      this.thirds = copyInt32(this.thirds, this.capacity);
    }
    this.origins[block] = -1;
    this.thirds[block] = -1;
    return block;
  }
}

/** How many pairs more differ, of an entry and one beside it, once it takes an attribute instead of another. */
function step(beside: number, old: number, attr: number): number {
  return (beside === old ? 0 : -1) + (beside === attr ? 0 : 1);
}
