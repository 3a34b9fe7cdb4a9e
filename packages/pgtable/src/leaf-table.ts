/**
 * Owned tables of level-1 entries: two attributes and one bit per entry while two attributes suffice, one byte per entry after that.
 *
 * A record is a head of two words (attributes and flags, number of set bits or of the dense block) and entries/32 words of bits, all next to each other: who
 * comes to a table out of the blue waits for memory, and waits once. Records of equal content may be shared: a shared record is copied before it is
 * written. Sharing is what makes periodic patterns as cheap as uniform ones, since a shared record counts as a word. Hot path.
 */
import { DenseBlocks } from './dense-blocks';
import { copyInt32 } from './node-arena';

/** Words of a record before its bits: attributes and flags; number of entries with the second attribute, or number of the dense block. */
export const HEAD_WORDS = 2;

const DENSE = 1 << 24;
/** The record stands for its content: others of equal content give way to it. */
const CANONICAL = 1 << 25;
/** The record may stand in several places. Taken back when it is next written by the general way. */
const SHARED = 1 << 26;
/** A record whose head has none of these is a table of two attributes that may be written in place. */
export const NOT_PLAIN = DENSE | CANONICAL | SHARED;

/** From so many records on arrays are made three times as long: what has not been written of a large array takes no memory, and what is copied is there twice for a while. */
const MANY_RECORDS = 2 ** 16;

/** What `trySet` answers. */
const NOT_STORED = 0;
export const STORED = 1;
export const STORED_EQUAL = 2;

/** Arena of leaf tables. */
export class LeafTables {
  /** The records: each its head, and one bit per entry: whether it has the second attribute. The array is replaced when it grows. */
  words: Int32Array;
  private readonly dense: DenseBlocks;
  private refs: Int32Array;
  /** Words per record. */
  readonly stride: number;
  private capacity = 64;
  private used = 0;
  private readonly freeRecords: number[] = [];
  private readonly canonical = new Map<number, number[]>();

  constructor(private readonly entries: number) {
    this.stride = HEAD_WORDS + Math.max(1, entries >> 5);
    this.words = new Int32Array(this.capacity * this.stride);
    this.refs = new Int32Array(this.capacity);
    this.dense = new DenseBlocks(entries);
  }

  /** A table with every entry `attr`. @returns its index, with one reference */
  alloc(attr: number, tableAttr: number): number {
    return this.allocFor(attr | (attr << 8) | (tableAttr << 16));
  }

  /** A table with every entry the first attribute of a plain record's head. @returns its index, with one reference */
  allocFor(head: number): number {
    const record = this.take();
    const at = this.headOf(record);
    const { words } = this;
    words[at] = head;
    for (let i = at + 1; i < at + this.stride; i++) words[i] = 0;
    return record;
  }

  /** Adds a reference to a record that now stands in one more place. */
  share(record: number): void {
    this.refs[record] = this.refs[record] + 1;
    const at = this.headOf(record);
    this.words[at] = this.words[at] | SHARED;
  }

  /** Drops a reference; the last one frees the record. */
  release(record: number): void {
    const refs = this.refs[record] - 1;
    this.refs[record] = refs;
    if (refs > 0) return;
    this.forget(record);
    const at = this.headOf(record);
    if ((this.words[at] & DENSE) !== 0) this.dense.release(this.words[at + 1]);
    this.freeRecords.push(record);
  }

  /** The record to write to instead of `record`: itself when nobody shares it, else a copy that takes over one reference. */
  own(record: number): number {
    if (this.refs[record] === 1) {
      if ((this.words[this.headOf(record)] & (CANONICAL | SHARED)) !== 0) this.unshare(record);
      return record;
    }
    const copy = this.take();
    const from = this.headOf(record);
    const at = this.headOf(copy);
    const { words } = this;
    for (let i = 0; i < this.stride; i++) words[at + i] = words[from + i];
    const head = words[from] & ~(CANONICAL | SHARED);
    words[at] = head;
    if ((head & DENSE) !== 0) {
      this.fill(from);
      words[at + 1] = this.dense.copy(this.dense, words[from + 1]);
    }
    this.refs[record] = this.refs[record] - 1;
    return copy;
  }

  /** A record of this arena with the content of another arena's record. */
  copyOf(from: LeafTables, record: number): number {
    const copy = this.take();
    const source = from.headOf(record);
    const at = this.headOf(copy);
    this.words.set(from.words.subarray(source, source + this.stride), at);
    const head = this.words[at] & ~(CANONICAL | SHARED);
    this.words[at] = head;
    if ((head & DENSE) !== 0) {
      from.fill(source);
      this.words[at + 1] = this.dense.copy(from.dense, from.words[source + 1]);
    }
    return copy;
  }

  /** Where a record begins. */
  headOf(record: number): number {
    return Math.imul(record, this.stride);
  }

  tableAttr(record: number): number {
    return (this.words[this.headOf(record)] >> 16) & 15;
  }

  setTableAttr(record: number, tableAttr: number): void {
    const at = this.headOf(record);
    this.words[at] = (this.words[at] & ~(15 << 16)) | (tableAttr << 16);
  }

  get(record: number, index: number): number {
    return this.attrAt(this.headOf(record), index);
  }

  /** The attribute of an entry. @param at where its record begins */
  attrAt(at: number, index: number): number {
    const { words } = this;
    const head = words[at];
    const bit = (words[at + HEAD_WORDS + (index >> 5)] >>> (index & 31)) & 1;
    if ((head & DENSE) !== 0) return this.dense.get(words[at + 1], index, bit);
    return bit === 0 ? head & 255 : (head >> 8) & 255;
  }

  /**
   * Stores an attribute where that takes nothing but a bit: the record is nobody else's, and has two attributes of which this is the one the
   * entry does not have. @returns STORED, STORED_EQUAL when all entries are now equal, or NOT_STORED
   */
  trySet(record: number, index: number, attr: number): number {
    const head = this.words[this.headOf(record)];
    const zeroAttr = head & 255;
    const oneAttr = (head >> 8) & 255;
    if ((head & NOT_PLAIN) !== 0 || zeroAttr === oneAttr || attr !== (this.isOne(record, index) ? zeroAttr : oneAttr)) return NOT_STORED;
    return this.flip(record, index) ? STORED_EQUAL : STORED;
  }

  /** Stores an attribute into an owned record. @returns true when all entries are now equal */
  set(record: number, index: number, attr: number): boolean {
    const at = this.headOf(record);
    const head = this.words[at];
    const ones = this.words[at + 1];
    if ((head & DENSE) !== 0) return this.setDense(record, index, attr);
    const isOne = this.isOne(record, index);
    const others = isOne ? this.entries - ones : ones;
    if (attr === (isOne ? (head >> 8) & 255 : head & 255)) return others === 0;
    if (attr === (isOne ? head & 255 : (head >> 8) & 255)) return this.flip(record, index);
    if (others === 0) return this.recolour(record, !isOne, attr).flip(record, index);
    if (others === this.entries - 1) return this.recolour(record, isOne, attr).entries === 1;
    this.makeDense(record, index, attr);
    return false;
  }

  /** 1 where an entry of a two-attribute table has the second one, else 0. @param at where its record begins */
  bitAt(at: number, index: number): number {
    return (this.words[at + HEAD_WORDS + (index >> 5)] >>> (index & 31)) & 1;
  }

  /** Whether an entry of a two-attribute table has the second one. */
  private isOne(record: number, index: number): boolean {
    return this.bitAt(this.headOf(record), index) !== 0;
  }

  private flip(record: number, index: number): boolean {
    return this.flipAt(this.headOf(record), index);
  }

  /** Gives an entry the other attribute of its table, which is nobody else's and has two. @param at where its record begins; @returns true when all entries are now equal */
  flipAt(at: number, index: number): boolean {
    const { words } = this;
    const wordAt = at + HEAD_WORDS + (index >> 5);
    const bits = words[wordAt] ^ (1 << (index & 31));
    words[wordAt] = bits;
    const ones = words[at + 1] + (((bits >>> (index & 31)) & 1) === 1 ? 1 : -1);
    words[at + 1] = ones;
    return ones === 0 || ones === this.entries;
  }

  /** Changes one of a table's two attributes, for every entry that has it. */
  private recolour(record: number, second: boolean, attr: number): this {
    const at = this.headOf(record);
    const head = this.words[at];
    this.words[at] = second ? (head & ~0xff00) | (attr << 8) : (head & ~0xff) | attr;
    return this;
  }

  /** One of the two attributes of a two-attribute table; -1 when the table is dense. */
  firstAttr(record: number): number {
    const head = this.words[this.headOf(record)];
    return (head & DENSE) !== 0 ? -1 : head & 255;
  }

  /** The other one; the same when there is only one. */
  secondAttr(record: number): number {
    const head = this.words[this.headOf(record)];
    return (head & DENSE) !== 0 ? -1 : (head >> 8) & 255;
  }

  /** The attribute all entries have, or -1. */
  uniformAttr(record: number): number {
    const at = this.headOf(record);
    const head = this.words[at];
    const second = this.words[at + 1];
    if ((head & DENSE) !== 0) return this.dense.uniformAttr(second);
    if (second === 0) return head & 255;
    return second === this.entries ? (head >> 8) & 255 : -1;
  }

  /** Adds to `counts[attr]` the number of entries that hold it. @param counts 256 counters, the caller's scratch space */
  histogram(record: number, counts: Int32Array): void {
    const at = this.headOf(record);
    const head = this.words[at];
    const second = this.words[at + 1];
    if ((head & DENSE) === 0) {
      const zeroAttr = head & 255;
      const oneAttr = (head >> 8) & 255;
      counts[zeroAttr] = counts[zeroAttr] + this.entries - second;
      counts[oneAttr] = counts[oneAttr] + second;
      return;
    }
    this.fill(at);
    this.dense.histogram(second, counts);
  }

  /** Replaces every attribute of an owned record by `map[attr]`. @returns true when all entries are now equal */
  mapAttrs(record: number, map: Uint8Array): boolean {
    const at = this.headOf(record);
    const head = this.words[at];
    const second = this.words[at + 1];
    if ((head & DENSE) === 0) {
      const zeroAttr = map[head & 255];
      const oneAttr = map[(head >> 8) & 255];
      if (zeroAttr === oneAttr && second !== 0) {
        this.words.fill(0, at + 1, at + this.stride);
        this.words[at] = (head & ~0xffff) | zeroAttr | (zeroAttr << 8);
        return true;
      }
      this.words[at] = (head & ~0xffff) | zeroAttr | (oneAttr << 8);
      return second === 0 || second === this.entries;
    }
    this.fill(at);
    return this.dense.mapAttrs(second, map);
  }

  /** Entries that hold something. */
  countNonEmpty(record: number): number {
    let count = 0;
    for (let i = 0; i < this.entries; i++) if (this.get(record, i) !== 0) count++;
    return count;
  }

  /**
   * The one record that stands for this content from now on. Takes over the caller's reference: the caller stores the returned index in
   * place of `record`.
   */
  intern(record: number): number {
    const at = this.headOf(record);
    if ((this.words[at] & CANONICAL) !== 0) return record;
    this.normalise(record);
    const hash = this.hash(record);
    const bucket = this.canonical.get(hash);
    if (bucket !== undefined) {
      for (const candidate of bucket) {
        if (this.sameContent(candidate, record)) {
          this.share(candidate);
          this.release(record);
          return candidate;
        }
      }
      bucket.push(record);
    } else {
      this.canonical.set(hash, [record]);
    }
    this.words[at] = this.words[at] | CANONICAL;
    return record;
  }

  /** Bytes of typed arrays in use. */
  get bytes(): number {
    return this.words.byteLength + this.dense.size + this.refs.byteLength;
  }

  /** Two-attribute records with equal content get equal words: the first entry is always the zero attribute. */
  private normalise(record: number): void {
    const { words } = this;
    const at = this.headOf(record);
    const head = words[at];
    if ((head & DENSE) !== 0 || (words[at + HEAD_WORDS] & 1) === 0) return;
    words[at] = (head & ~0xffff) | ((head >> 8) & 255) | ((head & 255) << 8);
    words[at + 1] = this.entries - words[at + 1];
    const last = this.entries < 32 ? (1 << this.entries) - 1 : -1;
    for (let i = at + HEAD_WORDS; i < at + this.stride; i++) words[i] = ~words[i] & last;
  }

  private hash(record: number): number {
    const at = this.headOf(record);
    const head = this.words[at];
    let hash = head & ~(CANONICAL | SHARED);
    if ((head & DENSE) !== 0) {
      this.fill(at);
      return this.dense.hash(this.words[at + 1], hash);
    }
    for (let i = at + HEAD_WORDS; i < at + this.stride; i++) hash = (Math.imul(hash, 0x01000193) ^ this.words[i]) | 0;
    return hash;
  }

  private sameContent(a: number, b: number): boolean {
    const { words } = this;
    const atA = this.headOf(a);
    const atB = this.headOf(b);
    const headA = words[atA] & ~(CANONICAL | SHARED);
    if (headA !== (words[atB] & ~(CANONICAL | SHARED))) return false;
    if ((headA & DENSE) !== 0) {
      this.fill(atA);
      this.fill(atB);
      return this.dense.areEqual(words[atA + 1], words[atB + 1]);
    }
    for (let i = HEAD_WORDS; i < this.stride; i++) if (words[atA + i] !== words[atB + i]) return false;
    return true;
  }

  private unshare(record: number): void {
    this.forget(record);
    const at = this.headOf(record);
    this.words[at] = this.words[at] & ~SHARED;
  }

  /** Takes a record out of the canonical ones: it is about to change or to go. */
  private forget(record: number): void {
    const at = this.headOf(record);
    if ((this.words[at] & CANONICAL) === 0) return;
    const hash = this.hash(record);
    const bucket = this.canonical.get(hash) as number[];
    bucket.splice(bucket.indexOf(record), 1);
    if (bucket.length === 0) this.canonical.delete(hash);
    this.words[at] = this.words[at] & ~CANONICAL;
  }

  /** A table is one of two attributes again. @returns true when all entries are now equal */
  private makePlain(record: number, index: number, attr: number): boolean {
    const at = this.headOf(record);
    const block = this.words[at + 1];
    this.words[at] = (this.words[at] & ~DENSE) | this.dense.attrsOf(block);
    this.words[at + 1] = this.dense.onesOf(block);
    this.dense.release(block);
    return this.set(record, index, attr);
  }

  /** Gives an entry a third attribute. */
  private makeDense(record: number, index: number, attr: number): void {
    const at = this.headOf(record);
    const head = this.words[at];
    // The bits stay as they are.
    this.words[at + 1] = this.dense.begin(index, head & 0xffff, this.words[at + 1], attr);
    this.words[at] = (head & ~0xffff) | DENSE;
  }

  private setDense(record: number, index: number, attr: number): boolean {
    const at = this.headOf(record);
    const block = this.words[at + 1];
    if (this.dense.isPassing(block, index, attr)) return this.makePlain(record, index, attr);
    this.fill(at);
    return this.dense.set(block, index, attr);
  }

  /** Fills in the bytes of a dense record. @param at where it begins */
  private fill(at: number): void {
    this.dense.fill(this.words[at + 1], this.words, at + HEAD_WORDS);
  }

  private take(): number {
    const record = this.freeRecords.pop() ?? this.used++;
    if (this.used > this.capacity) {
      this.capacity = Math.ceil(this.capacity * (this.capacity < MANY_RECORDS ? 1.5 : 3));
      this.words = copyInt32(this.words, this.capacity * this.stride);
      this.refs = copyInt32(this.refs, this.capacity);
    }
    this.refs[record] = 1;
    return record;
  }
}
