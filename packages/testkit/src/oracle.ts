/**
 * The oracle: a second, naive engine behind the interface of the first one.
 *
 * It visits pages and entries one at a time and keeps plain maps. There are no slots, no folding, no lifting of a visit to many entries and no
 * memory of blocks: a program is run page by page, a range is walked entry by entry, a subtree is removed leaf by leaf. It was written from the
 * interface and the words of rules and protocols alone, so that what both engines agree on is worth something. A backend runs on it unchanged:
 * hand it `oracleEngines` where it takes an EngineFactory.
 */
import {
  Action,
  Effect,
  EntryKind,
  InvariantError,
  Step,
  verdictAction,
  verdictAttr,
  verdictEffects,
  verdictOutcome,
  verdictTableAttr,
} from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import { callOut, carryEffects } from '@mmulab/pgtable';
import type { Engine, EngineParts, EngineFactory, RangeOptions, RunProgram } from '@mmulab/pgtable';
import { OracleFrameMap } from './oracle-frame-map';
import { OracleRoot, indicesOf } from './oracle-tables';
import type { OracleCursor, OracleEntry, OracleTable } from './oracle-tables';

/** More verdicts than any page walk takes. */
const MAX_VERDICTS = 1000;

/** One entry of one table changed by one step at a time. */
class OracleEngine implements Engine {
  private readonly roots: (OracleRoot | undefined)[] = [];
  /** What the walk under way has met: leaves, those it changed, tables. */
  private met = { visited: 0, changed: 0, tables: 0 };

  constructor(private readonly parts: EngineParts) {}

  createRoot(): number {
    this.roots.push(new OracleRoot(this.parts.geometry, this.parts.attrs.special));
    return this.roots.length - 1;
  }

  freeRoot(root: number): void {
    this.roots[root] = undefined;
  }

  lookup(root: number, gfn: number, goal: number): Entry {
    return this.root(root).find(gfn, goal);
  }

  setTableAttr(root: number, gfn: number, level: number, tableAttr: number): void {
    const at = this.root(root).find(gfn, level);
    if (at.level === level && at.child !== undefined) at.child.attr = tableAttr;
  }

  tableCount(root: number): number {
    return this.root(root).countTables();
  }

  clearRoot(root: number): void {
    const { geometry } = this.parts;
    const top = this.root(root);
    this.met = { visited: 0, changed: 0, tables: 0 };
    top.tables.forEach((table, number) => {
      this.met.tables++;
      for (const index of indicesOf(table)) {
        const gfn = (number * geometry.entries + index) * geometry.pagesAt(geometry.levels);
        const at = top.at(table, index, geometry.levels, gfn);
        if (at.kind !== EntryKind.Table) this.leafGone();
        this.empty(at);
      }
    });
    this.tell();
  }

  run(program: RunProgram, root: number, start: number, end: number): void {
    this.root(root);
    program.block(start, end);
  }

  page<Op>(rule: Rule<Op>, op: Op, root: number, gfn: number, goal: number): number {
    const top = this.root(root);
    let aim = goal;
    for (let asked = 0; asked < MAX_VERDICTS; asked++) {
      const at = top.find(gfn, aim);
      at.goal = aim;
      at.start = gfn;
      at.end = gfn + 1;
      const verdict = rule.visit(at, op);
      const action = verdictAction(verdict);
      if (action === Action.LowerGoal) {
        aim--;
      } else if (action < Action.FirstProtocol) {
        this.effects(at, verdict, gfn);
        return verdictOutcome(verdict);
      } else {
        this.protocol(at, verdict, gfn);
        if ((verdictEffects(verdict) & Effect.Final) !== 0) return verdictOutcome(verdict);
      }
    }
    throw new InvariantError('ORACLE_WALK', `rule ${rule.name} does not end`, gfn, aim, '');
  }

  range<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
    const { geometry } = this.parts;
    const top = this.root(root);
    let effects = 0;
    this.met = { visited: 0, changed: 0, tables: 0 };
    const { met } = this;
    const { pieces = end - start } = options;
    // Calls over pieces meet what lies in several of them as often.
    const times = (base: number, npages: number): number => {
      const [from, to] = [Math.max(base, start) - start, Math.min(base + npages, end) - start];
      return to > from ? Math.ceil(to / pieces) - Math.floor(from / pieces) : 0;
    };
    const walk = (table: OracleTable, level: number, base: number): void => {
      const span = geometry.pagesAt(level);
      met.tables += times(base, span * geometry.entries);
      for (const index of indicesOf(table)) {
        const gfn = base + index * span;
        if (gfn >= end || gfn + span <= start) continue;
        const at = top.at(table, index, level, gfn);
        at.goal = options.minLevel;
        at.start = Math.max(gfn, start);
        at.end = Math.min(gfn + span, end);
        const wasTable = at.kind === EntryKind.Table;
        let below = true;
        if (wasTable ? options.tables : at.kind === EntryKind.Leaf || options.specials) {
          if (!wasTable) met.visited += times(gfn, span);
          const { kind, attr } = at;
          const verdict = rule.visit(at, op);
          const action = verdictAction(verdict);
          if (action >= Action.FirstProtocol) effects |= this.protocol(at, verdict, gfn);
          else this.keep(verdict, gfn, level);
          if (!wasTable && (at.kind !== kind || at.attr !== attr)) met.changed++;
          // Below a table that was kept or changed there is nothing more to do; below a table just put there, there is.
          below = action === Action.Descend || (action >= Action.FirstProtocol && !wasTable);
        }
        const child = at.child;
        if (!below || child === undefined || level <= options.minLevel) continue;
        walk(child, level - 1, gfn);
        if (options.post !== true) continue;
        const { tables } = met;
        const verdict = rule.visit(at, op);
        if (verdictAction(verdict) >= Action.FirstProtocol) effects |= this.protocol(at, verdict, gfn);
        else this.keep(verdict, gfn, level);
        // A table that goes after what it held is not gone over once more.
        met.tables = tables;
      }
    };
    top.tables.forEach((table, number) => walk(table, geometry.levels, number * geometry.entries * geometry.pagesAt(geometry.levels)));
    this.tell();
    return effects;
  }

  private leafGone(): void {
    this.met.visited++;
    this.met.changed++;
  }

  private tell(): void {
    const { visited, changed, tables } = this.met;
    this.parts.work?.walked(visited, changed, tables);
  }

  private root(root: number): OracleRoot {
    const found = this.roots[root];
    if (found === undefined) throw new InvariantError('ORACLE_ROOT', `root ${root} does not exist`, 0, 0, '');
    return found;
  }

  /** Takes a protocol's steps one after the other. @param gfn frame to be named in calls; @returns the verdict's effects */
  private protocol(at: OracleCursor, verdict: Verdict, gfn: number): number {
    const protocol = this.parts.protocols[verdictAction(verdict) - Action.FirstProtocol];
    const { mmOps } = this.parts;
    const { level } = at;
    const wasTable = at.kind === EntryKind.Table;
    let fill = 0;
    for (const step of protocol.steps) {
      switch (step) {
        case Step.FillTable:
          fill = verdictAttr(verdict);
          break;
        case Step.CasTable:
        case Step.WriteTable:
          this.change(at, gfn, () => at.writeTable(verdictTableAttr(verdict), fill, this.parts.geometry.entries));
          break;
        case Step.CasLeaf:
        case Step.WriteLeaf:
          this.change(at, gfn, () => at.writeAttr(verdictAttr(verdict)));
          break;
        case Step.WriteEmpty:
          this.change(at, gfn, () => at.writeAttr(0));
          break;
        case Step.CasQuiet:
          at.writeAttr(verdictAttr(verdict));
          break;
        case Step.FreeSubtree:
        case Step.DeferFree:
          if (wasTable) callOut(mmOps, step, gfn, level);
          break;
        default:
          callOut(mmOps, step, gfn, level);
      }
    }
    return this.effects(at, verdict, gfn);
  }

  /** Changes an entry and tells the bookkeeper; a table that goes is accounted for first. */
  private change(at: OracleCursor, gfn: number, write: () => void): void {
    const { kind, child } = at;
    const attr = child === undefined ? at.attr : child.attr;
    write();
    const keeps = at.child !== undefined;
    if (child !== undefined && !keeps) this.remove(child, at.level, at.gfn, gfn);
    this.parts.book.changed(gfn, at.level, kind, attr, at.kind, keeps ? at.tableAttr : at.attr, 1);
  }

  private empty(at: OracleCursor): void {
    this.change(at, at.gfn, () => at.writeAttr(0));
  }

  /** Accounts for a detached table below an entry of `level` at `gfn`, and for all it holds. */
  private remove(table: OracleTable, level: number, gfn: number, named: number): void {
    this.parts.book.subtreeRemoved?.(named, level, 1);
    this.account(table, level, gfn);
  }

  private account(table: OracleTable, level: number, gfn: number): void {
    const { book, mmOps, geometry, attrs } = this.parts;
    mmOps.freePage?.(gfn, level, 1);
    this.met.tables++;
    const span = geometry.pagesAt(level - 1);
    for (const index of indicesOf(table)) {
      const entry = table.entries.get(index) as OracleEntry;
      const at = gfn + index * span;
      if ('table' in entry) {
        this.account(entry.table, level - 1, at);
        book.changed(at, level - 1, EntryKind.Table, entry.table.attr, EntryKind.Empty, 0, 1);
      } else {
        const kind = attrs.special[entry.attr] === 1 ? EntryKind.Special : EntryKind.Leaf;
        this.leafGone();
        book.changed(at, level - 1, kind, entry.attr, EntryKind.Empty, 0, 1);
      }
    }
  }

  private effects(at: OracleCursor, verdict: Verdict, gfn: number): number {
    return carryEffects(this.parts.mmOps, this.parts.book, verdictEffects(verdict), gfn, at.level);
  }

  /** A visit of a range walk that changes nothing: of the effects, it is counted. */
  private keep(verdict: Verdict, gfn: number, level: number): void {
    if ((verdictEffects(verdict) & Effect.Count) !== 0) this.parts.book.visited?.(gfn, level, 1);
  }
}

/** Where the oracle's engines come from: hand it to a backend in place of the table engine's. */
export const oracleEngines: EngineFactory = {
  makeEngine: parts => new OracleEngine(parts),
  makeFrameMap: geometry => new OracleFrameMap(geometry),
};
