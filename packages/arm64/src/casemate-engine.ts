/**
 * The engine of an exported run: entry by entry, page by page.
 *
 * Nothing is lifted: a program visits its pages one after the other, a range is walked entry by entry. What rules and callbacks mean, and so what is counted, is what it
 * is on the table engine. What a verdict does to an entry, and what of it goes into the trace, is casemate-steps.ts's affair.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c kvm_pgtable_walk().
 */
import { Action, Effect, EntryKind, verdictAction, verdictEffects, verdictOutcome } from '@mmulab/api';
import type { Entry, Rule } from '@mmulab/api';
import type { Engine, EngineParts, RangeOptions, RunProgram } from '@mmulab/pgtable';
import { TracedSteps } from './casemate-steps';
import type { Descriptors } from './casemate-steps';
import { TracedEntry, TracedTable } from './casemate-table';
import type { CasemateTrace } from './casemate-trace';

/** The rule of the hardware's own walk: its updates of the access flag are nobody's stores. */
const HARDWARE = 'hardware_walk';

/** Page tables of one exported VM, every entry a place of its own. There is one root. */
export class TracedEngine implements Engine {
  private readonly tables: TracedTable[] = [];
  private readonly steps: TracedSteps;
  /** Set by `visit`: the walk is not to go into the table at the entry. */
  private stayAbove = false;

  constructor(
    private readonly parts: EngineParts,
    private readonly trace: CasemateTrace,
    private readonly descriptors: Descriptors,
  ) {
    this.steps = new TracedSteps(parts, trace, descriptors);
  }

  createRoot(): number {
    for (const address of this.descriptors.start) this.tables.push(new TracedTable(address, this.parts.geometry.entries, 0));
    return 0;
  }

  freeRoot(): void {
    this.tables.length = 0;
  }

  lookup(_root: number, gfn: number, goal: number): Entry {
    return this.find(gfn, goal);
  }

  setTableAttr(_root: number, gfn: number, level: number, tableAttr: number): void {
    const at = this.find(gfn, level);
    if (at.level === level && at.child !== undefined) at.child.attr = tableAttr;
  }

  tableCount(): number {
    return this.tables.reduce((sum, table) => sum + table.tables().length, 0);
  }

  /** Pages of all tables there are. */
  tablePages(): readonly number[] {
    return this.tables.flatMap(table => table.tables().map(({ address }) => address));
  }

  /** The range flush that unmapped leaves waited for is done. */
  flushed(): void {
    this.steps.flushed();
  }

  run(program: RunProgram, _root: number, start: number, end: number): void {
    program.block(start, end);
  }

  page<Op>(rule: Rule<Op>, op: Op, _root: number, gfn: number, goal: number): number {
    this.steps.flushHeld();
    for (let aim = goal; ;) {
      const at = this.find(gfn, aim);
      at.goal = aim;
      at.start = gfn;
      at.end = gfn + 1;
      const verdict = rule.visit(at, op);
      const action = verdictAction(verdict);
      if (action === Action.LowerGoal) {
        aim--;
      } else if (action < Action.FirstProtocol) {
        this.steps.effects(at, verdict, gfn);
        return verdictOutcome(verdict);
      } else {
        this.steps.carryOut(at, verdict, gfn, rule.name === HARDWARE);
        if ((verdictEffects(verdict) & Effect.Final) !== 0) return verdictOutcome(verdict);
      }
    }
  }

  range<Op>(rule: Rule<Op>, op: Op, _root: number, start: number, end: number, options: RangeOptions<Op>): number {
    const unlinked = (op as { readonly unlinked?: boolean }).unlinked === true;
    if (!unlinked) this.steps.flushHeld();
    const { entries, levels } = this.parts.geometry;
    const span = this.parts.geometry.pagesAt(levels) * entries;
    let effects = 0;
    this.tables.forEach((table, number) => {
      effects |= this.walk(rule, op, table, levels, number * span, start, end, options);
    });
    if (unlinked) this.steps.flushHeld();
    return effects;
  }

  clearRoot(): void {
    const { geometry } = this.parts;
    this.tables.forEach((table, number) => {
      for (let index = 0; index < geometry.entries; index++) {
        if (table.isEmpty(index)) continue;
        const gfn = (number * geometry.entries + index) * geometry.pagesAt(geometry.levels);
        const at = this.at(table, index, geometry.levels, gfn);
        for (const { address } of at.child?.tables() ?? []) this.trace.freePageLater(address);
        this.steps.change(at, gfn, () => at.setLeaf(0, 0));
      }
    });
  }

  private walk<Op>(
    rule: Rule<Op>,
    op: Op,
    table: TracedTable,
    level: number,
    base: number,
    start: number,
    end: number,
    options: RangeOptions<Op>,
  ): number {
    const span = this.parts.geometry.pagesAt(level);
    const first = Math.max(0, Math.floor((start - base) / span));
    const last = Math.min(table.entries, Math.ceil((end - base) / span));
    let effects = 0;
    for (let index = first; index < last; index++) {
      if (table.isEmpty(index)) continue;
      const at = this.at(table, index, level, base + index * span);
      at.goal = options.minLevel;
      at.start = Math.max(at.gfn, start);
      at.end = Math.min(at.gfn + span, end);
      effects |= this.visit(rule, op, at, options);
      const { child } = at;
      if (child === undefined || level <= options.minLevel || this.stayAbove) continue;
      effects |= this.walk(rule, op, child, level - 1, at.gfn, start, end, options);
      if (options.post !== true) continue;
      const verdict = rule.visit(at, op);
      if (verdictAction(verdict) >= Action.FirstProtocol) effects |= this.steps.carryOut(at, verdict, at.gfn, false);
    }
    return effects;
  }

  /** The visit before what an entry holds. */
  private visit<Op>(rule: Rule<Op>, op: Op, at: TracedEntry, options: RangeOptions<Op>): number {
    const wasTable = at.kind === EntryKind.Table;
    this.stayAbove = false;
    if (wasTable ? !options.tables : at.kind === EntryKind.Special && !options.specials) return 0;
    const verdict = rule.visit(at, op);
    const action = verdictAction(verdict);
    const effects = action >= Action.FirstProtocol ? this.steps.carryOut(at, verdict, at.gfn, false) : 0;
    this.stayAbove = !(action === Action.Descend || (action >= Action.FirstProtocol && !wasTable));
    return effects;
  }

  /** The lowest entry for a frame at or above level `goal`. */
  private find(gfn: number, goal: number): TracedEntry {
    const { geometry } = this.parts;
    let level = geometry.levels;
    let index = Math.floor(gfn / geometry.pagesAt(level));
    let at = this.at(this.tables[Math.floor(index / geometry.entries)], index % geometry.entries, level, index * geometry.pagesAt(level));
    for (let child = at.child; child !== undefined && level > goal; child = at.child) {
      level--;
      const span = geometry.pagesAt(level);
      index = Math.floor((gfn - at.gfn) / span);
      at = this.at(child, index, level, at.gfn + index * span);
    }
    return at;
  }

  private at(table: TracedTable, index: number, level: number, gfn: number): TracedEntry {
    return new TracedEntry(table, index, level, gfn, this.parts.attrs.special);
  }
}
