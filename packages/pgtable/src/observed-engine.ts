/**
 * The engine of observed runs: entry by entry, in the kernel's own order, every change told to an onlooker.
 *
 * Nothing is lifted: a program visits its pages one after the other, a range is walked entry by entry. Rules, protocols and callbacks mean what they mean on the table
 * engine, and so the counts are the same. What is more here is the order: where a table goes, its own entry is told first and then what it held.
 */
import { Action, Effect, EntryKind, Step } from '@mmulab/api';
import type { Entry, Rule, TransitionObserver } from '@mmulab/api';
import { callsOver, type Engine, type EngineParts, type EngineFactory, type RangeOptions } from './engine';
import { callOut, carryEffects } from './mm-ops';
import type { RunProgram } from './run-program';
import { ObservedTables } from './observed-tables';
import { FrameTree } from './frame-tree';
import { actionOf, attrOf, effectsOf, outcomeOf, tableAttrOf } from './verdict';

const { Empty, Leaf, Table, Special } = EntryKind;
const { Descend, LowerGoal, FirstProtocol } = Action;

/** A change made when a root is emptied by nobody's rule. */
const CLEARED = 'clear-root';

/** Page tables of one VM, looked at. */
class ObservedEngine implements Engine {
  private readonly tables: ObservedTables;
  private readonly bits: Int32Array;
  /** Nodes of roots: the first of each. */
  private cause = CLEARED;
  // What the walk under way has met.
  private visited = 0;
  private changed = 0;
  private walked = 0;

  constructor(
    private readonly parts: EngineParts,
    private readonly observer: TransitionObserver,
  ) {
    this.tables = new ObservedTables(parts.geometry, parts.attrs);
    this.bits = parts.attrs.bits;
  }

  createRoot(): number {
    return this.tables.createRoot(this.parts.geometry.rootTables);
  }

  freeRoot(root: number): void {
    this.clearSilently(root);
    for (let i = 0; i < this.parts.geometry.rootTables; i++) this.tables.release(root + i);
  }

  lookup(root: number, gfn: number, goal: number): Entry {
    this.tables.find(root, gfn, goal);
    return this.tables;
  }

  setTableAttr(root: number, gfn: number, level: number, tableAttr: number): void {
    this.tables.find(root, gfn, level);
    if (this.tables.level === level && this.tables.kind === Table) this.tables.setTableAttr(tableAttr);
  }

  tableCount(root: number): number {
    let count = 0;
    for (let i = 0; i < this.parts.geometry.rootTables; i++) count += this.tables.countFrom(root + i);
    return count;
  }

  run(program: RunProgram, _root: number, start: number, end: number): void {
    program.block(start, end);
  }

  page<Op>(rule: Rule<Op>, op: Op, root: number, gfn: number, goal: number): number {
    const at = this.tables;
    for (let aim = goal; ;) {
      at.find(root, gfn, aim);
      at.goal = aim;
      at.start = gfn;
      at.end = gfn + 1;
      const verdict = rule.visit(at, op);
      const action = actionOf(verdict);
      if (action >= FirstProtocol) {
        this.cause = rule.name;
        this.carryOut(verdict, gfn);
        if ((effectsOf(verdict) & Effect.Final) !== 0) return outcomeOf(verdict);
      } else if (action === LowerGoal) {
        aim--;
      } else {
        this.effects(verdict, gfn, at.level);
        return outcomeOf(verdict);
      }
    }
  }

  range<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
    const { entries, levels, rootTables } = this.parts.geometry;
    const span = this.parts.geometry.pagesAt(levels) * entries;
    let effects = 0;
    this.begin();
    for (let i = 0; i < rootTables; i++) effects |= this.walk(rule, op, root + i, levels, i * span, start, end, options);
    this.end();
    return effects;
  }

  private begin(): void {
    this.visited = 0;
    this.changed = 0;
    this.walked = 0;
  }

  private end(): void {
    this.parts.work?.walked(this.visited, this.changed, this.walked);
  }

  clearRoot(root: number): void {
    this.cause = CLEARED;
    const { entries, levels, rootTables } = this.parts.geometry;
    this.begin();
    this.walked += rootTables;
    for (let i = 0; i < entries * rootTables; i++) {
      const pos = root * entries + i;
      if (this.tables.words[pos] === 0) continue;
      this.tables.placeAt(pos, levels, i * this.parts.geometry.pagesAt(levels));
      if (this.tables.kind !== Table) this.leafGone();
      this.setAttr(0, this.tables.gfn);
    }
    this.end();
  }

  private leafGone(): void {
    this.visited++;
    this.changed++;
  }

  private walk<Op>(rule: Rule<Op>, op: Op, node: number, level: number, base: number, start: number, end: number, options: RangeOptions<Op>): number {
    const at = this.tables;
    const { entries } = this.parts.geometry;
    const span = this.parts.geometry.pagesAt(level);
    const first = Math.max(0, Math.floor((start - base) / span));
    const last = Math.min(entries, Math.ceil((end - base) / span));
    let effects = 0;
    if (last > first) this.walked += callsOver(options, start, end, base, span * entries);
    for (let index = first; index < last; index++) {
      const pos = node * entries + index;
      if (at.words[pos] === 0) continue;
      const gfn = base + index * span;
      this.place(pos, level, gfn, start, end, options.minLevel);
      let below = true;
      const wasTable = at.kind === Table;
      if (wasTable ? options.tables : at.kind === Leaf || options.specials) {
        if (!wasTable) this.visited += callsOver(options, start, end, gfn, span);
        const verdict = rule.visit(at, op);
        const action = actionOf(verdict);
        if (action >= FirstProtocol) {
          this.cause = rule.name;
          const old = at.words[pos];
          effects |= this.carryOut(verdict, gfn);
          if (!wasTable && at.words[pos] !== old) this.changed++;
        } else this.keep(verdict, gfn, level);
        // Below a table that was kept or changed there is nothing more to do; below a table just put there, there is.
        below = action === Descend || (action >= FirstProtocol && !wasTable);
      }
      const word = at.words[pos];
      if (!below || word >= 0 || level <= options.minLevel) continue;
      effects |= this.walk(rule, op, ~word, level - 1, gfn, start, end, options);
      if (options.post !== true) continue;
      this.place(pos, level, gfn, start, end, options.minLevel);
      const verdict = rule.visit(at, op);
      if (actionOf(verdict) < FirstProtocol) {
        this.keep(verdict, gfn, level);
        continue;
      }
      this.cause = rule.name;
      const walked = this.walked;
      effects |= this.carryOut(verdict, gfn);
      // A table that goes after what it held is not gone over once more.
      this.walked = walked;
    }
    return effects;
  }

  private place(pos: number, level: number, gfn: number, start: number, end: number, goal: number): void {
    const at = this.tables;
    at.placeAt(pos, level, gfn);
    at.goal = goal;
    at.start = Math.max(gfn, start);
    at.end = Math.min(gfn + this.parts.geometry.pagesAt(level), end);
  }

  /** Takes a protocol's steps one after the other. @param gfn frame to be named in calls; @returns the verdict's effects */
  private carryOut(verdict: number, gfn: number): number {
    const at = this.tables;
    const { level } = at;
    const wasTable = at.kind === Table;
    const protocol = this.parts.protocols[actionOf(verdict) - FirstProtocol];
    let fill = 0;
    let number = 0;
    this.observer.began?.(protocol, level, at.gfn, at.kind, this.bits[attrOf(verdict)]);
    for (const step of protocol.steps) {
      this.observer.step?.(number++);
      switch (step) {
        case Step.FillTable:
          fill = attrOf(verdict);
          break;
        case Step.CasTable:
        case Step.WriteTable:
          this.setTable(tableAttrOf(verdict), fill, gfn);
          break;
        case Step.CasLeaf:
        case Step.WriteLeaf:
          this.setAttr(attrOf(verdict), gfn);
          break;
        case Step.WriteEmpty:
          this.setAttr(0, gfn);
          break;
        case Step.CasQuiet:
          this.setQuietly(attrOf(verdict));
          break;
        case Step.FreeSubtree:
        case Step.DeferFree:
          if (wasTable) this.call(step, gfn, level);
          break;
        default:
          this.call(step, gfn, level);
      }
    }
    this.observer.ended?.();
    return this.effects(verdict, gfn, level);
  }

  private setTable(tableAttr: number, fill: number, gfn: number): void {
    const at = this.tables;
    const { kind, attr, level } = at;
    at.writeTable(tableAttr, fill);
    this.observer.changed(this.cause, level, at.gfn, kind, this.bits[attr], Table, tableAttr);
    this.parts.book.changed(gfn, level, kind, attr, Table, tableAttr, 1);
  }

  /** Stores a leaf, a special entry or nothing. A table that was there goes with all it holds. */
  private setAttr(attr: number, gfn: number): void {
    const at = this.tables;
    const { book } = this.parts;
    const { kind, level, gfn: base } = at;
    const old = kind === Table ? at.tableAttr : at.attr;
    const node = at.writeAttr(attr);
    const newKind = at.kind;
    this.observer.changed(this.cause, level, base, kind, kind === Table ? old : this.bits[old], newKind, this.bits[attr]);
    if (node >= 0) {
      book.subtreeRemoved?.(gfn, level, 1);
      this.remove(node, level, base);
    }
    book.changed(gfn, level, kind, old, newKind, attr, 1);
  }

  private setQuietly(attr: number): void {
    const at = this.tables;
    const old = at.attr;
    at.writeAttr(attr);
    this.observer.quietly?.(this.cause, at.level, at.gfn, this.bits[old], this.bits[attr]);
  }

  /** A detached table below an entry of `level` at `gfn` goes, and all it holds. */
  private remove(node: number, level: number, gfn: number): void {
    const { book, mmOps, geometry } = this.parts;
    const { tables } = this;
    mmOps.freePage?.(gfn, level, 1);
    this.walked++;
    this.observer.removed?.(level, gfn);
    const span = geometry.pagesAt(level - 1);
    for (let index = 0; index < geometry.entries; index++) {
      const word = tables.words[node * geometry.entries + index];
      if (word === 0) continue;
      const at = gfn + index * span;
      if (word < 0) {
        const tableAttr = tables.tableAttrOf(~word);
        this.observer.changed(this.cause, level - 1, at, Table, tableAttr, Empty, 0);
        this.remove(~word, level - 1, at);
        book.changed(at, level - 1, Table, tableAttr, Empty, 0, 1);
      } else {
        const kind = tables.kindOf(word) === Special ? Special : Leaf;
        this.leafGone();
        this.observer.changed(this.cause, level - 1, at, kind, this.bits[word], Empty, 0);
        book.changed(at, level - 1, kind, word, Empty, 0, 1);
      }
    }
    tables.release(node);
  }

  /** Gives storage back of which nothing is to be told. */
  private clearSilently(root: number): void {
    const { entries, rootTables } = this.parts.geometry;
    const { tables } = this;
    const releaseBelow = (node: number): void => {
      for (let pos = node * entries; pos < (node + 1) * entries; pos++) {
        const word = tables.words[pos];
        if (word >= 0) continue;
        releaseBelow(~word);
        tables.release(~word);
      }
    };
    for (let i = 0; i < rootTables; i++) releaseBelow(root + i);
  }

  private call(step: Step, gfn: number, level: number): void {
    this.observer.called?.(step, level, this.tables.gfn);
    callOut(this.parts.mmOps, step, gfn, level);
  }

  private effects(verdict: number, gfn: number, level: number): number {
    return carryEffects(this.parts.mmOps, this.parts.book, effectsOf(verdict), gfn, level);
  }

  /** A visit of a range walk that changes nothing: of the effects, it is counted. */
  private keep(verdict: number, gfn: number, level: number): void {
    if ((effectsOf(verdict) & Effect.Count) !== 0) this.parts.book.visited?.(gfn, level, 1);
  }
}

/** Makes engines that tell an observer of every change: hand it to a backend in place of the table engine's. */
export function observedEngines(observer: TransitionObserver): EngineFactory {
  return {
    makeEngine: parts => new ObservedEngine(parts, observer),
    makeFrameMap: geometry => new FrameTree(geometry),
  };
}
