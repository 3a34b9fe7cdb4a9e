/**
 * What a protocol does to one entry of an exported run, step by step, as the records it leaves: an observer of the tables, which are those of every observed run.
 *
 * A break (a valid entry made invalid) is followed by its invalidation; stores that publish an entry are releases. An invalidation by IPA does not reach the table
 * a broken entry pointed to, so that breaks of tables are followed by one of the whole VMID.
 *
 * Three things are written down in another order than they are counted in. A table that a removed entry pointed to goes back after the invalidation. Leaves
 * whose invalidation waits for the end of a range are invalidated before the table that held them is withdrawn, and whenever there are `MAX_UNFLUSHED` of them. And a
 * block that is split down to pages at once is replaced when the tables below it are filled, which takes two passes here (`holding`).
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c, as the protocols of protocols.ts describe it.
 */
import { EntryKind, InvariantError, Step } from '@mmulab/api';
import type { Protocol, TransitionObserver } from '@mmulab/api';
import type { Geometry } from '@mmulab/pgtable';
import { archLevel } from '../stage2-geometry';
import type { CasemateTrace } from './trace';
import { TracedTables } from './traced-tables';

const VALID = 1n;
const TABLE = 3n;
const ENTRY_BYTES = 8;
/** Broken leaves that may wait for their invalidation: builds of the checker follow no more than ten unclean entries at a time. */
const MAX_UNFLUSHED = 8;
const NO_PAGE = -1;
const STORES: readonly Step[] = [Step.CasLeaf, Step.WriteLeaf, Step.CasTable, Step.WriteTable, Step.WriteEmpty, Step.CasQuiet];

/** What descriptors say, and where the host's pages are. */
export interface Descriptors {
  /** The 64-bit descriptor of a leaf or special entry. @param level counted from 1 */
  leaf(bits: number, level: number, frame: number): bigint;
  /** Host frame behind the first frame of a new leaf. */
  frameOf(gfn: number, level: number): number;
  /** Whether broken entries keep their bits, VALID apart. */
  readonly keepsBits: boolean;
}

/** Writes down what becomes of the entries. */
export class CasemateRecorder implements TransitionObserver {
  readonly tables: TracedTables;
  /** Pages taken and not linked yet, by thread. */
  private readonly taken = new Map<number, number>();
  /** Whether breaks and links of blocks that are split wait until the tables below are filled. */
  private isHolding = false;
  private held: (() => void)[] = [];
  /** Leaves that were withdrawn and whose invalidation is still due. */
  private unflushed = 0;
  // The protocol under way, and its entry as it was.
  private protocol: Protocol | undefined = undefined;
  private level = 0;
  private gfn = 0;
  private bits = 0;
  private oldFrame = 0;
  /** Name and number of the step, as the trace names origins. */
  private src = '';
  /** Pages of the table that the entry pointed to, and of all below, once they are gone. */
  private gone: number[] = [];
  private wasTable = false;
  /** Page of the table that takes the entry, once it is filled. */
  private filled = NO_PAGE;

  /** @param start table pages of the start level */
  constructor(
    private readonly geometry: Geometry,
    start: readonly number[],
    private readonly trace: CasemateTrace,
    private readonly descriptors: Descriptors,
  ) {
    this.tables = new TracedTables(geometry, start);
  }

  /** The range flush that unmapped leaves waited for is done. */
  flushed(): void {
    this.unflushed = 0;
  }

  /** Holds the breaks of blocks back while `fill` fills the tables that replace them. */
  holding(fill: () => void): void {
    this.isHolding = true;
    fill();
    this.isHolding = false;
    const { held } = this;
    this.held = [];
    for (const write of held) write();
  }

  began(protocol: Protocol, level: number, gfn: number, kind: EntryKind, bits: number): void {
    this.protocol = protocol;
    this.level = level;
    this.gfn = gfn;
    this.bits = bits;
    this.wasTable = kind === EntryKind.Table;
    this.oldFrame = this.tables.frameOf(level, gfn);
    this.filled = NO_PAGE;
  }

  step(number: number): void {
    const { protocol } = this;
    if (protocol === undefined) return;
    this.src = `${protocol.name}:${number + 1}`;
    const step = protocol.steps[number];
    if (step === Step.AllocTable) this.take(protocol);
    else if (step === Step.FillTable) this.fill();
    else if (step === Step.Tlbi || step === Step.Flush) this.invalidate(step);
  }

  changed(_cause: string, level: number, gfn: number, oldKind: EntryKind, oldBits: number, newKind: EntryKind, newBits: number): void {
    const { protocol } = this;
    if (protocol === undefined || level !== this.level || gfn !== this.gfn) {
      // Somebody else's entry goes with the table that held it, or with all tables.
      this.tables.setFrame(level, gfn, 0);
    } else if (newKind === EntryKind.Table) {
      this.link();
    } else {
      this.write(protocol, oldKind, oldBits, newKind, newBits);
    }
  }

  quietly(_cause: string, level: number, gfn: number, _oldBits: number, newBits: number): void {
    if (this.protocol?.byHardware === true) return;
    this.trace.store(this.tables.addressOf(level, gfn), this.descriptors.leaf(newBits, level, this.oldFrame), false, this.src);
  }

  removed(level: number, gfn: number): void {
    const page = this.tables.takeTable(level, gfn);
    if (this.protocol === undefined) this.trace.freePageLater(page);
    else this.gone.push(page);
  }

  /** Pages of a table that is gone go back: at once, or after a grace period. */
  ended(): void {
    const { protocol, gone, trace } = this;
    this.protocol = undefined;
    if (protocol === undefined || gone.length === 0) return;
    const isDeferred = protocol.steps.includes(Step.DeferFree);
    for (const page of gone) {
      if (isDeferred) trace.freePageLater(page);
      else trace.freePage(page, `${protocol.name}:${protocol.steps.length}`);
    }
    this.gone = [];
  }

  /** A table page comes out of the memory cache; one that nothing is done with goes back at once. */
  private take({ steps }: Protocol): void {
    const { trace, src } = this;
    const page = trace.zallocPage(src);
    if (STORES.some(step => steps.includes(step))) this.taken.set(trace.thread, page);
    else trace.freePage(page, src);
  }

  /** The page taken becomes a table. */
  private takenPage(): number {
    const { thread } = this.trace;
    const page = this.taken.get(thread);
    if (page === undefined) throw new InvariantError('EXPORT_TABLE', 'a table is linked that nobody took a page for', this.gfn, this.level, this.src);
    this.taken.delete(thread);
    return page;
  }

  /** The new table gets the parts of the block it is to replace. */
  private fill(): void {
    const { level, gfn, oldFrame, bits, geometry } = this;
    const page = this.takenPage();
    const span = geometry.pagesAt(level - 1);
    for (let i = 0; i < geometry.entries; i++) {
      const frame = oldFrame + i * span;
      this.tables.setFrame(level - 1, gfn + i * span, frame);
      this.trace.fill(page + i * ENTRY_BYTES, this.descriptors.leaf(bits, level - 1, frame), this.src);
    }
    this.filled = page;
  }

  /** A table takes the entry. */
  private link(): void {
    const { tables, level, gfn, src } = this;
    const page = this.filled === NO_PAGE ? this.takenPage() : this.filled;
    const address = tables.addressOf(level, gfn);
    tables.setTable(level, gfn, page);
    this.put(() => this.trace.store(address, BigInt(page) | TABLE, false, src));
  }

  /** A leaf, a special entry or nothing takes the entry. */
  private write({ steps }: Protocol, oldKind: EntryKind, oldBits: number, newKind: EntryKind, newBits: number): void {
    const { tables, descriptors, trace, level, gfn, src, wasTable } = this;
    const frame = newKind === EntryKind.Leaf ? descriptors.frameOf(gfn, level) : 0;
    const breaks = oldKind === EntryKind.Leaf || oldKind === EntryKind.Table;
    const withdraws = breaks && newKind !== EntryKind.Leaf;
    const old = wasTable ? BigInt(tables.pageBelow(level, gfn)) | TABLE : descriptors.leaf(oldBits, level, this.oldFrame);
    tables.setFrame(level, gfn, frame);
    if (withdraws && trace.leavesOutBreak(wasTable)) return;
    const empty = breaks && descriptors.keepsBits ? old & ~VALID : 0n;
    const value = newKind === EntryKind.Empty ? empty : descriptors.leaf(newBits, level, frame);
    const isFlushed = steps.includes(Step.Tlbi) || steps.includes(Step.Flush);
    if (wasTable) this.flushLeaves(1);
    const address = tables.addressOf(level, gfn);
    this.put(() => trace.store(address, value, withdraws && isFlushed, src));
    if (withdraws && !isFlushed) this.unflushed++;
    this.flushLeaves(MAX_UNFLUSHED);
  }

  /** Invalidates leaves that wait for it, if so many do. */
  private flushLeaves(count: number): void {
    if (this.unflushed < count) return;
    this.trace.flushVmid(this.src);
    this.unflushed = 0;
  }

  private invalidate(step: Step): void {
    const { trace, level, gfn, src, wasTable } = this;
    if (trace.leavesOutBreak(wasTable)) return;
    if (step === Step.Flush || wasTable) this.put(() => trace.breakByVmid(src));
    else this.put(() => trace.breakByIpa(gfn, archLevel(level), src));
  }

  /** Writes down now, or when the tables below the new one are filled: those of a block larger than the next smaller one may be. */
  private put(write: () => void): void {
    if (this.isHolding && this.filled !== NO_PAGE && this.level > 2) this.held.push(write);
    else write();
  }
}
