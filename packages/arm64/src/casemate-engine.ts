/**
 * The engine of an exported run: entry by entry, and every store, invalidation and table page goes into the trace.
 *
 * Nothing is lifted: a program runs page by page, a range is walked entry by entry. What rules, protocols and callbacks mean, and so what is counted, is what it is on
 * the table engine. A break (a valid entry made invalid) is followed by its invalidation; stores that publish an entry are releases. An invalidation by IPA
 * does not reach the table a broken entry pointed to, so that breaks of tables are followed by one of the whole VMID.
 *
 * Three things are written down in another order than they are counted in. A table that a removed entry pointed to goes back after the invalidation. Leaves
 * whose invalidation waits for the end of a range are invalidated before the table that held them is withdrawn. And a block that is split down to pages at
 * once is replaced when the tables below it are filled, which takes two passes here.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c, as the protocols of protocols.ts describe it.
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
import type { Entry, Protocol, Rule, Verdict } from '@mmulab/api';
import type { Engine, EngineParts, RangeOptions, RunProgram } from '@mmulab/pgtable';
import { TracedEntry, TracedTable } from './casemate-table';
import type { CasemateTrace } from './casemate-trace';
import { archLevel } from './stage2-geometry';

const VALID = 1n;
const TABLE = 3n;
const ENTRY_BYTES = 8;
/** The rule of the hardware's own walk: its updates of the access flag are nobody's stores. */
const HARDWARE = 'hardware_walk';

/** What descriptors say, and where the host's pages are. */
export interface Descriptors {
  /** Table pages of the start level. */
  readonly start: readonly number[];
  /** The 64-bit descriptor of a leaf or special entry. @param level counted from 1 */
  leaf(attr: number, level: number, frame: number): bigint;
  /** Host frame behind the first frame of a new leaf. */
  frameOf(gfn: number, level: number): number;
  /** Whether broken entries keep their bits, VALID apart. */
  readonly keepsBits: boolean;
}

/** A protocol on its way through one entry. */
interface Passage {
  readonly at: TracedEntry;
  readonly protocol: Protocol;
  /** Frame that calls name. */
  readonly gfn: number;
  /** What the entry held before. */
  readonly oldAttr: number;
  readonly oldFrame: number;
  readonly oldTable: TracedTable | undefined;
  readonly silent: boolean;
  /** Table that takes the entry, once it is filled. */
  table: TracedTable | undefined;
}

/** Whether a protocol stores anything: one that does not takes a page and gives it back. */
function stores(protocol: Protocol): boolean {
  const { steps } = protocol;
  return [Step.CasLeaf, Step.WriteLeaf, Step.CasTable, Step.WriteTable, Step.WriteEmpty, Step.CasQuiet].some(step => steps.includes(step));
}

export class TracedEngine implements Engine {
  private readonly tables: TracedTable[] = [];
  /** Pages taken and not linked yet, by thread. */
  private readonly taken = new Map<number, number>();
  /** Breaks and links that wait until the tables below are filled. */
  private held: (() => void)[] = [];
  /** Leaves were withdrawn whose invalidation is still due. */
  private unflushed = false;

  constructor(
    private readonly parts: EngineParts,
    private readonly trace: CasemateTrace,
    private readonly descriptors: Descriptors,
  ) {}

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
    this.unflushed = false;
  }

  run(program: RunProgram, _root: number, start: number, end: number): void {
    program.block(start, end);
  }

  page<Op>(rule: Rule<Op>, op: Op, _root: number, gfn: number, goal: number): number {
    this.flushHeld();
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
        this.effects(at, verdict, gfn);
        return verdictOutcome(verdict);
      } else {
        this.carryOut(at, verdict, gfn, rule.name === HARDWARE);
        if ((verdictEffects(verdict) & Effect.Final) !== 0) return verdictOutcome(verdict);
      }
    }
  }

  range<Op>(rule: Rule<Op>, op: Op, _root: number, start: number, end: number, options: RangeOptions<Op>): number {
    const unlinked = (op as { readonly unlinked?: boolean }).unlinked === true;
    if (!unlinked) this.flushHeld();
    const { entries, levels } = this.parts.geometry;
    const span = this.parts.geometry.pagesAt(levels) * entries;
    let effects = 0;
    this.tables.forEach((table, number) => {
      effects |= this.walk(rule, op, table, levels, number * span, start, end, options);
    });
    if (unlinked) this.flushHeld();
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
        this.change(at, gfn, () => at.setLeaf(0, 0));
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
      if (verdictAction(verdict) >= Action.FirstProtocol) effects |= this.carryOut(at, verdict, at.gfn, false);
    }
    return effects;
  }

  /** Set by `visit`: the walk is not to go into the table at the entry. */
  private stayAbove = false;

  /** The visit before what an entry holds. */
  private visit<Op>(rule: Rule<Op>, op: Op, at: TracedEntry, options: RangeOptions<Op>): number {
    const wasTable = at.kind === EntryKind.Table;
    this.stayAbove = false;
    if (wasTable ? !options.tables : at.kind === EntryKind.Special && !options.specials) return 0;
    const verdict = rule.visit(at, op);
    const action = verdictAction(verdict);
    const effects = action >= Action.FirstProtocol ? this.carryOut(at, verdict, at.gfn, false) : 0;
    this.stayAbove = !(action === Action.Descend || (action >= Action.FirstProtocol && !wasTable));
    return effects;
  }

  /** Takes a protocol's steps one after the other. @returns the verdict's effects */
  private carryOut(at: TracedEntry, verdict: Verdict, gfn: number, silent: boolean): number {
    const protocol = this.parts.protocols[verdictAction(verdict) - Action.FirstProtocol];
    const passage: Passage = { at, protocol, gfn, oldAttr: at.attr, oldFrame: at.frame, oldTable: at.child, silent, table: undefined };
    protocol.steps.forEach((step, number) => this.step(passage, step, verdict, `${protocol.name}:${number + 1}`));
    this.giveBack(passage);
    return this.effects(at, verdict, gfn);
  }

  private step(passage: Passage, step: Step, verdict: Verdict, src: string): void {
    const { at, gfn, oldTable } = passage;
    switch (step) {
      case Step.AllocTable:
        this.take(passage, src);
        return;
      case Step.FillTable:
        this.fill(passage, verdictAttr(verdict), verdictTableAttr(verdict), src);
        return;
      case Step.CasTable:
      case Step.WriteTable:
        this.link(passage, verdictTableAttr(verdict), src);
        return;
      case Step.CasLeaf:
      case Step.WriteLeaf:
        this.write(passage, verdictAttr(verdict), this.isSpecial(verdictAttr(verdict)) ? 0 : this.descriptors.frameOf(at.gfn, at.level), src);
        return;
      case Step.WriteEmpty:
        this.write(passage, 0, 0, src);
        return;
      case Step.CasQuiet:
        at.setLeaf(verdictAttr(verdict), passage.oldFrame);
        if (!passage.silent) this.trace.store(at.address, this.descriptors.leaf(at.attr, at.level, at.frame), false, src);
        return;
      case Step.Tlbi:
      case Step.Flush:
        this.invalidate(passage, step, src);
        this.call(step, gfn, at.level);
        return;
      case Step.FreeSubtree:
      case Step.DeferFree:
        if (oldTable !== undefined) this.call(step, gfn, at.level);
        return;
      default:
        this.call(step, gfn, at.level);
    }
  }

  /** A table page comes out of the memory cache; one that nothing is done with goes back at once. */
  private take({ at, protocol, gfn }: Passage, src: string): void {
    this.parts.mmOps.zallocPage?.(gfn, at.level, 1);
    const page = this.trace.zallocPage(src);
    if (stores(protocol)) this.taken.set(this.trace.thread, page);
    else this.trace.freePage(page, src);
  }

  /** The page taken becomes a table. */
  private makeTable({ at, gfn }: Passage, tableAttr: number, src: string): TracedTable {
    const page = this.taken.get(this.trace.thread);
    if (page === undefined) throw new InvariantError('EXPORT_TABLE', 'a table is linked that nobody took a page for', gfn, at.level, src);
    this.taken.delete(this.trace.thread);
    return new TracedTable(page, this.parts.geometry.entries, tableAttr);
  }

  /** The new table gets the parts of the block it is to replace. */
  private fill(passage: Passage, attr: number, tableAttr: number, src: string): void {
    const { at, oldFrame } = passage;
    const table = this.makeTable(passage, tableAttr, src);
    const span = this.parts.geometry.pagesAt(at.level - 1);
    for (let i = 0; i < table.entries; i++) {
      table.attrs[i] = attr;
      table.frames[i] = oldFrame + i * span;
      this.trace.fill(table.address + i * ENTRY_BYTES, this.descriptors.leaf(attr, at.level - 1, table.frames[i]), src);
    }
    passage.table = table;
  }

  /** A table takes the entry. */
  private link(passage: Passage, tableAttr: number, src: string): void {
    const { at, gfn } = passage;
    const table = passage.table ?? this.makeTable(passage, tableAttr, src);
    this.change(at, gfn, () => at.setTable(table));
    this.put(passage, () => this.trace.store(at.address, BigInt(table.address) | TABLE, false, src));
  }

  /** A leaf, a special entry or nothing takes the entry. */
  private write(passage: Passage, attr: number, frame: number, src: string): void {
    const { at, gfn } = passage;
    const breaks = at.kind === EntryKind.Leaf || at.kind === EntryKind.Table;
    const withdraws = attr === 0 || this.isSpecial(attr);
    const old = at.child === undefined ? this.descriptors.leaf(at.attr, at.level, at.frame) : BigInt(at.child.address) | TABLE;
    this.change(at, gfn, () => at.setLeaf(attr, frame));
    if (breaks && withdraws && this.trace.leavesOutBreak(passage.oldTable !== undefined)) return;
    const value = attr !== 0 ? this.descriptors.leaf(attr, at.level, frame) : breaks && this.descriptors.keepsBits ? old & ~VALID : 0n;
    const isFlushed = passage.protocol.steps.some(step => step === Step.Tlbi || step === Step.Flush);
    if (breaks && passage.oldTable !== undefined && this.unflushed) {
      this.trace.flushVmid(src);
      this.unflushed = false;
    }
    if (breaks && withdraws && !isFlushed) this.unflushed = true;
    this.put(passage, () => this.trace.store(at.address, value, breaks && withdraws && isFlushed, src));
  }

  private invalidate(passage: Passage, step: Step, src: string): void {
    const { at, oldTable } = passage;
    if (this.trace.leavesOutBreak(oldTable !== undefined)) return;
    if (step === Step.Flush || oldTable !== undefined) this.put(passage, () => this.trace.breakByVmid(src));
    else this.put(passage, () => this.trace.breakByIpa(at.gfn, archLevel(at.level), src));
  }

  /** Writes down now, or when the tables below the new one are filled: those of a block larger than the next smaller one may be. */
  private put({ at, table, protocol }: Passage, write: () => void): void {
    if (table !== undefined && at.level > 2 && protocol.steps.includes(Step.Tlbi)) this.held.push(write);
    else write();
  }

  private flushHeld(): void {
    const held = this.held;
    this.held = [];
    for (const write of held) write();
  }

  /** Pages of a table that is gone go back: at once, or after a grace period. */
  private giveBack({ at, oldTable, protocol }: Passage): void {
    if (oldTable === undefined || at.child === oldTable) return;
    const later = protocol.steps.includes(Step.DeferFree);
    for (const { address } of oldTable.tables()) {
      if (later) this.trace.freePageLater(address);
      else this.trace.freePage(address, `${protocol.name}:${protocol.steps.length}`);
    }
  }

  /** Changes an entry and tells the bookkeeper; a table that goes is accounted for first. */
  private change(at: TracedEntry, gfn: number, write: () => void): void {
    const { kind, child, attr } = at;
    const oldAttr = child === undefined ? attr : child.attr;
    write();
    if (child !== undefined && at.child !== child) {
      this.parts.book.subtreeRemoved?.(gfn, at.level, 1);
      this.account(child, at.level, at.gfn);
    }
    this.parts.book.changed(gfn, at.level, kind, oldAttr, at.kind, at.child === undefined ? at.attr : at.tableAttr, 1);
  }

  /** Accounts for a table below an entry of `level` that goes, and for all it holds. */
  private account(table: TracedTable, level: number, gfn: number): void {
    const { book, mmOps, geometry } = this.parts;
    mmOps.freePage?.(gfn, level, 1);
    const span = geometry.pagesAt(level - 1);
    for (let index = 0; index < table.entries; index++) {
      if (table.isEmpty(index)) continue;
      const at = this.at(table, index, level - 1, gfn + index * span);
      if (at.child !== undefined) this.account(at.child, level - 1, at.gfn);
      book.changed(at.gfn, level - 1, at.kind, at.child === undefined ? at.attr : at.tableAttr, EntryKind.Empty, 0, 1);
    }
  }

  private call(step: Step, gfn: number, level: number): void {
    const { mmOps } = this.parts;
    if (step === Step.Flush) mmOps.flushRemoteTlbs?.(gfn, level, 1);
    else if (step === Step.Tlbi) mmOps.tlbi?.(gfn, level, 1);
    else if (step === Step.DcacheClean) mmOps.dcacheCleanInvalPoc?.(gfn, level, 1);
    else if (step === Step.IcacheInval) mmOps.icacheInvalPou?.(gfn, level, 1);
    else if (step === Step.GetPage) mmOps.getPage?.(gfn, level, 1);
    else if (step === Step.PutPage) mmOps.putPage?.(gfn, level, 1);
    else if (step === Step.FreeSubtree) mmOps.freePage?.(gfn, level, 1);
    else if (step === Step.DeferFree) mmOps.deferFree?.(gfn, level, 1);
  }

  private effects(at: TracedEntry, verdict: Verdict, gfn: number): number {
    const { mmOps, book } = this.parts;
    const effects = verdictEffects(verdict);
    if ((effects & Effect.FlushNow) !== 0) mmOps.flushRemoteTlbs?.(gfn, at.level, 1);
    if ((effects & Effect.Track) !== 0) book.track?.(gfn, at.level, 1);
    if ((effects & Effect.MarkDirty) !== 0) book.markDirty?.(gfn);
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

  private isSpecial(attr: number): boolean {
    return this.parts.attrs.special[attr] === 1;
  }
}
