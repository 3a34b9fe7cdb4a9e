/**
 * Owned tables of level-1 entries: two attributes and one bit per entry while two attributes suffice, one byte per entry after that.
 *
 * A record is a head of two words (attributes and flags, number of set bits or of the dense block) and entries/32 words of bits, all next to each other: who
 * comes to a table out of the blue waits for memory, and waits once. Records of equal content may be shared: a shared record is copied before it is
 * written. Sharing is what makes periodic patterns as cheap as uniform ones, since a shared record counts as a word. Hot path.
 */
import { copyInt32, copyUint8 } from './node-arena';

/** Words of a record before its bits: attributes and flags; number of entries with the second attribute, or number of the dense block. */
export const HEAD_WORDS = 2;

export const DENSE = 1 << 24;
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
  private dense: Uint8Array;
  /** Neighbouring pairs of a dense block that differ. */
  private denseDiffering: Int32Array;
  /** What a dense block's table was before its third attribute came: the two others, and from bit 16 on the entry that has it; -1 once another entry is written. */
  private denseOrigin: Int32Array;
  /** Entries that had the second attribute then. */
  private denseOnes: Int32Array;
  private refs: Int32Array;
  /** Words per record. */
  readonly stride: number;
  private capacity = 64;
  private used = 0;
  private denseCapacity = 8;
  private denseUsed = 0;
  private readonly freeRecords: number[] = [];
  private readonly freeDense: number[] = [];
  private readonly canonical = new Map<number, number[]>();

  constructor(private readonly entries: number) {
    this.stride = HEAD_WORDS + Math.max(1, entries >> 5);
    this.words = new Int32Array(this.capacity * this.stride);
    this.refs = new Int32Array(this.capacity);
    this.dense = new Uint8Array(this.denseCapacity * entries);
    this.denseDiffering = new Int32Array(this.denseCapacity);
    this.denseOrigin = new Int32Array(this.denseCapacity);
    this.denseOnes = new Int32Array(this.denseCapacity);
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
    if ((this.words[at] & DENSE) !== 0) this.freeDense.push(this.words[at + 1]);
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
      const second = words[from + 1];
      const block = this.takeDense();
      this.dense.copyWithin(block * this.entries, second * this.entries, (second + 1) * this.entries);
      this.denseDiffering[block] = this.denseDiffering[second];
      words[at + 1] = block;
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
      const second = this.words[at + 1];
      const block = this.takeDense();
      const first = second * this.entries;
      this.dense.set(from.dense.subarray(first, first + this.entries), block * this.entries);
      this.denseDiffering[block] = from.denseDiffering[second];
      this.words[at + 1] = block;
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
    const { words } = this;
    const at = this.headOf(record);
    const head = words[at];
    if ((head & DENSE) !== 0) return this.dense[words[at + 1] * this.entries + index];
    const bits = words[at + HEAD_WORDS + (index >> 5)];
    return ((bits >>> (index & 31)) & 1) === 0 ? head & 255 : (head >> 8) & 255;
  }

  /** The attribute of an entry of a dense record. @param at where the record begins */
  denseAttr(at: number, index: number): number {
    return this.dense[this.words[at + 1] * this.entries + index];
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
    if ((head & DENSE) !== 0) return this.isPassing(ones, index, attr) ? this.makePlain(record, ones, attr) : this.setDense(ones, index, attr);
    const isOne = this.isOne(record, index);
    const others = isOne ? this.entries - ones : ones;
    if (attr === (isOne ? (head >> 8) & 255 : head & 255)) return others === 0;
    if (attr === (isOne ? head & 255 : (head >> 8) & 255)) return this.flip(record, index);
    if (others === 0) return this.recolour(record, !isOne, attr).flip(record, index);
    if (others === this.entries - 1) return this.recolour(record, isOne, attr).entries === 1;
    return this.setDense(this.makeDense(record, index), index, attr);
  }

  /** 1 where an entry of a two-attribute table has the second one, else 0. @param at where its record begins */
  bitAt(at: number, index: number): number {
    return (this.words[at + HEAD_WORDS + (index >> 5)] >>> (index & 31)) & 1;
  }

  /** Whether an entry of a two-attribute table has the second one. */
  private isOne(record: number, index: number): boolean {
    return (this.words[this.headOf(record) + HEAD_WORDS + (index >> 5)] & (1 << (index & 31))) !== 0;
  }

  /** Gives an entry the table's other attribute. @returns true when all entries are now equal */
  private flip(record: number, index: number): boolean {
    const { words } = this;
    const at = this.headOf(record);
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
    if ((head & DENSE) !== 0) return this.denseDiffering[second] === 0 ? this.dense[second * this.entries] : -1;
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
    const first = second * this.entries;
    for (let i = first; i < first + this.entries; i++) {
      const attr = this.dense[i];
      counts[attr] = counts[attr] + 1;
    }
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
    const first = second * this.entries;
    this.denseOrigin[second] = -1;
    for (let i = first; i < first + this.entries; i++) this.dense[i] = map[this.dense[i]];
    return this.recountDense(second);
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
    return this.words.byteLength + this.dense.byteLength + this.refs.byteLength + this.denseDiffering.byteLength * 3;
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
      const first = this.words[at + 1] * this.entries;
      for (let i = first; i < first + this.entries; i++) hash = (Math.imul(hash, 31) + this.dense[i]) | 0;
      return hash;
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
      const firstA = words[atA + 1] * this.entries;
      const firstB = words[atB + 1] * this.entries;
      for (let i = 0; i < this.entries; i++) if (this.dense[firstA + i] !== this.dense[firstB + i]) return false;
      return true;
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

  /** Whether the entry that made a table dense takes one of the two other attributes, and nothing else has been written in between: a lock on an entry passes. */
  private isPassing(block: number, index: number, attr: number): boolean {
    const origin = this.denseOrigin[block];
    return origin >> 16 === index && (attr === (origin & 255) || attr === ((origin >> 8) & 255));
  }

  /** A table is one of two attributes again. @returns true when all entries are now equal */
  private makePlain(record: number, block: number, attr: number): boolean {
    const at = this.headOf(record);
    const origin = this.denseOrigin[block];
    this.words[at] = (this.words[at] & ~DENSE) | (origin & 0xffff);
    this.words[at + 1] = this.denseOnes[block];
    this.freeDense.push(block);
    return this.set(record, origin >> 16, attr);
  }

  /** @param index the entry that is to have a third attribute */
  private makeDense(record: number, index: number): number {
    const block = this.takeDense();
    const first = block * this.entries;
    for (let i = 0; i < this.entries; i++) this.dense[first + i] = this.get(record, i);
    const at = this.headOf(record);
    const head = this.words[at];
    const ones = this.words[at + 1];
    this.words[at] = (head & ~0xffff) | DENSE;
    this.words[at + 1] = block;
    this.recountDense(block);
    // The bits stay as they are.
    this.denseOrigin[block] = (index << 16) | (head & 0xffff);
    this.denseOnes[block] = ones;
    return block;
  }

  private setDense(block: number, index: number, attr: number): boolean {
    const at = block * this.entries + index;
    const dense = this.dense;
    if (this.denseOrigin[block] >> 16 !== index) this.denseOrigin[block] = -1;
    const old = dense[at];
    let differing = this.denseDiffering[block];
    if (index > 0) {
      const left = dense[at - 1];
      if (left !== old) differing--;
      if (left !== attr) differing++;
    }
    if (index < this.entries - 1) {
      const right = dense[at + 1];
      if (right !== old) differing--;
      if (right !== attr) differing++;
    }
    dense[at] = attr;
    this.denseDiffering[block] = differing;
    return differing === 0;
  }

  private recountDense(block: number): boolean {
    const first = block * this.entries;
    let differing = 0;
    for (let i = first + 1; i < first + this.entries; i++) if (this.dense[i] !== this.dense[i - 1]) differing++;
    this.denseDiffering[block] = differing;
    return differing === 0;
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

  private takeDense(): number {
    const block = this.freeDense.pop() ?? this.denseUsed++;
    if (this.denseUsed > this.denseCapacity) {
      this.denseCapacity = Math.ceil(this.denseCapacity * 1.5);
      this.dense = copyUint8(this.dense, this.denseCapacity * this.entries);
      this.denseDiffering = copyInt32(this.denseDiffering, this.denseCapacity);
      this.denseOrigin = copyInt32(this.denseOrigin, this.denseCapacity);
      this.denseOnes = copyInt32(this.denseOnes, this.denseCapacity);
    }
    this.denseOrigin[block] = -1;
    return block;
  }
}
