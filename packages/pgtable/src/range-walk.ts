/**
 * Range walks: a rule over all entries that overlap a range of frames, in pre-order like KVM's TDP iterator — a parent before its children, and the
 * children of a table that a verdict has just put there.
 *
 * Where entries below a word are equal and the operation's surroundings are the same for all of them, one visit stands for all: the change is made
 * once and counted as often as there are entries. Hot path.
 */
import { Action, EntryKind } from '@mmulab/api';
import type { Rule } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import { callsOver, type RangeOptions, type WalkCounts } from './engine';
import type { Geometry } from './geometry';
import type { ProtocolRunner } from './protocol-runner';
import { actionOf } from './verdict';
import { EMPTY_WORD, KIND_MASK, LEAF_TABLE, UNIFORM, childWord, foldWord, leafWord, wordAttr, wordMapLevel, wordTableAttr } from './word';
import type { TableTree } from './table-tree';

const { Empty, Table, Special } = EntryKind;
const { Descend, FirstProtocol } = Action;

/** The walk does not go below the entry just visited. */
const SKIPPED = -2;

/** What stays the same in one walk. */
class Walk<Op> {
  constructor(
    readonly rule: Rule<Op>,
    readonly op: Op,
    readonly start: number,
    readonly end: number,
    readonly options: RangeOptions<Op>,
  ) {}

  /** Whether all of a block is in the range. */
  covers(base: number, span: number): boolean {
    return this.start <= base && this.end >= base + span;
  }

  /** Calls that meet an entry. */
  callsOver(base: number, span: number): number {
    return this.options.pieces === undefined ? 1 : callsOver(this.options, this.start, this.end, base, span);
  }

  /** Whether entries of `level` within a block see the same surroundings. */
  isUniform(base: number, span: number, level: number): boolean {
    return this.options.uniform === undefined || this.options.uniform(this.op, base, span, level);
  }
}

/** Range walks over one tree. Positions are the tree's; `base` is the first frame of the entry, or of the table, meant. */
export class RangeWalker {
  private readonly geometry: Geometry;
  private readonly histogram = new Int32Array(256);
  private readonly attrMap = new Uint8Array(256);
  private goesBelow = false;
  // What the walk under way has met.
  private visited = 0;
  private changed = 0;
  private tables = 0;

  constructor(
    private readonly tree: TableTree,
    private readonly attrs: AttrTable,
    private readonly runner: ProtocolRunner,
    private readonly work: WalkCounts | undefined,
  ) {
    this.geometry = tree.geometry;
  }

  /** See Engine.range. */
  walk<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
    const g = this.geometry;
    const walk = new Walk(rule, op, start, end, options);
    this.runner.pending = 0;
    this.tree.goal = options.minLevel;
    this.begin();
    for (let table = 0; table < g.rootTables; table++) this.walkNode(walk, root + table, g.levels, table * g.pagesAt(g.levels) * g.entries);
    this.end();
    return this.runner.pending;
  }

  /** Something is removed that lies below tables, all roots' tables among them. */
  remove(tables: number, work: () => void): void {
    this.begin();
    this.tables += tables;
    work();
    this.end();
  }

  /** What was removed with its tables counts from here on. */
  private begin(): void {
    const { runner } = this;
    this.visited = -runner.goneLeaves;
    this.changed = -runner.goneLeaves;
    this.tables = -runner.goneTables;
  }

  private end(): void {
    const { goneLeaves, goneTables } = this.runner;
    this.work?.walked(this.visited + goneLeaves, this.changed + goneLeaves, this.tables + goneTables);
  }

  /** Visits the entries of an owned table of `level` that overlap the range. */
  private walkNode<Op>(walk: Walk<Op>, node: number, level: number, base: number): void {
    const { start, end } = walk;
    const { entries } = this.geometry;
    const span = this.geometry.pagesAt(level);
    const from = start <= base ? 0 : Math.floor((start - base) / span);
    const to = end >= base + span * entries ? entries : Math.ceil((end - base) / span);
    if (to > from) this.tables += walk.callsOver(base, span * entries);
    for (let i = from; i < to; i++) {
      const pos = this.tree.posOf(node, i);
      // A fold may have taken this table's place: its entries were all visited or are equal to those that were.
      if (this.tree.wordOf(pos) !== EMPTY_WORD) this.walkWord(walk, pos, level, base + i * span);
    }
  }

  private walkWord<Op>(walk: Walk<Op>, pos: number, level: number, base: number): void {
    const { tree } = this;
    const { options } = walk;
    let word = tree.wordOf(pos);
    if ((word & KIND_MASK) === UNIFORM && this.isLiftable(walk, word, level, base)) {
      const after = this.lift(walk, word, level, base, 1);
      if (after !== word) tree.replace(pos, after);
      return;
    }
    if (isLeafWord(word, level) || options.tables) {
      word = this.visitOne(walk, pos, level, base);
      if (word === SKIPPED || word === EMPTY_WORD) return;
    }
    if (level <= options.minLevel || isLeafWord(word, level)) return;
    this.walkTable(walk, pos, level, base);
    if (options.post !== true) return;
    const before = this.runner.goneTables;
    this.visitOne(walk, pos, level, base);
    this.forgetGone(before);
  }

  /** A table that goes after what it held is not gone over once more. @param before tables that had gone before */
  private forgetGone(before: number): void {
    this.tables -= this.runner.goneTables - before;
  }

  /** Goes into the table below a word: owned, or virtual and expanded because it is covered in part. */
  private walkTable<Op>(walk: Walk<Op>, pos: number, level: number, base: number): void {
    const { tree } = this;
    const word = tree.wordOf(pos);
    if ((word & KIND_MASK) === UNIFORM && childWord(word, level) === EMPTY_WORD) {
      this.tables += walk.callsOver(base, this.geometry.pagesAt(level));
      return;
    }
    if (level > 2) {
      const node = tree.pinTable(pos, level);
      this.walkNode(walk, node, level - 1, base);
      tree.unpin(node);
      return;
    }
    const { entries } = this.geometry;
    this.tables += walk.callsOver(base, entries);
    if ((word & KIND_MASK) === LEAF_TABLE && walk.covers(base, entries) && walk.isUniform(base, entries, 1)) this.mapLeafTable(walk, pos, base);
    else this.walkLeaves(walk, pos, base);
  }

  /** Visits one entry of level 2 or above. @returns the word after it, or SKIPPED when the walk is not to go below */
  private visitOne<Op>(walk: Walk<Op>, pos: number, level: number, base: number): number {
    const { tree } = this;
    const word = tree.wordOf(pos);
    tree.placeAt(pos, level, base);
    if (tree.kind === Special && !walk.options.specials) return SKIPPED;
    tree.start = Math.max(walk.start, base);
    tree.end = Math.min(walk.end, base + this.geometry.pagesAt(level));
    const wasTable = tree.kind === Table;
    if (!wasTable) this.visited += walk.callsOver(base, this.geometry.pagesAt(level));
    const verdict = walk.rule.visit(tree, walk.op);
    const action = actionOf(verdict);
    if (action < FirstProtocol) {
      this.runner.keep(verdict, base, level, 1);
      return action === Descend ? word : SKIPPED;
    }
    const after = this.runner.run(action, verdict, word, level, base, 1);
    if (!wasTable && after !== word) this.changed++;
    tree.replace(pos, after);
    return wasTable || after === EMPTY_WORD ? SKIPPED : after;
  }

  /** One visit for `count` equal uniform words of `level`, the first of them at `base`, and for all below. @returns the word all of them become */
  private lift<Op>(walk: Walk<Op>, word: number, level: number, base: number, count: number): number {
    const { options } = walk;
    let now = word;
    if (!isTableWord(word, level) || options.tables) {
      now = this.visitEqual(walk, word, level, base, count);
      if (!this.goesBelow) return now;
    }
    if (level <= options.minLevel || !isTableWord(now, level)) return now;
    now = this.liftChildren(walk, now, level, base, count);
    return options.post === true ? this.liftPost(walk, now, level, base, count) : now;
  }

  /** Shows the rule one of `count` equal entries. @returns the word they become; `goesBelow` says whether the walk is to go on below them */
  private visitEqual<Op>(walk: Walk<Op>, word: number, level: number, base: number, count: number): number {
    const { tree } = this;
    this.goesBelow = false;
    tree.place(level, word, base);
    if (tree.kind === Empty || (tree.kind === Special && !walk.options.specials)) return word;
    tree.start = base;
    tree.end = base + this.geometry.pagesAt(level);
    const wasTable = tree.kind === Table;
    if (!wasTable) this.visited += count * walk.callsOver(base, this.geometry.pagesAt(level));
    const verdict = walk.rule.visit(tree, walk.op);
    const action = actionOf(verdict);
    if (action < FirstProtocol) {
      this.runner.keep(verdict, base, level, count);
      this.goesBelow = action === Descend;
      return word;
    }
    const after = this.runner.run(action, verdict, word, level, base, count);
    if (!wasTable && after !== word) this.changed += count;
    this.goesBelow = !wasTable;
    return after;
  }

  /** Lifts what `count` equal virtual tables hold. @returns the word all of them become */
  private liftChildren<Op>(walk: Walk<Op>, word: number, level: number, base: number, count: number): number {
    this.tables += count * walk.callsOver(base, this.geometry.pagesAt(level));
    const child = childWord(word, level);
    if (child === EMPTY_WORD) return word;
    const after = this.lift(walk, child, level - 1, base, count * this.geometry.entries);
    if (after === child) return word;
    const folded = foldWord(after, level, wordTableAttr(word));
    return folded === -1 ? this.tree.tableOf(after, level - 1, wordTableAttr(word)) : folded;
  }

  /** One visit for `count` equal tables, after what they hold. @returns the word all of them become */
  private liftPost<Op>(walk: Walk<Op>, word: number, level: number, base: number, count: number): number {
    const before = this.runner.goneTables;
    const after = this.visitEqual(walk, word, level, base, count);
    this.forgetGone(before);
    if (after !== word && (word & KIND_MASK) !== UNIFORM) this.tree.releaseWord(word);
    return after;
  }

  /** A fully covered leaf table whose entries see the same surroundings: one visit per attribute. */
  private mapLeafTable<Op>(walk: Walk<Op>, pos: number, base: number): void {
    const { tree, attrMap } = this;
    const histogram = this.histogram.fill(0);
    tree.histogramOf(tree.wordOf(pos), histogram);
    let differs = false;
    for (let attr = 0; attr < this.attrs.count; attr++) {
      attrMap[attr] = attr;
      const n = histogram[attr];
      if (attr === 0 || n === 0) continue;
      attrMap[attr] = wordAttr(this.lift(walk, leafWord(1, attr), 1, base, n));
      if (attrMap[attr] !== attr) differs = true;
    }
    if (differs) tree.mapLeaves(pos, attrMap);
  }

  /** Visits the level-1 entries of one table: neighbours that are equal at once where they see the same surroundings. */
  private walkLeaves<Op>(walk: Walk<Op>, pos: number, base: number): void {
    const { tree } = this;
    const to = Math.min(walk.end, base + this.geometry.entries);
    for (let gfn = Math.max(walk.start, base); gfn < to;) {
      tree.locateBelow(pos, gfn);
      const end = gfn + tree.equalFrom(to - gfn);
      if (tree.kind !== Empty && (tree.kind !== Special || walk.options.specials)) this.visitLeaves(walk, pos, gfn, end);
      gfn = end;
    }
  }

  /** Visits equal level-1 entries of one table, the first of them at the cursor. */
  private visitLeaves<Op>(walk: Walk<Op>, pos: number, start: number, end: number): void {
    const { tree, runner } = this;
    const count = end - start === 1 || walk.isUniform(start, end - start, 1) ? end - start : 1;
    for (let gfn = start; gfn < end; gfn += count) {
      if (gfn > start) tree.locateBelow(pos, gfn);
      tree.start = gfn;
      tree.end = gfn + 1;
      this.visited += count;
      const verdict = walk.rule.visit(tree, walk.op);
      const action = actionOf(verdict);
      if (action < FirstProtocol) {
        runner.keep(verdict, gfn, 1, count);
        continue;
      }
      const old = tree.attr;
      const after = wordAttr(runner.run(action, verdict, leafWord(1, old), 1, gfn, count));
      if (after === old) continue;
      this.changed += count;
      tree.writeRun(count, after);
    }
  }

  /** Whether one visit may stand for all entries below a uniform word. */
  private isLiftable<Op>(walk: Walk<Op>, word: number, level: number, base: number): boolean {
    const span = this.geometry.pagesAt(level);
    if (!walk.covers(base, span)) return false;
    const lowest = Math.max(walk.options.minLevel, wordMapLevel(word));
    return walk.isUniform(base, span, lowest < level ? lowest : level);
  }
}

/** Whether a word of `level` is that of a leaf or special entry. */
function isLeafWord(word: number, level: number): boolean {
  return (word & KIND_MASK) === UNIFORM && wordMapLevel(word) === level;
}

/** Whether an empty or uniform word of `level` stands for a virtual table. */
function isTableWord(word: number, level: number): boolean {
  return word !== EMPTY_WORD && wordMapLevel(word) < level;
}
