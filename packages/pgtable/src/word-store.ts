/**
 * What entry words stand for: the storage they own, and what can be told of the tables below them.
 *
 * Words are values; those of kind node and leaf table own records of the arenas. This class copies and gives back that storage and answers questions
 * about a word without a place in a tree. Where words lie is the business of TableTree.
 */
import type { AttrTable } from './attr-table';
import type { Geometry } from './geometry';
import { LeafTables } from './leaf-table';
import { NodeArena } from './node-arena';
import { EMPTY_WORD, INDEX_MASK, KIND_MASK, LEAF_TABLE, NODE, childWord, wordAttr, wordMapLevel, wordTableAttr } from './word';

/** The arenas of one tree, and the words over them. */
export class WordStore {
  readonly nodes: NodeArena;
  readonly leaves: LeafTables;

  constructor(
    readonly geometry: Geometry,
    private readonly attrs: AttrTable,
  ) {
    this.nodes = new NodeArena(geometry.entries);
    this.leaves = new LeafTables(geometry.entries);
  }

  /** A node with every entry equal to `word`, which may own storage: each entry gets its own copy. Its parent is set when it is stored. */
  nodeOf(word: number, level: number, tableAttr: number): number {
    const node = this.nodes.alloc(word, level, tableAttr, -1);
    const first = node * this.geometry.entries;
    for (let i = 0; i < this.geometry.entries; i++) this.nodes.set(first + i, this.adopt(i === 0 ? word : this.copyWord(word), first + i));
    return node;
  }

  private adopt(word: number, pos: number): number {
    if ((word & KIND_MASK) === NODE) this.nodes.parent[word & INDEX_MASK] = pos;
    return word;
  }

  private copyWord(word: number): number {
    const kind = word & KIND_MASK;
    if (kind === LEAF_TABLE) this.leaves.share(word & INDEX_MASK);
    if (kind !== NODE) return word;
    const from = word & INDEX_MASK;
    const copy = this.nodes.alloc(EMPTY_WORD, this.nodes.level[from], this.nodes.tableAttr[from], -1);
    for (let i = 0; i < this.geometry.entries; i++) {
      const pos = copy * this.geometry.entries + i;
      this.nodes.set(pos, this.adopt(this.copyWord(this.nodes.words[from * this.geometry.entries + i]), pos));
    }
    return NODE | copy;
  }

  /** Gives back all storage a word owns. @returns whether a node went */
  release(word: number): boolean {
    const kind = word & KIND_MASK;
    if (kind === LEAF_TABLE) {
      this.leaves.release(word & INDEX_MASK);
      return false;
    }
    if (kind !== NODE) return false;
    const node = word & INDEX_MASK;
    const first = node * this.geometry.entries;
    for (let pos = first; pos < first + this.geometry.entries; pos++) this.release(this.nodes.words[pos]);
    this.nodes.free(node);
    return true;
  }

  /** Whether an attribute is that of a present leaf. */
  isLeafAttr(attr: number): boolean {
    return attr !== 0 && this.attrs.special[attr] === 0;
  }

  /** Attribute of the table a word points to. */
  tableAttrOf(word: number): number {
    const kind = word & KIND_MASK;
    if (kind === NODE) return this.nodes.tableAttr[word & INDEX_MASK];
    return kind === LEAF_TABLE ? this.leaves.tableAttr(word & INDEX_MASK) : wordTableAttr(word);
  }

  /** Non-empty entries of the table a word of `level` points to. */
  childCountOf(word: number, level: number): number {
    const kind = word & KIND_MASK;
    if (kind === NODE) return this.nodes.countNonEmpty(word & INDEX_MASK);
    if (kind === LEAF_TABLE) return this.leaves.countNonEmpty(word & INDEX_MASK);
    return childWord(word, level) === EMPTY_WORD ? 0 : this.geometry.entries;
  }

  /** Tables below an owned node whose entries are of `level`. */
  tablesInNode(node: number, level: number): number {
    let count = 0;
    const first = node * this.geometry.entries;
    for (let pos = first; pos < first + this.geometry.entries; pos++) count += this.tablesOf(this.nodes.words[pos], level);
    return count;
  }

  /** Tables a word of `level` stands for: the one it points to and all below. */
  tablesOf(word: number, level: number): number {
    const kind = word & KIND_MASK;
    if (kind === NODE) return 1 + this.tablesInNode(word & INDEX_MASK, level - 1);
    if (kind === LEAF_TABLE) return 1;
    if (word === EMPTY_WORD) return 0;
    let count = 0;
    let width = 1;
    for (let below = level; below > wordMapLevel(word); below--) {
      count += width;
      width *= this.geometry.entries;
    }
    return count;
  }

  /** Attribute of the first present leaf below a table word, or -1. */
  firstLeafOf(word: number, level: number): number {
    const kind = word & KIND_MASK;
    if (kind === NODE) {
      const first = (word & INDEX_MASK) * this.geometry.entries;
      for (let pos = first; pos < first + this.geometry.entries; pos++) {
        const child = this.nodes.words[pos];
        if (child === EMPTY_WORD) continue;
        const attr = this.firstLeafOf(child, level - 1);
        if (attr >= 0) return attr;
      }
      return -1;
    }
    if (kind === LEAF_TABLE) {
      for (let i = 0; i < this.geometry.entries; i++) {
        const attr = this.leaves.get(word & INDEX_MASK, i);
        if (attr !== 0 && this.attrs.special[attr] === 0) return attr;
      }
      return -1;
    }
    const attr = wordAttr(word);
    return attr !== 0 && this.attrs.special[attr] === 0 ? attr : -1;
  }
}
