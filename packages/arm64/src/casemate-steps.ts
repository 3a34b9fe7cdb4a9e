/**
 * What a verdict does to one entry of an exported run, step by step, and the records it leaves.
 *
 * A break (a valid entry made invalid) is followed by its invalidation; stores that publish an entry are releases. An invalidation by IPA does not reach the table
 * a broken entry pointed to, so that breaks of tables are followed by one of the whole VMID.
 *
 * Three things are written down in another order than they are counted in. A table that a removed entry pointed to goes back after the invalidation. Leaves
 * whose invalidation waits for the end of a range are invalidated before the table that held them is withdrawn, and whenever there are `MAX_UNFLUSHED` of them. And a
 * block that is split down to pages at once is replaced when the tables below it are filled, which takes two passes here.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c, as the protocols of protocols.ts describe it.
 */
import { Action, Effect, EntryKind, InvariantError, Step, verdictAction, verdictAttr, verdictEffects, verdictTableAttr } from '@mmulab/api';
import type { Protocol, Verdict } from '@mmulab/api';
import type { EngineParts } from '@mmulab/pgtable';
import { TracedEntry, TracedTable } from './casemate-table';
import type { CasemateTrace } from './casemate-trace';
import { archLevel } from './stage2-geometry';

const VALID = 1n;
const TABLE = 3n;
const ENTRY_BYTES = 8;
/** Broken leaves that may wait for their invalidation: builds of the checker follow no more than ten unclean entries at a time. */
const MAX_UNFLUSHED = 8;

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

/** Carries verdicts out, and writes down what that does. */
export class TracedSteps {
  /** Pages taken and not linked yet, by thread. */
  private readonly taken = new Map<number, number>();
  /** Breaks and links that wait until the tables below are filled. */
  private held: (() => void)[] = [];
  /** Leaves that were withdrawn and whose invalidation is still due. */
  private unflushed = 0;

  constructor(
    private readonly parts: EngineParts,
    private readonly trace: CasemateTrace,
    private readonly descriptors: Descriptors,
  ) {}

  /** The range flush that unmapped leaves waited for is done. */
  flushed(): void {
    this.unflushed = 0;
  }

  /** Takes a protocol's steps one after the other. @returns the verdict's effects */
  carryOut(at: TracedEntry, verdict: Verdict, gfn: number, silent: boolean): number {
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
    if (passage.oldTable !== undefined) this.flushLeaves(1, src);
    this.put(passage, () => this.trace.store(at.address, value, breaks && withdraws && isFlushed, src));
    if (breaks && withdraws && !isFlushed) this.unflushed++;
    this.flushLeaves(MAX_UNFLUSHED, src);
  }

  /** Invalidates leaves that wait for it, if so many do. */
  private flushLeaves(count: number, src: string): void {
    if (this.unflushed < count) return;
    this.trace.flushVmid(src);
    this.unflushed = 0;
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

  /** Writes down what waited for tables to be filled. */
  flushHeld(): void {
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
  change(at: TracedEntry, gfn: number, write: () => void): void {
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
      const at = new TracedEntry(table, index, level - 1, gfn + index * span, this.parts.attrs.special);
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

  /** Brings the verdict's own effects about. @returns their bits */
  effects(at: TracedEntry, verdict: Verdict, gfn: number): number {
    const { mmOps, book } = this.parts;
    const effects = verdictEffects(verdict);
    if ((effects & Effect.FlushNow) !== 0) mmOps.flushRemoteTlbs?.(gfn, at.level, 1);
    if ((effects & Effect.Track) !== 0) book.track?.(gfn, at.level, 1);
    if ((effects & Effect.MarkDirty) !== 0) book.markDirty?.(gfn);
    return effects;
  }

  private isSpecial(attr: number): boolean {
    return this.parts.attrs.special[attr] === 1;
  }
}
