/**
 * Radix trees with a cursor: where an entry is found, and how it is written. How its word expands and folds is in word-tree.ts.
 *
 * A tree knows nothing of rules, protocols or counting. `locate` leaves what it found in the tree's cursor fields, which are the entry as rules
 * see it; `writeAttr` and `writeTable` store at the cursor. Frame maps are trees whose words are all uniform or owned, never empty.
 * Hot path.
 */
import { EntryKind, InvariantError } from '@mmulab/api';
import type { Entry } from '@mmulab/api';
import { STORED, STORED_EQUAL } from './leaf-table';
import { contentOf, isKept } from './word-store';
import {
  EMPTY_WORD,
  INDEX_MASK,
  KEPT,
  KIND_MASK,
  LEAF_TABLE,
  NODE,
  UNIFORM,
  leafWord,
  wordAttr,
  wordMapLevel,
  wordTableAttr,
  uniformWord,
} from './word';
import { CACHE_SIZE, WordTree } from './word-tree';

// Bound here: constants of this module's code.
const CACHE_MASK = CACHE_SIZE - 1;
const { Empty, Leaf, Table, Special } = EntryKind;

/** What `wordAt` answers where a leaf or a hole of a higher level covers the block. */
export const COVERED = -1;

/** Trees over one arena, with a cursor. */
export class TableTree extends WordTree implements Entry {
  // The entry the cursor is on (see Entry).
  level = 0;
  kind: EntryKind = Empty;
  attr = 0;
  tableAttr = 0;
  goal = 1;
  start = 0;
  end = 0;
  /** Its word: owned or uniform, or that of the entry it stands for inside a virtual subtree. */
  private viewWord = 0;

  /** First frame the entry maps. */
  get gfn(): number {
    const span = this.geometry.pagesAt(this.level);
    return this.at - (this.at % span);
  }

  /**
   * Puts the cursor on the lowest entry for a frame: a leaf, a hole, a special entry, or the table entry at level `goal`. Walks for the same frame
   * in a row find it in place.
   * @param root index of the root
   * @param gfn below the geometry's limit
   */
  locate(root: number, gfn: number, goal: number): void {
    const stays = this.inPlace && gfn === this.at && root === this.root;
    if (stays && (this.level === goal || (this.level > goal && this.kind !== Table))) return;
    if (goal !== 1 || !this.findSmall(root, gfn)) this.find(root, gfn, goal);
  }

  /**
   * How many frames from `gfn` on, `stride` apart, at most `limit`, leaves map that are good. Asks once for all entries of an attribute in a table, and of a table of one
   * attribute once for all it covers. Moves the cursor.
   */
  leavesAhead(root: number, gfn: number, stride: number, limit: number, isGood: (attr: number) => boolean): number {
    let count = 0;
    while (count < limit) {
      const at = gfn + count * stride;
      this.locate(root, at, 1);
      if (this.kind !== Leaf || !isGood(this.attr)) return count;
      const span = this.geometry.pagesAt(Math.max(this.wordLevel, this.level));
      const here = Math.min(limit - count, Math.ceil((span - (at % span)) / stride));
      const good = this.level === 1 && this.wordLevel === 2 ? this.goodInTable(here, stride, isGood) : here;
      count += good;
      if (good < here) return count;
    }
    return limit;
  }

  /** The same within the table of level-1 entries around the cursor, whose own entry is good. */
  private goodInTable(limit: number, stride: number, isGood: (attr: number) => boolean): number {
    const word = this.nodes.words[this.pos];
    if ((word & KIND_MASK) !== LEAF_TABLE) return limit;
    const record = word & INDEX_MASK;
    const first = this.low & this.mask;
    const [one, other] = [this.leaves.firstAttr(record), this.leaves.secondAttr(record)];
    const isPlain = one >= 0;
    if (isPlain && this.isGoodLeaf(one, isGood) && this.isGoodLeaf(other, isGood)) return limit;
    let count = 1;
    // Of two attributes the entry's own is the good one.
    if (isPlain) while (count < limit && this.leaves.get(record, first + count * stride) === this.attr) count++;
    else while (count < limit && this.isGoodLeaf(this.leaves.get(record, first + count * stride), isGood)) count++;
    return count;
  }

  private isGoodLeaf(attr: number, isGood: (attr: number) => boolean): boolean {
    return this.kindOf(attr) === Leaf && isGood(attr);
  }

  /** Finds a level-1 entry in an owned table whose parent was found lately. @returns false when there is more to do */
  private findSmall(root: number, gfn: number): boolean {
    const high = (gfn * this.inverseSplit) | 0;
    const cache = this.cache;
    const cached = (high & CACHE_MASK) << 2;
    if (cache[cached] !== high || cache[cached + 1] !== root) return false;
    const low = (gfn - high * this.split) | 0;
    const pos = cache[cached + 2] + (low >> this.bits);
    const word = this.nodes.words[pos];
    if ((word & KIND_MASK) !== LEAF_TABLE) return false;
    this.aim(root, gfn, high, low);
    this.landSmall(pos, word);
    return true;
  }

  private find(root: number, gfn: number, goal: number): void {
    const high = (gfn * this.inverseSplit) | 0;
    this.aim(root, gfn, high, (gfn - high * this.split) | 0);
    const cached = (high & CACHE_MASK) << 2;
    let level = 2;
    let pos: number;
    if (goal <= 2 && this.cache[cached] === high && this.cache[cached + 1] === root) {
      pos = this.cache[cached + 2] + (this.low >> this.bits);
    } else {
      level = this.geometry.levels;
      pos = root * this.geometry.entries + Math.floor(gfn / this.geometry.pagesAt(level));
    }
    let word = this.nodes.words[pos];
    while ((word & KIND_MASK) === NODE && level > goal) {
      level--;
      if (level === 2) this.remember(word & INDEX_MASK);
      pos = this.childPos(word & INDEX_MASK, level);
      word = this.nodes.words[pos];
    }
    if ((word & KIND_MASK) === LEAF_TABLE && goal < 2) this.landSmall(pos, word);
    else this.land(pos, level, goal);
  }

  /** What is looked for. */
  private aim(root: number, gfn: number, high: number, low: number): void {
    this.at = gfn;
    this.root = root;
    this.inPlace = true;
    this.low = low;
    this.high = high;
  }

  /** Keeps the node that holds the level-2 entries around the frame looked for. */
  private remember(node: number): void {
    const cached = (this.high & CACHE_MASK) << 2;
    this.cache[cached] = this.high;
    this.cache[cached + 1] = this.root;
    this.cache[cached + 2] = node * this.geometry.entries;
    this.isCacheEmpty = false;
  }

  /** Puts the cursor on a level-1 entry of the owned table at a position. */
  private landSmall(pos: number, word: number): void {
    const attr = this.leaves.get(word & INDEX_MASK, this.low & this.mask);
    this.pos = pos;
    this.wordLevel = 2;
    this.level = 1;
    this.tableAttr = 0;
    this.attr = attr;
    this.kind = this.kindOf(attr);
  }

  /** Puts the cursor on what a word says: itself, or inside a virtual subtree the entry at the goal, or the leaf or hole above that. */
  private land(pos: number, level: number, goal: number): void {
    const word = this.nodes.words[pos];
    const isInside = goal < level && (word & KIND_MASK) === UNIFORM && wordMapLevel(word) < level;
    const mapLevel = isInside ? wordMapLevel(word) : level;
    this.pos = pos;
    this.wordLevel = level;
    this.level = isInside && mapLevel < goal ? goal : mapLevel;
    this.setView(isInside && mapLevel >= goal ? leafWord(mapLevel, wordAttr(word)) : word, this.level);
  }

  /** Puts the cursor on an entry without a place in a tree: range walks visit one entry for many equal ones. */
  place(level: number, word: number, at: number): void {
    this.inPlace = false;
    this.at = at;
    this.level = level;
    this.setView(word, level);
  }

  /** Whether the cursor's table (kind Table) has entries, and how many: see Entry. */
  childCount(): number {
    return this.childCountOf(this.viewWord, this.level);
  }

  firstLeafBelow(): number {
    return this.firstLeafOf(this.viewWord, this.level);
  }

  /** Stores a leaf or special attribute, or empty (0), at the cursor. A table that was there gives its storage back. */
  writeAttr(attr: number): void {
    if (this.level === 1) this.writeSmall(attr);
    else this.writeHuge(attr);
    this.attr = attr;
    this.kind = this.kindOf(attr);
  }

  /** Stores a leaf or special attribute, or empty (0), at the cursor's small entry and those after it, `count` in all and none beyond their table. */
  writeRun(count: number, attr: number): void {
    this.writeAttr(attr);
    const word = this.nodes.words[this.pos];
    // A table that has become one word has the value everywhere.
    if (count === 1 || (word & KIND_MASK) !== LEAF_TABLE) return;
    const record = this.leaves.own(word & INDEX_MASK);
    if (record !== (word & INDEX_MASK)) this.store(this.pos, LEAF_TABLE | record);
    const first = this.low & this.mask;
    let isEqual = false;
    for (let index = first + 1; index < first + count; index++) isEqual = this.leaves.set(record, index, attr);
    if (isEqual) this.foldLeafTable(this.pos, record);
  }

  private writeSmall(attr: number): void {
    this.writes++;
    let word = this.nodes.words[this.pos];
    if ((word & KIND_MASK) === LEAF_TABLE) {
      const done = this.leaves.trySet(word & INDEX_MASK, this.low & this.mask, attr);
      if (done === STORED) return;
      if (done === STORED_EQUAL) {
        this.foldLeafTable(this.pos, word & INDEX_MASK);
        return;
      }
    }
    if ((word & KIND_MASK) !== LEAF_TABLE) {
      this.materialise(1);
      word = this.nodes.words[this.pos];
    }
    const record = this.leaves.own(word & INDEX_MASK);
    if (record !== (word & INDEX_MASK)) this.store(this.pos, LEAF_TABLE | record);
    if (this.leaves.set(record, this.low & this.geometry.mask, attr)) this.foldLeafTable(this.pos, record);
  }

  private writeHuge(attr: number): void {
    this.materialise(this.level);
    this.viewWord = leafWord(this.level, attr);
    this.swap(this.pos, this.viewWord);
    this.tableAttr = 0;
  }

  private kindOf(attr: number): EntryKind {
    return attr === 0 ? Empty : this.attrs.special[attr] === 0 ? Leaf : Special;
  }

  /** Links a table at the cursor whose entries all hold `childAttr` (0: an empty table). */
  writeTable(childAttr: number, tableAttr: number): void {
    this.materialise(this.level);
    this.replace(this.pos, uniformWord(this.level - 1, childAttr, tableAttr));
    this.kind = Table;
    this.attr = 0;
    this.tableAttr = tableAttr;
  }

  /** Puts the cursor on the entry a word of `level` stands for. @param at first frame of the entry */
  placeAt(pos: number, level: number, at: number): void {
    this.inPlace = false;
    this.at = at;
    this.pos = pos;
    this.wordLevel = level;
    this.level = level;
    this.setView(this.nodes.words[pos], level);
  }

  /** Puts the cursor on a level-1 entry below the level-2 word at `pos`. */
  locateBelow(pos: number, gfn: number): void {
    const high = (gfn * this.inverseSplit) | 0;
    this.inPlace = false;
    this.at = gfn;
    this.high = high;
    this.low = (gfn - high * this.split) | 0;
    this.pos = pos;
    this.wordLevel = 2;
    this.level = 1;
    const word = this.nodes.words[pos];
    const attr = (word & KIND_MASK) === LEAF_TABLE ? this.leaves.get(word & INDEX_MASK, this.low & this.geometry.mask) : wordAttr(word);
    this.setView(leafWord(1, attr), 1);
  }

  /** The word at the cursor: owned or uniform; at level 1 that of its leaf. */
  cursorWord(): number {
    return this.level === 1 ? leafWord(1, this.attr) : this.viewWord;
  }

  /** Stores a word at the cursor; at level 1 that of a leaf. What the old word owned is given back. */
  writeWord(word: number): void {
    if (this.level === 1) {
      this.writeAttr(wordAttr(word));
      return;
    }
    this.inPlace = false;
    this.materialise(this.level);
    this.swap(this.pos, word);
    this.setView(word, this.level);
  }

  /** Changes the attribute of the table below the cursor (kind Table). */
  setTableAttr(tableAttr: number): void {
    this.inPlace = false;
    this.materialise(this.level);
    const word = this.nodes.words[this.pos];
    const kind = word & KIND_MASK;
    if (kind === NODE) {
      this.nodes.tableAttr[word & INDEX_MASK] = tableAttr;
    } else if (kind === LEAF_TABLE) {
      const record = this.leaves.own(word & INDEX_MASK);
      this.leaves.setTableAttr(record, tableAttr);
      this.store(this.pos, LEAF_TABLE | record);
    } else if (wordMapLevel(word) === this.level - 1) {
      this.store(this.pos, uniformWord(this.level - 1, wordAttr(word), tableAttr));
    } else if (wordTableAttr(word) !== tableAttr) {
      this.nodes.tableAttr[this.expand(this.pos, this.level)] = tableAttr;
    }
    this.tableAttr = tableAttr;
  }

  /** Kind, attribute and table attribute of a word as the entry of a level. */
  private setView(word: number, level: number): void {
    this.viewWord = word;
    this.attr = 0;
    this.tableAttr = 0;
    const kind = word & KIND_MASK;
    if (kind === NODE) {
      this.kind = Table;
      this.tableAttr = this.nodes.tableAttr[word & INDEX_MASK];
    } else if (kind === LEAF_TABLE) {
      this.kind = Table;
      this.tableAttr = this.leaves.tableAttr(word & INDEX_MASK);
    } else if (word === EMPTY_WORD) {
      this.kind = Empty;
    } else if (wordMapLevel(word) === level) {
      this.attr = wordAttr(word);
      this.kind = this.attrs.special[this.attr] === 0 ? Leaf : Special;
    } else {
      this.kind = Table;
      this.tableAttr = wordTableAttr(word);
    }
  }
  /**
   * The word of the block of `level` at `gfn` (aligned), or COVERED when a leaf or a hole of a higher level lies over it. Where the block is inside a
   * virtual subtree, the word it would have.
   */
  wordAt(root: number, level: number, gfn: number): number {
    this.locate(root, gfn, level);
    if (this.level !== level) return COVERED;
    return this.wordLevel === level ? this.nodes.words[this.pos] : this.viewWord;
  }

  /** The table attribute of the table that holds the entry of `level` at `gfn`: context of a block. */
  tableAttrAbove(root: number, level: number, gfn: number): number {
    if (level >= this.geometry.levels) return 0;
    const isThere = this.inPlace && this.at === gfn && this.root === root && this.level === level && this.wordLevel === level;
    if (isThere) return this.nodes.tableAttr[Math.floor(this.pos / this.geometry.entries)];
    this.locate(root, gfn, level + 1);
    return this.kind === Table ? this.tableAttr : 0;
  }

  /** Stores a word over the block of `level` at `gfn`; what the block owned is released. Leaf tables and kept contents in `word` bring their reference. */
  setWordAt(root: number, level: number, gfn: number, word: number): void {
    this.locate(root, gfn, level);
    if (this.level !== level) throw new InvariantError('TREE_COVERED', 'the block lies under an entry of a higher level', gfn, this.level, '');
    // What is there already is not stored: to expand a table for it would leave one whose entries are equal.
    const old = this.wordLevel === level ? this.nodes.words[this.pos] : this.viewWord;
    if (old === word) {
      this.releaseWord(word);
      return;
    }
    this.inPlace = false;
    this.materialise(level);
    if (isKept(word)) this.takeOver(word);
    else this.replace(this.pos, word);
  }

  /** The block at the cursor gets entries of its own, equal to a kept content. */
  private takeOver(word: number): void {
    const kept = contentOf(word);
    const old = this.nodes.words[this.pos];
    if ((old & KIND_MASK) === NODE) {
      this.version.bump();
      this.contents.takeOver(kept, old & INDEX_MASK);
    } else {
      const node = this.nodes.alloc(EMPTY_WORD, 2, 0, this.pos);
      this.contents.takeOver(kept, node);
      this.replace(this.pos, NODE | node);
    }
    this.releaseWord(word);
  }

  /**
   * The word of a block in a form that can be compared: equal content, equal word. Leaf tables become shared records, and tables of level-2 entries name a kept
   * content where `nodes` says so; tables of higher level have no such form (-1).
   */
  canonicalWordAt(root: number, level: number, gfn: number, nodes = false): number {
    const word = this.wordAt(root, level, gfn);
    if (word === COVERED) return -1;
    if ((word & KIND_MASK) === NODE) return nodes && level === 3 ? this.keptContent(word & INDEX_MASK) : -1;
    if ((word & KIND_MASK) !== LEAF_TABLE) return word;
    const record = word & INDEX_MASK;
    const canonical = this.leaves.intern(record);
    if (canonical !== record) this.swapRecord(canonical);
    return LEAF_TABLE | canonical;
  }

  private keptContent(node: number): number {
    // Leaf tables become shared records.
    this.inPlace = false;
    this.version.bump();
    const kept = this.contents.intern(node);
    return kept < 0 ? -1 : NODE | KEPT | kept;
  }

  /** The leaf table at the cursor is another record of the same content from now on. */
  private swapRecord(record: number): void {
    this.inPlace = false;
    this.store(this.pos, LEAF_TABLE | record);
  }
}
