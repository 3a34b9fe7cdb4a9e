/**
 * Owned inner tables: runs of entries in one growing array, with a free list.
 *
 * Per table the arena keeps how many neighbouring entries differ, so that "all entries are equal again" is known at every store without a
 * scan. Typed arrays grow by copying. Hot path.
 */
import { EMPTY_WORD } from './word';

/** Arena of inner tables. Table `n` holds entries n · entries to (n + 1) · entries - 1. */
export class NodeArena {
  words: Int32Array;
  /** Position of the entry that points to the table; -1 for roots. */
  parent: Int32Array;
  /** Neighbouring pairs of entries that differ: 0 when all are equal. */
  differing: Int32Array;
  tableAttr: Uint8Array;
  /** Walks under way in the table: it must not fold meanwhile. */
  pins: Uint8Array;
  /** Level of the table's entries. */
  level: Uint8Array;
  /** The kept content (node-contents.ts) that a table's entries are those of, where that is known; -1 from the next store on. */
  content: Int32Array;
  private capacity: number;
  private used = 0;
  private readonly freeList: number[] = [];

  constructor(private readonly entries: number) {
    this.capacity = Math.min(64, Math.max(4, Math.floor(4096 / entries)));
    this.words = new Int32Array(this.capacity * entries);
    this.parent = new Int32Array(this.capacity);
    this.differing = new Int32Array(this.capacity);
    this.tableAttr = new Uint8Array(this.capacity);
    this.pins = new Uint8Array(this.capacity);
    this.level = new Uint8Array(this.capacity);
    this.content = new Int32Array(this.capacity);
  }

  /** A table with every entry `word`. @returns its index */
  alloc(word: number, level: number, tableAttr: number, parent: number): number {
    const index = this.freeList.pop() ?? this.extend(1);
    this.init(index, word, level, tableAttr, parent);
    return index;
  }

  /** `count` neighbouring tables: a root wider than one table. Roots are not recycled singly. */
  allocRoot(count: number, word: number, level: number): number {
    const index = count === 1 ? (this.freeList.pop() ?? this.extend(1)) : this.extend(count);
    for (let i = 0; i < count; i++) this.init(index + i, word, level, 0, -1);
    return index;
  }

  free(index: number): void {
    this.freeList.push(index);
  }

  /** Stores a word. @returns true when all entries of the table are now equal */
  set(pos: number, word: number): boolean {
    const words = this.words;
    const old = words[pos];
    const mask = this.entries - 1;
    const index = pos & mask;
    const node = (pos - index) / this.entries;
    let differing = this.differing[node];
    if (index > 0) {
      const left = words[pos - 1];
      if (left !== old) differing--;
      if (left !== word) differing++;
    }
    if (index < mask) {
      const right = words[pos + 1];
      if (right !== old) differing--;
      if (right !== word) differing++;
    }
    words[pos] = word;
    this.content[node] = -1;
    this.differing[node] = differing;
    return differing === 0;
  }

  /** Entries of a table that are not empty. */
  countNonEmpty(index: number): number {
    let count = 0;
    const first = index * this.entries;
    for (let pos = first; pos < first + this.entries; pos++) if (this.words[pos] !== EMPTY_WORD) count++;
    return count;
  }

  /** Bytes of typed arrays in use. */
  get bytes(): number {
    return this.words.byteLength + this.capacity * 14;
  }

  private init(index: number, word: number, level: number, tableAttr: number, parent: number): void {
    this.words.fill(word, index * this.entries, (index + 1) * this.entries);
    this.parent[index] = parent;
    this.differing[index] = 0;
    this.tableAttr[index] = tableAttr;
    this.level[index] = level;
    this.pins[index] = 0;
    this.content[index] = -1;
  }

  private extend(count: number): number {
    const index = this.used;
    this.used += count;
    if (this.used > this.capacity) this.grow();
    return index;
  }

  private grow(): void {
    while (this.capacity < this.used) this.capacity = Math.ceil(this.capacity * 1.5);
    const words = new Int32Array(this.capacity * this.entries);
    words.set(this.words);
    this.words = words;
    this.parent = copyInt32(this.parent, this.capacity);
    this.differing = copyInt32(this.differing, this.capacity);
    this.tableAttr = copyUint8(this.tableAttr, this.capacity);
    this.pins = copyUint8(this.pins, this.capacity);
    this.level = copyUint8(this.level, this.capacity);
    this.content = copyInt32(this.content, this.capacity);
  }
}

/** A longer copy. */
export function copyInt32(from: Int32Array, length: number): Int32Array {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}

/** A longer copy. */
export function copyUint8(from: Uint8Array, length: number): Uint8Array {
  const to = new Uint8Array(length);
  to.set(from);
  return to;
}
