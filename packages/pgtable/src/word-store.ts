/**
 * What entry words stand for: the storage they own, and what can be told of the tables below them.
 *
 * Words are values; those of kind node and leaf table own records of the arenas. This class copies and gives back that storage and answers questions
 * about a word without a place in a tree. Where words lie is the business of WordTree; nobody else reaches into the arenas.
 */
import type { AttrTable } from './attr-table';
import type { Geometry } from './geometry';
import { LeafTables } from './leaf-table';
import { NodeArena } from './node-arena';
import { NodeContents } from './node-contents';
import { EMPTY_WORD, INDEX_MASK, KEPT, KIND_MASK, LEAF_TABLE, NODE, UNIFORM, childWord, wordAttr, wordMapLevel, wordTableAttr } from './word';

/** The arenas of one tree, and the words over them. */
export class WordStore {
  protected readonly nodes: NodeArena;
  protected readonly leaves: LeafTables;
  /** Kept contents of tables of level-2 entries. */
  protected readonly contents: NodeContents;

  constructor(
    readonly geometry: Geometry,
    protected readonly attrs: AttrTable,
  ) {
    this.nodes = new NodeArena(geometry.entries);
    this.leaves = new LeafTables(geometry.entries);
    this.contents = new NodeContents(this.nodes, this.leaves, geometry.entries);
  }

  /** A table with every entry of `level` equal to `word`, which may own storage: each entry gets its own copy. Its place is known when it is stored. */
  tableOf(word: number, level: number, tableAttr: number): number {
    const node = this.nodes.alloc(word, level, tableAttr, -1);
    const first = node * this.geometry.entries;
    for (let i = 0; i < this.geometry.entries; i++) this.nodes.set(first + i, this.adopt(i === 0 ? word : this.copyWord(word), first + i));
    return NODE | node;
  }

  private adopt(word: number, pos: number): number {
    if ((word & KIND_MASK) === NODE) this.nodes.parent[word & INDEX_MASK] = pos;
    return word;
  }

  private copyWord(word: number): number {
    const kind = word & KIND_MASK;
    this.shareWord(word);
    if (kind !== NODE) return word;
    const from = word & INDEX_MASK;
    const copy = this.nodes.alloc(EMPTY_WORD, this.nodes.level[from], this.nodes.tableAttr[from], -1);
    for (let i = 0; i < this.geometry.entries; i++) {
      const pos = copy * this.geometry.entries + i;
      this.nodes.set(pos, this.adopt(this.copyWord(this.nodes.words[from * this.geometry.entries + i]), pos));
    }
    return NODE | copy;
  }

  /** A word with a copy of the leaf table a word of another tree owns. */
  copyTable(from: WordStore, word: number): number {
    return LEAF_TABLE | this.leaves.copyOf(from.leaves, word & INDEX_MASK);
  }

  /** One more place for the leaf table a word owns, or for the content it names, if it does one of them. */
  shareWord(word: number): void {
    if ((word & KIND_MASK) === LEAF_TABLE) this.leaves.share(word & INDEX_MASK);
    else if (isKept(word)) this.contents.share(contentOf(word));
  }

  /** The word of the kept content that a table of level-2 entries is known to have without a look at them; -1 where that is not known. */
  knownContent(word: number): number {
    if ((word & KIND_MASK) !== NODE) return -1;
    const kept = this.contents.known(word & INDEX_MASK);
    return kept < 0 ? -1 : NODE | KEPT | kept;
  }

  /** Gives back all storage a word owns. @returns whether a node went */
  protected release(word: number): boolean {
    const kind = word & KIND_MASK;
    if (kind === LEAF_TABLE) {
      this.leaves.release(word & INDEX_MASK);
      return false;
    }
    if (kind !== NODE) return false;
    if (isKept(word)) {
      this.contents.release(contentOf(word));
      return false;
    }
    const node = word & INDEX_MASK;
    const first = node * this.geometry.entries;
    for (let pos = first; pos < first + this.geometry.entries; pos++) this.release(this.nodes.words[pos]);
    this.nodes.free(node);
    return true;
  }

  /** Whether a word owns a table of level 2 or above, entry by entry. */
  ownsEntries(word: number): boolean {
    return (word & KIND_MASK) === NODE;
  }

  /** Whether it owns a table of level-1 entries. */
  ownsLeaves(word: number): boolean {
    return (word & KIND_MASK) === LEAF_TABLE;
  }

  /** The word of an entry of the table a word of `level` points to; not for tables of level-1 entries that are owned. */
  entryWord(word: number, level: number, index: number): number {
    return (word & KIND_MASK) === NODE ? this.nodes.words[(word & INDEX_MASK) * this.geometry.entries + index] : childWord(word, level);
  }

  /** Attribute of the leaf or special entry of `level` a word is, or -1. */
  leafAttrOf(word: number, level: number): number {
    return (word & KIND_MASK) === UNIFORM && wordMapLevel(word) === level ? wordAttr(word) : -1;
  }

  /** Adds to `counts[attr]` the number of entries of an owned table of level-1 entries that hold it. */
  histogramOf(word: number, counts: Int32Array): void {
    this.leaves.histogram(word & INDEX_MASK, counts);
  }

  /** Attribute of the leaves under a block where its pages have one or two: `first` of them or the other one. -1 where there are more, or pages without a leaf. */
  pageAttrOf(word: number, first: boolean): number {
    const kind = word & KIND_MASK;
    let attr = -1;
    if (kind === UNIFORM) attr = wordAttr(word);
    else if (kind === LEAF_TABLE) attr = first ? this.leaves.firstAttr(word & INDEX_MASK) : this.leaves.secondAttr(word & INDEX_MASK);
    return attr > 0 && this.isLeafAttr(attr) ? attr : -1;
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
  private tablesInNode(node: number, level: number): number {
    let count = 0;
    const first = node * this.geometry.entries;
    for (let pos = first; pos < first + this.geometry.entries; pos++) count += this.tablesOf(this.nodes.words[pos], level);
    return count;
  }

  /** Tables below a root. */
  tablesBelow(root: number): number {
    const { rootTables, levels } = this.geometry;
    let count = 0;
    for (let table = 0; table < rootTables; table++) count += this.tablesInNode(root + table, levels);
    return count;
  }

  /** Bytes of typed arrays in use. */
  get bytes(): number {
    return this.nodes.bytes + this.leaves.bytes;
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

/** Whether a word names a kept content. */
export function isKept(word: number): boolean {
  return (word & (KIND_MASK | KEPT)) === (NODE | KEPT);
}

/** The content it names. */
export function contentOf(word: number): number {
  return word & INDEX_MASK & ~KEPT;
}
