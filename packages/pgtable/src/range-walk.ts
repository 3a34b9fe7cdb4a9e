/**
 * Range walks: a rule over all entries that overlap a range of frames, in pre-order like KVM's TDP iterator — a parent before its children, and the
 * children of a table that a verdict has just put there.
 *
 * Where entries below a word are equal and the operation's surroundings are the same for all of them, one visit stands for all: the change is made
 * once and counted as often as there are entries. Hot path.
 */
import { Action, EntryKind } from '@mmulab/api';
import type { Protocol, Rule } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import type { RangeOptions } from './engine';
import type { Geometry } from './geometry';
import type { ProtocolRunner } from './protocol-runner';
import {
  EMPTY_WORD,
  INDEX_MASK,
  KIND_MASK,
  LEAF_TABLE,
  NODE,
  UNIFORM,
  childWord,
  foldWord,
  leafWord,
  wordAttr,
  wordMapLevel,
  wordTableAttr,
} from './word';
import type { TableTree } from './table-tree';

const { Empty, Table, Special } = EntryKind;
const { Descend, FirstProtocol } = Action;

/** The walk does not go below the entry just visited. */
const SKIPPED = -2;

/** Range walks over one tree. */
export class RangeWalker {
  private readonly geometry: Geometry;
  private readonly histogram = new Int32Array(256);
  private readonly attrMap = new Uint8Array(256);

  constructor(
    private readonly tree: TableTree,
    private readonly attrs: AttrTable,
    private readonly protocols: readonly Protocol[],
    private readonly runner: ProtocolRunner,
  ) {
    this.geometry = tree.geometry;
  }

  /** See Engine.range. */
  walk<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
    const g = this.geometry;
    this.runner.pending = 0;
    this.tree.goal = options.minLevel;
    for (let table = 0; table < g.rootTables; table++) {
      this.walkNode(rule, op, root + table, g.levels, table * g.pagesAt(g.levels) * g.entries, start, end, options);
    }
    return this.runner.pending;
  }

  /** Visits the entries of an owned table of `level` that overlap [start, end). */
  private walkNode<Op>(
    rule: Rule<Op>,
    op: Op,
    node: number,
    level: number,
    base: number,
    start: number,
    end: number,
    options: RangeOptions<Op>,
  ): void {
    const g = this.geometry;
    const span = g.pagesAt(level);
    const from = start <= base ? 0 : Math.floor((start - base) / span);
    const to = end >= base + span * g.entries ? g.entries : Math.ceil((end - base) / span);
    for (let i = from; i < to; i++) {
      const word = this.tree.nodes.words[node * g.entries + i];
      if (word === EMPTY_WORD) continue;
      this.walkWord(rule, op, node * g.entries + i, level, base + i * span, start, end, options);
      // A fold may have taken this table's place: its entries were all visited or are equal to those that were.
    }
  }

  private walkWord<Op>(
    rule: Rule<Op>,
    op: Op,
    pos: number,
    level: number,
    base: number,
    start: number,
    end: number,
    options: RangeOptions<Op>,
  ): void {
    const tree = this.tree;
    const span = this.geometry.pagesAt(level);
    const whole = start <= base && end >= base + span;
    let word = tree.nodes.words[pos];
    if (whole && (word & KIND_MASK) === UNIFORM && this.isUniform(op, base, span, level, word, options)) {
      const after = this.lift(rule, op, word, level, base, 1, options);
      if (after !== word) tree.replace(pos, after);
      return;
    }
    const isTable = (word & KIND_MASK) !== UNIFORM || wordMapLevel(word) < level;
    if (!isTable || options.tables) {
      word = this.visitOne(rule, op, pos, level, base, start, end, options);
      if (word === SKIPPED || word === EMPTY_WORD) return;
    }
    if (level <= options.minLevel || ((word & KIND_MASK) === UNIFORM && wordMapLevel(word) === level)) return;
    this.walkTable(rule, op, pos, level, base, start, end, options);
    if (options.post === true) this.visitOne(rule, op, pos, level, base, start, end, options);
  }

  /** Goes into the table below a word: owned, or virtual and expanded because it is covered in part. */
  private walkTable<Op>(
    rule: Rule<Op>,
    op: Op,
    pos: number,
    level: number,
    base: number,
    start: number,
    end: number,
    options: RangeOptions<Op>,
  ): void {
    const tree = this.tree;
    const word = tree.nodes.words[pos];
    const whole = start <= base && end >= base + this.geometry.pagesAt(level);
    if ((word & KIND_MASK) === UNIFORM && wordMapLevel(word) < level && childWord(word, level) === EMPTY_WORD) return;
    if (level > 2) {
      const node = tree.pinTable(pos, level);
      this.walkNode(rule, op, node, level - 1, base, start, end, options);
      tree.unpin(node);
      return;
    }
    const kind = word & KIND_MASK;
    if (whole && kind === LEAF_TABLE && (options.uniform === undefined || options.uniform(op, base, this.geometry.entries, 1)))
      this.mapLeafTable(rule, op, pos, base, options);
    else this.walkLeaves(rule, op, pos, base, start, end, options);
  }

  /** Visits one entry of level 2 or above. @returns the word after it, or SKIPPED when the walk is not to go below */
  private visitOne<Op>(
    rule: Rule<Op>,
    op: Op,
    pos: number,
    level: number,
    base: number,
    start: number,
    end: number,
    options: RangeOptions<Op>,
  ): number {
    const tree = this.tree;
    const word = tree.nodes.words[pos];
    tree.placeAt(pos, level, base);
    if (tree.kind === Special && !options.specials) return SKIPPED;
    tree.start = Math.max(start, base);
    tree.end = Math.min(end, base + this.geometry.pagesAt(level));
    const wasTable = tree.kind === Table;
    const verdict = rule.visit(tree, op);
    const action = verdict & 63;
    if (action < FirstProtocol) {
      this.runner.keep(verdict, base, level, 1);
      return action === Descend ? word : SKIPPED;
    }
    const after = this.runner.run(this.protocols[action - FirstProtocol], verdict, word, level, base, 1);
    tree.replace(pos, after);
    return wasTable || after === EMPTY_WORD ? SKIPPED : after;
  }

  /** One visit for `count` equal uniform words of `level` from `gfn` on. @returns the word all of them become */
  private lift<Op>(rule: Rule<Op>, op: Op, word: number, level: number, gfn: number, count: number, options: RangeOptions<Op>): number {
    const tree = this.tree;
    const isTable = word !== EMPTY_WORD && wordMapLevel(word) < level;
    let now = word;
    if (!isTable || options.tables) {
      tree.place(level, word, gfn);
      if (tree.kind === Empty || (tree.kind === Special && !options.specials)) return word;
      tree.start = gfn;
      tree.end = gfn + this.geometry.pagesAt(level);
      const verdict = rule.visit(tree, op);
      const action = verdict & 63;
      if (action >= FirstProtocol) {
        now = this.runner.run(this.protocols[action - FirstProtocol], verdict, word, level, gfn, count);
        if (isTable) return now;
      } else {
        this.runner.keep(verdict, gfn, level, count);
        if (action !== Descend) return word;
      }
    }
    if (level <= options.minLevel || now === EMPTY_WORD || wordMapLevel(now) === level) return now;
    const child = childWord(now, level);
    const after = child === EMPTY_WORD ? child : this.lift(rule, op, child, level - 1, gfn, count * this.geometry.entries, options);
    const tableAttr = wordTableAttr(now);
    if (after !== child) {
      const folded = foldWord(after, level, tableAttr);
      now = folded === -1 ? NODE | tree.words.nodeOf(after, level - 1, tableAttr) : folded;
    }
    return options.post === true ? this.liftPost(rule, op, now, level, gfn, count) : now;
  }

  /** One visit for `count` equal tables, after what they hold. @returns the word all of them become */
  private liftPost<Op>(rule: Rule<Op>, op: Op, word: number, level: number, gfn: number, count: number): number {
    const tree = this.tree;
    tree.place(level, word, gfn);
    tree.start = gfn;
    tree.end = gfn + this.geometry.pagesAt(level);
    const verdict = rule.visit(tree, op);
    const action = verdict & 63;
    if (action < FirstProtocol) {
      this.runner.keep(verdict, gfn, level, count);
      return word;
    }
    const after = this.runner.run(this.protocols[action - FirstProtocol], verdict, word, level, gfn, count);
    if ((word & KIND_MASK) !== UNIFORM) tree.releaseWord(word);
    return after;
  }

  /** A fully covered leaf table whose entries see the same surroundings: one visit per attribute. */
  private mapLeafTable<Op>(rule: Rule<Op>, op: Op, pos: number, base: number, options: RangeOptions<Op>): void {
    const tree = this.tree;
    const leaves = tree.leaves;
    const record = tree.nodes.words[pos] & INDEX_MASK;
    const histogram = this.histogram.fill(0);
    leaves.histogram(record, histogram);
    let differs = false;
    for (let attr = 0; attr < this.attrs.count; attr++) {
      this.attrMap[attr] = attr;
      const n = histogram[attr];
      if (attr === 0 || n === 0) continue;
      const after = this.lift(rule, op, leafWord(1, attr), 1, base, n, options);
      this.attrMap[attr] = wordAttr(after);
      if (wordAttr(after) !== attr) differs = true;
    }
    if (differs) tree.mapLeaves(pos, this.attrMap);
  }

  /** Visits the level-1 entries of one table one by one. */
  private walkLeaves<Op>(rule: Rule<Op>, op: Op, pos: number, base: number, start: number, end: number, options: RangeOptions<Op>): void {
    const tree = this.tree;
    const from = Math.max(start, base);
    const to = Math.min(end, base + this.geometry.entries);
    for (let gfn = from; gfn < to; gfn++) {
      tree.locateBelow(pos, gfn);
      if (tree.kind === Empty || (tree.kind === Special && !options.specials)) continue;
      tree.start = gfn;
      tree.end = gfn + 1;
      const verdict = rule.visit(tree, op);
      const action = verdict & 63;
      if (action < FirstProtocol) {
        this.runner.keep(verdict, gfn, 1, 1);
        continue;
      }
      const protocol = this.protocols[action - FirstProtocol];
      const old = tree.attr;
      const after = wordAttr(this.runner.run(protocol, verdict, leafWord(1, old), 1, gfn, 1));
      if (after !== old) tree.writeAttr(after);
    }
  }

  /** Whether one visit may stand for all entries below a uniform word. */
  private isUniform<Op>(op: Op, base: number, span: number, level: number, word: number, options: RangeOptions<Op>): boolean {
    if (options.uniform === undefined) return true;
    const lowest = Math.max(options.minLevel, wordMapLevel(word));
    return options.uniform(op, base, span, lowest < level ? lowest : level);
  }
}
