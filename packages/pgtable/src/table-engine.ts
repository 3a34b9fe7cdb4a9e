/**
 * The engine: runs rules over page tables, one page at a time (step) or over whole entries (range).
 *
 * A page walk goes down from the root to the lowest entry at or above its goal, asks the rule, carries the verdict's protocol out and asks again
 * until a verdict ends it. Range walks are in range-walk.ts, lifted programs in lift.ts. All run the same protocol steps (protocol-runner.ts) and meet in
 * one bookkeeping point.
 *
 * One class serves all backends: classes that one function returns share what the compiler has learnt of their call sites (decision 0134). Hot path.
 */
import { Action, Effect, EntryKind } from '@mmulab/api';
import type { Entry, Rule } from '@mmulab/api';
import type { Engine, EngineParts, RangeOptions } from './engine';
import type { Geometry } from './geometry';
import { RunLifter } from './lift';
import type { Bookkeeper } from './mm-ops';
import { PageCache } from './page-cache';
import type { FrameTree } from './frame-tree';
import { ProtocolRunner, Short } from './protocol-runner';
import { RangeWalker } from './range-walk';
import type { RunProgram } from './run-program';
import { EMPTY_WORD, wordAttr } from './word';
import { TableTree } from './table-tree';
import { actionOf, attrOf, effectsOf, outcomeOf } from './verdict';

const { Empty, Table } = EntryKind;
const { LowerGoal, FirstProtocol } = Action;
const { Final } = Effect;

const { Steps: SHORT_STEPS, Leaf: SHORT_LEAF } = Short;

/** Page tables of one kind, with lifting and memory of pages. */
export class TableEngine implements Engine {
  private readonly tree: TableTree;
  private readonly geometry: Geometry;
  private readonly book: Bookkeeper;
  private readonly runner: ProtocolRunner;
  private readonly walker: RangeWalker;
  private readonly lifter: RunLifter;
  readonly pageCache: PageCache;

  constructor(parts: EngineParts) {
    this.tree = new TableTree(parts.geometry, parts.attrs);
    this.geometry = parts.geometry;
    this.book = parts.book;
    this.runner = new ProtocolRunner(this.tree, parts.attrs, parts.protocols, parts.book, parts.mmOps);
    this.walker = new RangeWalker(this.tree, parts.attrs, this.runner, parts.work);
    const frameMaps = parts.frameMaps as readonly FrameTree[];
    this.pageCache = new PageCache(this.tree, frameMaps, parts.counters);
    this.lifter = new RunLifter(this.tree, frameMaps, parts.counters);
  }

  createRoot(): number {
    return this.tree.createRoot();
  }

  freeRoot(root: number): void {
    this.tree.freeRoot(root);
  }

  lookup(root: number, gfn: number, goal: number): Entry {
    this.tree.locate(root, gfn, goal);
    return this.tree;
  }

  setTableAttr(root: number, gfn: number, level: number, tableAttr: number): void {
    this.tree.locate(root, gfn, level);
    if (this.tree.level === level && this.tree.kind === Table) this.tree.setTableAttr(tableAttr);
  }

  tableCount(root: number): number {
    return this.geometry.rootTables + this.tree.tablesBelow(root);
  }

  run(program: RunProgram, root: number, start: number, end: number): void {
    this.lifter.run(program, root, start, end);
  }

  page<Op>(rule: Rule<Op>, op: Op, root: number, gfn: number, goal: number): number {
    const tree = this.tree;
    tree.goal = goal;
    for (;;) {
      tree.locate(root, gfn, tree.goal);
      tree.start = gfn;
      tree.end = gfn + 1;
      const verdict = rule.visit(tree, op);
      const action = actionOf(verdict);
      if (action >= FirstProtocol) {
        this.carryOut(action, verdict, gfn, 1);
        if ((effectsOf(verdict) & Final) !== 0) return outcomeOf(verdict);
      } else if (action === LowerGoal) {
        tree.goal--;
      } else {
        const effects = effectsOf(verdict);
        if (effects !== 0) this.runner.applyEffects(effects, gfn, tree.level, 1);
        return outcomeOf(verdict);
      }
    }
  }

  pages<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number): void {
    const { tree, runner } = this;
    tree.goal = 1;
    for (let gfn = start; gfn < end;) {
      tree.locate(root, gfn, 1);
      const count = tree.level === 1 ? tree.equalFrom(end - gfn) : 1;
      tree.start = gfn;
      tree.end = gfn + count;
      const verdict = rule.visit(tree, op);
      const action = actionOf(verdict);
      if (action >= FirstProtocol) this.carryOut(action, verdict, gfn, count);
      else if (effectsOf(verdict) !== 0) runner.applyEffects(effectsOf(verdict), gfn, tree.level, count);
      gfn += count;
    }
  }

  range<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
    return this.walker.walk(rule, op, root, start, end, options);
  }

  clearRoot(root: number): void {
    this.walker.remove(this.geometry.rootTables, () => this.emptyRoot(root));
  }

  private emptyRoot(root: number): void {
    const { tree, geometry } = this;
    const { levels } = geometry;
    for (let i = 0; i < geometry.entries * geometry.rootTables; i++) {
      const gfn = i * geometry.pagesAt(levels);
      tree.placeAt(tree.posOf(root, i), levels, gfn);
      const { kind, attr, tableAttr } = tree;
      if (kind === Empty) continue;
      if (kind === Table) this.runner.removeSubtree(tree.cursorWord(), levels, gfn, 1);
      else this.runner.goneLeaves++;
      this.book.changed(gfn, levels, kind, kind === Table ? tableAttr : attr, Empty, 0, 1);
      tree.replace(tree.posOf(root, i), EMPTY_WORD);
    }
  }

  /**
   * Carries a protocol out at the tree's cursor, its steps back to back: nobody comes between, so no exchange is lost.
   * @param count small entries from there on that hold the same
   */
  private carryOut(action: number, verdict: number, gfn: number, count: number): void {
    const { tree, runner } = this;
    const { level, kind } = tree;
    const form = runner.forms[action];
    if (form === SHORT_STEPS || kind === Table) {
      const word = runner.run(action, verdict, tree.cursorWord(), level, gfn, count);
      if (count === 1) tree.writeWord(word);
      else tree.writeRun(count, wordAttr(word));
      return;
    }
    const old = tree.attr;
    const attr = attrOf(verdict);
    if (count === 1) tree.writeAttr(attr);
    else tree.writeRun(count, attr);
    if (form === SHORT_LEAF) this.book.changed(gfn, level, kind, old, tree.kind, attr, count);
    const effects = effectsOf(verdict);
    if (effects !== 0) runner.applyEffects(effects, gfn, level, count);
  }
}
