/**
 * Where the words of radix trees lie: how a uniform word is expanded into an owned table when one of its entries is to differ, and how a table whose entries are
 * equal again folds back into its parent's entry. The position of the cursor is kept here, because a fold may take its table away. Hot path.
 */
import { InvariantError } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import type { Geometry } from './geometry';
import {
  EMPTY_WORD,
  INDEX_MASK,
  KIND_MASK,
  LEAF_TABLE,
  NODE,
  UNIFORM,
  childWord,
  foldWord,
  wordAttr,
  wordMapLevel,
  wordTableAttr,
  uniformWord,
} from './word';
import type { LeafTables } from './leaf-table';
import { Version } from './version';
import { WordStore } from './word-store';

/** Level-2 tables a tree remembers by their place: enough for a machine of some TiB whose vCPUs take turns. */
export const CACHE_SIZE = 4096;

// Bound here: constants of this module's code.
const CACHE_MASK = CACHE_SIZE - 1;
const KIND_BITS: number = KIND_MASK;
const INDEX_BITS: number = INDEX_MASK;
const LEAF_TABLE_KIND: number = LEAF_TABLE;
const UNIFORM_KIND: number = UNIFORM;

/** What `placeFor` answers where no table looks as expected. */
export const NO_PLACE = -(2 ** 31);

/** Words of the trees over one arena. */
export class WordTree extends WordStore {
  /** Counted up whenever an owned leaf table may have taken the place of another one. */
  version = new Version();
  /** Counts up with every entry that is written where it lies, whose table stays what it is. */
  writes = 0;
  /** A frame of the entry the cursor is on: the one `locate` was asked for. */
  at = 0;
  /** Position of the word the cursor's entry is in: its own, or the uniform word or leaf table it lies in. */
  protected pos = 0;
  /** Level of that word. */
  protected wordLevel = 0;
  protected low = 0;
  protected high = 0;
  /** Root of the entry, and whether the cursor still is where `locate` put it: nothing but `writeAttr` has happened since. */
  protected root = -1;
  protected inPlace = false;
  // Nodes of level-2 entries found lately, by the upper bits of the frame number.
  // Each as four words: those bits, the root, the position of the node's first word, nothing.
  protected readonly cache = new Int32Array(CACHE_SIZE * 4).fill(-1);
  protected isCacheEmpty = true;
  // What the geometry says, as small integers of this object's own.
  protected readonly bits: number;
  protected readonly mask: number;
  protected readonly split: number;
  protected readonly inverseSplit: number;

  constructor(geometry: Geometry, attrs: AttrTable) {
    super(geometry, attrs);
    this.bits = geometry.bits;
    this.mask = geometry.mask;
    this.split = geometry.split;
    this.inverseSplit = geometry.inverseSplit;
  }

  /** A new root whose entries are all `word`. */
  createRoot(word: number = EMPTY_WORD): number {
    return this.nodes.allocRoot(this.geometry.rootTables, word, this.geometry.levels);
  }

  /** Gives a root's storage back, with all it owns. */
  freeRoot(root: number): void {
    const first = root * this.geometry.entries;
    for (let pos = first; pos < first + this.geometry.entries * this.geometry.rootTables; pos++) this.releaseWord(this.nodes.words[pos]);
    for (let i = 0; i < this.geometry.rootTables; i++) this.nodes.free(root + i);
    this.version.bump();
    this.forgetCache();
    this.inPlace = false;
  }

  /** The owned leaf tables: for whoever reads and writes records by their place (`recordAt`). */
  get tables(): LeafTables {
    return this.leaves;
  }

  /**
   * Where the record of the owned leaf table begins that a frame lies in, if its parent was found lately; -1 when that is not known, or there is none. Leaves the cursor alone.
   * @param high and low: the frame number, split by the geometry
   */
  recordAt(root: number, high: number, low: number): number {
    const at = (high & CACHE_MASK) << 2;
    const cache = this.cache;
    if (cache[at] !== high || cache[at + 1] !== root) return -1;
    const word = this.nodes.words[cache[at + 2] + (low >> this.bits)];
    return (word & KIND_BITS) === LEAF_TABLE_KIND ? this.leaves.headOf(word & INDEX_BITS) : -1;
  }

  /** The same for several frames, those of `highs` and `lows` from `from` to `end`. @param records takes where their records begin */
  recordsAt(root: number, highs: Int32Array, lows: Int32Array, from: number, end: number, records: Int32Array): void {
    const { cache } = this;
    const { words } = this.nodes;
    // As integers of the loop's own.
    const bits = this.bits | 0;
    const stride = this.leaves.stride | 0;
    for (let i = from; i < end; i++) {
      const high = highs[i];
      const at = (high & CACHE_MASK) << 2;
      const isKnown = cache[at] === high && cache[at + 1] === root;
      const word = isKnown ? words[cache[at + 2] + (lows[i] >> bits)] : 0;
      records[i] = (word & KIND_BITS) === LEAF_TABLE_KIND ? Math.imul(word & INDEX_BITS, stride) : -1;
    }
  }

  /**
   * Where the table of level-1 entries is that a frame lies in, if its parent was found lately and it looks as expected: where its record begins; for a uniform word whose entries
   * have the first attribute of `head`, `~pos` of the word (see `expandFor`). Leaves the cursor alone.
   * @param head of the record expected, a plain one
   */
  placeFor(root: number, high: number, low: number, head: number): number {
    const at = (high & CACHE_MASK) << 2;
    const cache = this.cache;
    if (cache[at] !== high || cache[at + 1] !== root) return NO_PLACE;
    const pos = cache[at + 2] + (low >> this.bits);
    const word = this.nodes.words[pos];
    if ((word & KIND_BITS) === LEAF_TABLE_KIND) {
      const record = this.leaves.headOf(word & INDEX_BITS);
      return this.leaves.words[record] === head ? record : NO_PLACE;
    }
    const isSo =
      (word & KIND_BITS) === UNIFORM_KIND && wordMapLevel(word) === 1 && (wordAttr(word) | (wordTableAttr(word) << 16)) === (head & ~0xff00);
    return isSo ? ~pos : NO_PLACE;
  }

  /**
   * Makes the table that a uniform level-2 word stands for an owned one with `head`: whoever asks stores the second attribute somewhere at once. No other table moves.
   * @returns where the record begins
   */
  expandFor(pos: number, head: number): number {
    this.version.bump();
    const record = this.leaves.allocFor(head);
    this.nodes.set(pos, LEAF_TABLE | record);
    return this.leaves.headOf(record);
  }

  /** The leaf table below the cursor was written past the tree. */
  loseCursor(): void {
    this.inPlace = false;
  }

  /** How many small entries from the cursor's on hold what it holds, it included and none beyond their table. @param limit no more are looked at */
  equalFrom(limit: number): number {
    const first = this.low & this.mask;
    const most = Math.min(limit, this.mask + 1 - first);
    const word = this.nodes.words[this.pos];
    if ((word & KIND_BITS) !== LEAF_TABLE_KIND) return most;
    const { leaves } = this;
    const record = word & INDEX_BITS;
    const attr = leaves.get(record, first);
    let count = 1;
    while (count < most && leaves.get(record, first + count) === attr) count++;
    return count;
  }

  /** Position of an entry of an owned node; of a root's, too, whose nodes follow each other. */
  posOf(node: number, index: number): number {
    return node * this.geometry.entries + index;
  }

  /** The word at a position. */
  wordOf(pos: number): number {
    return this.nodes.words[pos];
  }

  /** Replaces a word; what the old word owned is given back. A word that owns a node brings it along. */
  replace(pos: number, word: number): void {
    this.inPlace = false;
    this.swap(pos, word);
  }

  protected swap(pos: number, word: number): void {
    const old = this.nodes.words[pos];
    if (old === word) return;
    if ((word & KIND_MASK) === NODE) this.nodes.parent[word & INDEX_MASK] = pos;
    this.store(pos, word);
    if ((old & KIND_MASK) === NODE || (old & KIND_MASK) === LEAF_TABLE) this.releaseWord(old);
  }

  /** Replaces every attribute of the leaf table at a level-2 word by `map[attr]`. */
  mapLeaves(pos: number, map: Uint8Array): void {
    this.inPlace = false;
    this.writes++;
    const word = this.nodes.words[pos];
    const record = this.leaves.own(word & INDEX_MASK);
    if (record !== (word & INDEX_MASK)) this.store(pos, LEAF_TABLE | record);
    if (this.leaves.mapAttrs(record, map)) this.foldLeafTable(pos, record);
  }

  /** Makes the table below a word of level 3 or above an owned node that does not fold until `unpin`. @returns the node */
  pinTable(pos: number, level: number): number {
    this.inPlace = false;
    const node = this.expand(pos, level);
    this.nodes.pins[node] = this.nodes.pins[node] + 1;
    return node;
  }

  /** Lets a pinned node fold again, and folds it when its entries are equal. */
  unpin(node: number): void {
    this.inPlace = false;
    this.nodes.pins[node] = this.nodes.pins[node] - 1;
    if (this.nodes.pins[node] === 0 && this.nodes.differing[node] === 0) this.fold(node, this.nodes.words[node * this.geometry.entries]);
  }

  /** Gives back all storage a word owns. */
  releaseWord(word: number): void {
    if (this.release(word)) this.forgetCache();
  }

  /** Makes the cursor's entry addressable: expands the uniform word it lies in down to `level`. */
  protected materialise(level: number): void {
    while (this.wordLevel > Math.max(level, 2)) {
      const node = this.expand(this.pos, this.wordLevel);
      this.wordLevel--;
      this.pos = this.childPos(node, this.wordLevel);
    }
    if (level === 1 && (this.nodes.words[this.pos] & KIND_MASK) === UNIFORM) this.expandLeaf(this.pos);
  }

  protected childPos(node: number, level: number): number {
    const g = this.geometry;
    const index = level === 2 ? this.low >> g.bits : (this.high >> (g.bits * (level - 3))) & g.mask;
    return node * g.entries + index;
  }

  /** Replaces a virtual table by an owned node. @returns the node */
  protected expand(pos: number, level: number): number {
    const word = this.nodes.words[pos];
    if ((word & KIND_MASK) === NODE) return word & INDEX_MASK;
    if ((word & KIND_MASK) !== UNIFORM || wordMapLevel(word) >= level || level < 3) {
      throw new InvariantError('TREE_EXPAND', 'only a virtual table can be expanded', this.at, level, word.toString(16));
    }
    const node = this.nodes.alloc(childWord(word, level), level - 1, wordTableAttr(word), pos);
    this.nodes.set(pos, NODE | node);
    return node;
  }

  protected expandLeaf(pos: number): void {
    const word = this.nodes.words[pos];
    this.version.bump();
    this.nodes.set(pos, LEAF_TABLE | this.leaves.alloc(wordAttr(word), wordTableAttr(word)));
  }

  protected foldLeafTable(pos: number, record: number): void {
    const word = uniformWord(1, this.leaves.uniformAttr(record), this.leaves.tableAttr(record));
    this.leaves.release(record);
    this.store(pos, word);
  }

  /** Stores a word and folds its table, and those above, while their entries are equal. */
  protected store(pos: number, word: number): void {
    this.version.bump();
    if (this.nodes.set(pos, word)) this.fold(Math.floor(pos / this.geometry.entries), word);
  }

  /** Folds a node whose entries are all `word` into its parent's entry, where a uniform word can say so. */
  protected fold(node: number, word: number): void {
    const g = this.geometry;
    const parentPos = this.nodes.parent[node];
    if (parentPos < 0 || this.nodes.pins[node] !== 0) return;
    const level = this.nodes.level[node];
    const folded = foldWord(word, level + 1, this.nodes.tableAttr[node]);
    if (folded === -1) return;
    this.nodes.free(node);
    this.forgetCache();
    if (this.pos >= node * g.entries && this.pos < (node + 1) * g.entries) {
      this.pos = parentPos;
      this.wordLevel = level + 1;
    }
    this.store(parentPos, folded);
  }

  protected forgetCache(): void {
    if (this.isCacheEmpty) return;
    this.cache.fill(-1);
    this.isCacheEmpty = true;
  }
}
