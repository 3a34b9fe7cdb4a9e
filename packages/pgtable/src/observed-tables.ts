/**
 * Page tables whose every entry is a place of its own: no folding, no sharing. A word is 0 for an empty entry, an attribute for a leaf or special entry, and the
 * complement of a node's number for a table. Hot path of observed runs.
 */
import { EntryKind } from '@mmulab/api';
import type { Entry } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import type { Geometry } from './geometry';

const { Empty, Leaf, Table, Special } = EntryKind;
const FIRST_CAPACITY = 16;

/** Nodes of `entries` words each, with a cursor that is the entry as rules see it. */
export class ObservedTables implements Entry {
  words: Int32Array;
  /** Entries of a node that are not empty. */
  private counts: Int32Array;
  /** Attribute of the table itself. */
  private attrs: Uint8Array;
  private readonly free: number[] = [];
  private size = 0;
  // The entry the cursor is on.
  level = 0;
  kind: EntryKind = Empty;
  attr = 0;
  tableAttr = 0;
  gfn = 0;
  goal = 1;
  start = 0;
  end = 0;
  /** Place of its word. */
  pos = 0;

  constructor(
    private readonly geometry: Geometry,
    private readonly attrTable: AttrTable,
  ) {
    this.words = new Int32Array(FIRST_CAPACITY * geometry.entries);
    this.counts = new Int32Array(FIRST_CAPACITY);
    this.attrs = new Uint8Array(FIRST_CAPACITY);
  }

  /** Tables in use. */
  get count(): number {
    return this.size - this.free.length;
  }

  /** A root, `tables` nodes in a row. */
  createRoot(tables: number): number {
    if (tables === 1) return this.take(0);
    const root = this.size;
    for (let i = 0; i < tables; i++) this.take(0, true);
    return root;
  }

  /** Puts the cursor on the lowest entry for a frame at or above level `goal`. */
  find(root: number, gfn: number, goal: number): void {
    const { geometry } = this;
    const { entries } = geometry;
    let level = geometry.levels;
    let span = geometry.pagesAt(level);
    let index = Math.floor(gfn / span);
    let base = index * span;
    let pos = root * entries + index;
    let word = this.words[pos];
    while (word < 0 && level > goal) {
      level--;
      span = geometry.pagesAt(level);
      index = Math.floor((gfn - base) / span);
      base += index * span;
      pos = ~word * entries + index;
      word = this.words[pos];
    }
    this.view(pos, level, base, word);
  }

  /** Puts the cursor on an entry by its place. */
  placeAt(pos: number, level: number, gfn: number): void {
    this.view(pos, level, gfn, this.words[pos]);
  }

  childCount(): number {
    const word = this.words[this.pos];
    return word < 0 ? this.counts[~word] : 0;
  }

  firstLeafBelow(): number {
    const word = this.words[this.pos];
    return word < 0 ? this.firstLeaf(~word) : -1;
  }

  /** Stores a leaf or special attribute, or empty (0), at the cursor. @returns the node of the table that was there, or -1; its storage is the caller's */
  writeAttr(attr: number): number {
    const old = this.words[this.pos];
    this.store(attr);
    this.attr = attr;
    this.tableAttr = 0;
    this.kind = this.kindOf(attr);
    return old < 0 ? ~old : -1;
  }

  /** Links a table at the cursor whose entries all hold `fill`. */
  writeTable(tableAttr: number, fill: number): void {
    const node = this.take(tableAttr);
    if (fill !== 0) {
      const first = node * this.geometry.entries;
      this.words.fill(fill, first, first + this.geometry.entries);
      this.counts[node] = this.geometry.entries;
    }
    this.store(~node);
    this.attr = 0;
    this.tableAttr = tableAttr;
    this.kind = Table;
  }

  /** Changes the attribute of the table below the cursor. */
  setTableAttr(tableAttr: number): void {
    const word = this.words[this.pos];
    if (word < 0) this.attrs[~word] = tableAttr;
    this.tableAttr = tableAttr;
  }

  tableAttrOf(node: number): number {
    return this.attrs[node];
  }

  /** Gives one node back; what it points to is not looked at. */
  release(node: number): void {
    this.free.push(node);
  }

  /** Number of tables below a node, itself included. */
  countFrom(node: number): number {
    const { entries } = this.geometry;
    let count = 1;
    for (let pos = node * entries; pos < (node + 1) * entries; pos++) if (this.words[pos] < 0) count += this.countFrom(~this.words[pos]);
    return count;
  }

  kindOf(attr: number): EntryKind {
    return attr === 0 ? Empty : this.attrTable.special[attr] === 0 ? Leaf : Special;
  }

  private view(pos: number, level: number, gfn: number, word: number): void {
    this.pos = pos;
    this.level = level;
    this.gfn = gfn;
    if (word < 0) {
      this.kind = Table;
      this.attr = 0;
      this.tableAttr = this.attrs[~word];
    } else {
      this.attr = word;
      this.tableAttr = 0;
      this.kind = this.kindOf(word);
    }
  }

  private store(word: number): void {
    const old = this.words[this.pos];
    this.words[this.pos] = word;
    const change = (word === 0 ? 0 : 1) - (old === 0 ? 0 : 1);
    if (change === 0) return;
    const node = Math.floor(this.pos / this.geometry.entries);
    this.counts[node] = this.counts[node] + change;
  }

  private firstLeaf(node: number): number {
    const { entries } = this.geometry;
    for (let pos = node * entries; pos < (node + 1) * entries; pos++) {
      const word = this.words[pos];
      if (word === 0) continue;
      const attr = word < 0 ? this.firstLeaf(~word) : this.attrTable.special[word] === 1 ? -1 : word;
      if (attr >= 0) return attr;
    }
    return -1;
  }

  private take(tableAttr: number, fresh = false): number {
    const node = fresh ? this.size++ : (this.free.pop() ?? this.size++);
    const { entries } = this.geometry;
    if (this.size > this.counts.length) this.grow();
    this.words.fill(0, node * entries, (node + 1) * entries);
    this.counts[node] = 0;
    this.attrs[node] = tableAttr;
    return node;
  }

  private grow(): void {
    const capacity = this.counts.length * 2;
    const words = new Int32Array(capacity * this.geometry.entries);
    words.set(this.words);
    this.words = words;
    const counts = new Int32Array(capacity);
    counts.set(this.counts);
    this.counts = counts;
    const attrs = new Uint8Array(capacity);
    attrs.set(this.attrs);
    this.attrs = attrs;
  }
}
