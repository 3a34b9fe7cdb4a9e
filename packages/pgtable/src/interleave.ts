/**
 * Walks that can be interleaved: one page (as `Engine.page`) and a range (as `Engine.range`), one atomic step at a time.
 *
 * Same rules, same protocols, same bookkeeping as the engine's straight loop; with nobody in between they count the same and leave the same tables. A
 * page walk reads every entry on its way down; a range walk moves in pre-order, reads an entry again before it goes into the table below
 * it, and never lifts: each entry is visited for itself. The walks know no architecture.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_iter.c tdp_iter_next(); the retry of a lost exchange as the callers in tdp_mmu.c do it.
 */
import { Action, Change, Effect, EntryKind } from '@mmulab/api';
import type { Rule } from '@mmulab/api';
import type { RangeOptions } from './engine';
import { WalkFrame } from './interleave-frame';
import type { SharedTables } from './interleave-tables';
import { actionOf, attrOf, effectsOf, outcomeOf } from './verdict';

/** A walk whose exchange was lost starts again from the root instead of ending. */
export const WALK_AGAIN = -1;

/** How a page walk lives with others. */
export interface PageWalkOptions {
  /** Lowest level it may stop at. */
  readonly goal: number;
  /** Outcome when another walk came first, or WALK_AGAIN. */
  readonly lost: number;
  /** False for the hardware's own walks: flushes, not readers' critical sections, keep tables from being freed under them. Default true. */
  readonly reader?: boolean;
}

/** Runs a rule on the way to one page. */
export class PageWalk<Op> extends WalkFrame {
  /** Attribute of the leaf the walk ended on; 0 when it was none. */
  leafAttr = 0;
  private goal: number;

  constructor(
    tables: SharedTables,
    private readonly rule: Rule<Op>,
    private readonly op: Op,
    root: number,
    private readonly target: number,
    private readonly options: PageWalkOptions,
  ) {
    super(tables, root, options.reader ?? true);
    this.gfn = target;
    this.goal = options.goal;
  }

  /** Starts from the root again: the vCPU was interrupted, or the exchange lost. */
  restart(): void {
    this.dropPending();
    this.forget();
    this.level = this.tables.parts.geometry.levels;
    this.roots.fill(this.root);
    this.goal = this.options.goal;
  }

  override appendKey(key: number[]): void {
    super.appendKey(key);
    key.push(this.goal);
  }

  protected read(): void {
    const { tree } = this.tables;
    if (tree.kind === EntryKind.Table && this.level > this.goal) {
      this.descend(this.target);
      return;
    }
    tree.goal = this.goal;
    tree.start = this.target;
    tree.end = this.target + 1;
    const verdict = this.rule.visit(tree, this.op);
    if (actionOf(verdict) === Action.LowerGoal) {
      this.goal--;
      if (tree.kind === EntryKind.Table) this.descend(this.target);
    } else if (!this.take(verdict)) {
      this.leafAttr = tree.attr;
      this.endWith(verdict);
    }
  }

  protected protocolDone(): void {
    const { verdict } = this;
    const isChange = actionOf(verdict) >= Action.FirstProtocol;
    this.leafAttr = isChange ? attrOf(verdict) : this.attr;
    if (!isChange || (effectsOf(verdict) & Effect.Final) !== 0) this.endWith(verdict);
    else this.forget();
  }

  protected retry(): void {
    if (this.options.lost === WALK_AGAIN) {
      this.restart();
      return;
    }
    this.outcome = this.options.lost;
    this.finish();
  }

  private endWith(verdict: number): void {
    this.outcome = outcomeOf(verdict);
    this.finish();
  }
}

/** Runs a rule over the entries that overlap frames [start, end). */
export class RangeWalk<Op> extends WalkFrame {
  /** The entry was visited and changed: it is read again only to see whether a table is below it now. */
  private isVisited = false;

  constructor(
    tables: SharedTables,
    private readonly rule: Rule<Op>,
    private readonly op: Op,
    root: number,
    private readonly start: number,
    private readonly end: number,
    private readonly options: RangeOptions<Op>,
  ) {
    super(tables, root, true);
    const span = tables.parts.geometry.pagesAt(this.level);
    this.gfn = start - (start % span);
    if (start >= end) this.finish();
  }

  override appendKey(key: number[]): void {
    super.appendKey(key);
    key.push(this.isVisited ? 1 : 0);
  }

  protected read(): void {
    const { tree } = this.tables;
    const { minLevel, tables, specials } = this.options;
    const { kind } = tree;
    const isTable = kind === EntryKind.Table;
    if (this.isVisited || (isTable && !tables)) {
      if (isTable && this.level > minLevel) this.goBelow();
      else this.goOn();
      return;
    }
    if (kind === EntryKind.Empty || (kind === EntryKind.Special && !specials)) {
      this.goOn();
      return;
    }
    tree.goal = minLevel;
    tree.start = Math.max(this.start, this.gfn);
    tree.end = Math.min(this.end, this.gfn + this.tables.parts.geometry.pagesAt(this.level));
    const verdict = this.rule.visit(tree, this.op);
    const action = actionOf(verdict);
    if (action >= Action.FirstProtocol) this.take(verdict);
    else if (action === Action.Descend && isTable && this.level > minLevel) this.goBelow();
    else this.goOn();
  }

  protected protocolDone(): void {
    const { change } = this.current;
    const wasTable = this.kind === EntryKind.Table;
    this.forget();
    if (!wasTable && (change === Change.Split || change === Change.LinkTable)) this.isVisited = true;
    else this.goOn();
  }

  protected retry(): void {
    // The same entry is read again.
  }

  private goBelow(): void {
    const span = this.tables.parts.geometry.pagesAt(this.level - 1);
    this.isVisited = false;
    this.descend(Math.max(this.gfn, this.start - (this.start % span)));
  }

  /** The next entry in pre-order: to the right, or, at the end of a table, to the right of the entry above. */
  private goOn(): void {
    const g = this.tables.parts.geometry;
    this.isVisited = false;
    this.gfn += g.pagesAt(this.level);
    while (this.level < g.levels && this.gfn % g.pagesAt(this.level + 1) === 0) this.level++;
    if (this.gfn < this.end) return;
    this.outcome = this.effects;
    this.finish();
  }
}
