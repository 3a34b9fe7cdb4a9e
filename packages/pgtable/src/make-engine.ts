/**
 * The engine: runs rules over page tables, one page at a time (step) or over whole entries (range).
 *
 * A page walk goes down from the root to the lowest entry at or above its goal, asks the rule, carries the verdict's protocol out and asks again
 * until a verdict ends it. Range walks are in range-walk.ts, lifted programs in lift.ts. All run the same protocol steps (protocol-runner.ts) and meet in
 * one bookkeeping point.
 *
 * `makeEngine` returns a fresh class per backend, so that each backend's rules get their own inline caches. Hot path.
 */
import { Action, Effect, EntryKind, Step } from '@mmulab/api';
import type { Entry, Protocol, Rule } from '@mmulab/api';
import type { Engine, EngineClass, EngineParts, RangeOptions } from './engine';
import type { Geometry } from './geometry';
import { RunLifter } from './lift';
import type { Bookkeeper } from './mm-ops';
import { PageCache } from './page-cache';
import type { FrameTree } from './frame-tree';
import { ProtocolRunner } from './protocol-runner';
import { RangeWalker } from './range-walk';
import type { RunProgram } from './run-program';
import { EMPTY_WORD } from './word';
import { TableTree } from './table-tree';

const { Empty, Table } = EntryKind;
const { LowerGoal, FirstProtocol } = Action;
const { Final } = Effect;

/** Protocols of one step that most faults end with are told by a number, so that no list is gone through. */
const STEPS = 0;
const LEAF_ONLY = 1;
const QUIET_ONLY = 2;

/** The short form of a protocol, by action. */
function shortForms(protocols: readonly Protocol[]): Uint8Array {
  const forms = new Uint8Array(FirstProtocol + protocols.length);
  protocols.forEach(({ steps: [first, ...others] }, i) => {
    if (others.length > 0) return;
    if (first === Step.CasQuiet) forms[FirstProtocol + i] = QUIET_ONLY;
    else if (first === Step.CasLeaf || first === Step.WriteLeaf) forms[FirstProtocol + i] = LEAF_ONLY;
  });
  return forms;
}

/** Makes an engine class of the caller's own. */
export function makeEngine(): EngineClass {
  return class TableEngine implements Engine {
    private readonly tree: TableTree;
    private readonly geometry: Geometry;
    private readonly protocols: readonly Protocol[];
    private readonly book: Bookkeeper;
    private readonly runner: ProtocolRunner;
    private readonly walker: RangeWalker;
    private readonly forms: Uint8Array;
    private readonly lifter: RunLifter;
    readonly pageCache: PageCache | undefined;

    constructor(parts: EngineParts) {
      this.tree = new TableTree(parts.geometry, parts.attrs);
      this.geometry = parts.geometry;
      this.protocols = parts.protocols;
      this.forms = shortForms(parts.protocols);
      this.book = parts.book;
      this.runner = new ProtocolRunner(this.tree, parts.attrs, parts.book, parts.mmOps);
      this.walker = new RangeWalker(this.tree, parts.attrs, parts.protocols, this.runner);
      const [first, second] = parts.frameMaps as readonly FrameTree[];
      this.pageCache = first === undefined || second === undefined ? undefined : new PageCache(this.tree, first, second, parts.counters);
      this.lifter = new RunLifter(this.tree, parts.frameMaps as readonly FrameTree[], parts.counters);
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
      let count = this.geometry.rootTables;
      for (let table = 0; table < this.geometry.rootTables; table++) count += this.tree.words.tablesInNode(root + table, this.geometry.levels);
      return count;
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
        const action = verdict & 63;
        if (action >= FirstProtocol) {
          this.carryOut(action, verdict, gfn);
          if (((verdict >> 18) & Final) !== 0) return verdict >> 24;
        } else if (action === LowerGoal) {
          tree.goal--;
        } else {
          const effects = (verdict >> 18) & 63;
          if (effects !== 0) this.runner.applyEffects(effects, gfn, tree.level, 1);
          return verdict >> 24;
        }
      }
    }

    range<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
      return this.walker.walk(rule, op, root, start, end, options);
    }

    clearRoot(root: number): void {
      const g = this.geometry;
      for (let table = 0; table < g.rootTables; table++) {
        const node = root + table;
        for (let i = 0; i < g.entries; i++) {
          const pos = node * g.entries + i;
          const word = this.tree.nodes.words[pos];
          if (word === EMPTY_WORD) continue;
          const base = (table * g.entries + i) * g.pagesAt(g.levels);
          this.tree.place(g.levels, word, base);
          const { kind, attr, tableAttr } = this.tree;
          if (kind === Table) this.runner.removeSubtree(word, g.levels, base, 1);
          this.book.changed(base, g.levels, kind, kind === Table ? tableAttr : attr, Empty, 0, 1);
          this.tree.nodes.set(pos, EMPTY_WORD);
          this.tree.releaseWord(word);
        }
      }
    }

    /** Carries a protocol out at the tree's cursor, its steps back to back: nobody comes between, so no exchange is lost. */
    private carryOut(action: number, verdict: number, gfn: number): void {
      const tree = this.tree;
      const level = tree.level;
      const form = this.forms[action];
      const kind = tree.kind;
      if (form === STEPS || kind === Table) {
        tree.writeWord(this.runner.run(this.protocols[action - FirstProtocol], verdict, tree.cursorWord(), level, gfn, 1));
        return;
      }
      const old = tree.attr;
      const attr = (verdict >> 6) & 255;
      tree.writeAttr(attr);
      if (form === LEAF_ONLY) this.book.changed(gfn, level, kind, old, tree.kind, attr, 1);
      const effects = (verdict >> 18) & 63;
      if (effects !== 0) this.runner.applyEffects(effects, gfn, level, 1);
    }
  };
}
