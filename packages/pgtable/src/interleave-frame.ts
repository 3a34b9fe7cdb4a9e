/**
 * The frame of a walk that stops after each atomic step: a few integers and a program counter over a protocol's list of steps.
 *
 * The straight loop of the engine and this frame run the same protocols. A step of the frame is one read of an entry (with the rule's verdict on
 * it), one step of the protocol the verdict named, or the effects the verdict asked for. A compare-exchange compares the entry with the one read; where they
 * differ the protocol is lost: what was taken for it goes back, and the walk goes on as its operation says.
 */
import { Action, Change, Effect, EntryKind, Step } from '@mmulab/api';
import type { Protocol } from '@mmulab/api';
import { badStep } from './errors';
import { isCallStep, isFlushStep, isPrivateStep, stepName } from './interleave-steps';
import { callOut } from './mm-ops';
import type { EntryVisitor, SharedTables, SharedWalk } from './interleave-tables';
import { actionOf, attrOf, effectsOf, tableAttrOf } from './verdict';

/** Program counter of a frame whose next step reads an entry. */
const READ = -1;
/** No table of limbo. */
const NOTHING = -1;

/** Steps that change an entry only if it is still the one read. */
const EXCHANGES: ReadonlySet<Step> = new Set([Step.CasTable, Step.CasLeaf, Step.CasQuiet, Step.CasFreeze]);

const NO_PROTOCOL: Protocol = { name: 'effects', change: Change.SetLeaf, steps: [] };

/** Frame of one walk. Subclasses say where it goes. */
export abstract class WalkFrame implements SharedWalk {
  /** The entry the walk stands on: its level, and a frame of it. */
  level: number;
  gfn = 0;
  /** Root under which the walk found the table of each level: the tree's, or that of the limbo its table has been moved to. */
  readonly roots: Int32Array;
  /** The table that stood at the entry when it was read has been replaced since, though an equal one may stand there now. */
  isReplaced = false;
  /** A table page is taken and not yet linked. */
  hasPending = false;
  /** A table has taken a split leaf's place and lacks its parts. */
  hasUnfilled = false;
  /** The entry is frozen by this walk. */
  hasFrozen = false;
  /** Root of the limbo that holds what this walk unlinked. */
  unlinked = NOTHING;
  /** The walk has ended. */
  isDone = false;
  /** What the walk ended with: the last verdict's outcome (page walks), the effects asked for (range walks). */
  outcome = 0;
  /** Effect bits the verdicts so far asked for. */
  effects = 0;
  // The entry as it was read.
  protected kind: EntryKind = EntryKind.Empty;
  protected attr = 0;
  protected tableAttr = 0;
  protected verdict = 0;
  // What the bookkeeper last knew of it.
  private toldKind: EntryKind = EntryKind.Empty;
  private toldAttr = 0;
  private pc = READ;
  private filled = 0;
  private protocol = NO_PROTOCOL;

  /**
   * @param root root the walk starts from
   * @param isReader whether unlinked tables wait for the walk's end before they are freed; the hardware's walks are kept safe by flushes instead
   */
  protected constructor(
    readonly tables: SharedTables,
    protected readonly root: number,
    readonly isReader: boolean,
  ) {
    this.level = tables.parts.geometry.levels;
    this.roots = new Int32Array(this.level + 1).fill(root);
    tables.begin(this);
  }

  /** Does the next atomic step. */
  step(): void {
    if (this.pc === READ) {
      this.tables.enter(this);
      this.read();
      return;
    }
    const { steps } = this.protocol;
    if (this.pc === steps.length) {
      this.applyEffects();
    } else if (!this.carryOut(steps[this.pc])) {
      this.lose();
      return;
    }
    this.pc++;
    if (this.pc > steps.length || (this.pc === steps.length && !this.hasEffects())) this.complete();
  }

  /** Whether the next step touches nothing another walk can see. */
  get nextIsPrivate(): boolean {
    const step = this.protocol.steps[this.pc];
    return step !== undefined && isPrivateStep(step, this.hasPending);
  }

  /** What the next step is, for schedules. */
  get nextName(): string {
    if (this.isDone) return 'done';
    if (this.pc === READ) return `read L${this.level}`;
    const step = this.protocol.steps[this.pc];
    return `${this.protocol.name}: ${step === undefined ? 'effects' : `${stepName(step)} L${this.level}`}`;
  }

  /** Whether the walk stands in a table under a root. */
  standsIn(root: number): boolean {
    for (let level = this.level; level < this.roots.length; level++) if (this.roots[level] === root) return true;
    return false;
  }

  /** Whether the protocol under way has a flush or invalidation before it. */
  get owesFlushStep(): boolean {
    if (this.pc === READ) return false;
    if ((effectsOf(this.verdict) & Effect.FlushNow) !== 0) return true;
    return this.protocol.steps.some((step, i) => i >= this.pc && isFlushStep(step));
  }

  /** Whether a flush is due when the operation ends, from the moment its first protocol is under way. */
  get owesFlushLater(): boolean {
    const effects = this.pc === READ ? this.effects : this.effects | effectsOf(this.verdict);
    return (effects & Effect.FlushLater) !== 0;
  }

  /** Whether the next step has to wait: entries another walk has frozen are not removed under its hands. */
  get isBlocked(): boolean {
    if (this.protocol.steps[this.pc] !== Step.RemoveSubtree || this.unlinked === NOTHING) return false;
    return this.tables.walks.some(walk => walk !== this && walk.hasFrozen && walk.roots[walk.level] === this.unlinked);
  }

  /** Shows the leaf this walk has frozen and not yet accounted for, if there is one. */
  visitFrozen(visit: EntryVisitor): void {
    if (this.hasFrozen && this.kind === EntryKind.Leaf) visit(this.level, this.gfn, this.kind, this.attr, 0);
  }

  /** Appends what decides about the walk's future to a key. */
  appendKey(key: number[]): void {
    key.push(this.pc, this.level, this.gfn, this.verdict, this.kind, this.attr, this.tableAttr, this.effects, this.filled);
    key.push((this.isReplaced ? 1 : 0) | (this.hasPending ? 2 : 0) | (this.hasFrozen ? 4 : 0) | (this.isDone ? 8 : 0) | (this.hasUnfilled ? 16 : 0));
    if (this.isDone) return;
    key.push(this.unlinked === NOTHING ? NOTHING : this.tables.rootName(this.unlinked));
    for (let level = this.level; level < this.roots.length; level++) key.push(this.tables.rootName(this.roots[level]));
  }

  /** The protocol under way. */
  protected get current(): Protocol {
    return this.protocol;
  }

  /** Shows the entry at the tree's cursor to the rule and follows its verdict. */
  protected abstract read(): void;
  /** A protocol and its effects have been carried out. */
  protected abstract protocolDone(): void;
  /** A protocol was lost to another walk. */
  protected abstract retry(): void;

  /** Takes a verdict on the entry at the cursor: its protocol, or its effects alone, come next. @returns false when nothing is to be done */
  protected take(verdict: number): boolean {
    const { tree, parts } = this.tables;
    const action = actionOf(verdict);
    this.verdict = verdict;
    if (action < Action.FirstProtocol) {
      this.protocol = NO_PROTOCOL;
      if (!this.hasEffects()) {
        this.effects |= effectsOf(verdict) & ~Effect.Count;
        return false;
      }
    } else {
      this.protocol = parts.protocols[action - Action.FirstProtocol];
    }
    this.kind = tree.kind;
    this.attr = tree.attr;
    this.tableAttr = tree.tableAttr;
    this.toldKind = this.kind;
    this.toldAttr = this.kind === EntryKind.Table ? this.tableAttr : this.attr;
    this.isReplaced = false;
    this.pc = 0;
    return true;
  }

  /** Goes into the table below the entry. @param gfn frame to stand on there */
  protected descend(gfn: number): void {
    this.roots[this.level - 1] = this.roots[this.level];
    this.level--;
    this.gfn = gfn;
  }

  /** Ends the walk. Its read side goes on while it owes a flush: what it unlinked must not be freed before translations of it are gone. */
  protected finish(): void {
    this.forget();
    this.isDone = true;
    if (!this.owesFlushLater) this.tables.end(this);
  }

  /** The flush that a walk owed when it ended has been done. */
  flushed(): void {
    this.effects &= ~Effect.FlushLater;
    this.tables.end(this);
  }

  /** Forgets the entry read: the next step reads one. */
  protected forget(): void {
    this.pc = READ;
    this.verdict = 0;
    this.kind = EntryKind.Empty;
    this.attr = 0;
    this.tableAttr = 0;
    this.filled = 0;
    this.isReplaced = false;
    this.unlinked = NOTHING;
  }

  private complete(): void {
    if (this.hasPending) throw badStep(this.protocol.name, 'ends with a table taken and not linked', this.gfn, this.level);
    this.effects |= effectsOf(this.verdict) & ~Effect.Count;
    this.protocolDone();
  }

  private lose(): void {
    const { parts } = this.tables;
    this.dropPending();
    parts.book.lost?.(this.gfn, this.level, this.protocol.change);
    this.forget();
    this.retry();
  }

  /** Gives a table page back that was not linked. */
  protected dropPending(): void {
    if (!this.hasPending) return;
    this.hasPending = false;
    this.tables.freed++;
    this.tables.parts.mmOps.freePage?.(this.gfn, this.level, 1);
  }

  /** Whether the entry is still the one read; leaves the cursor on it. */
  private isUnchanged(): boolean {
    const { tables } = this;
    tables.enter(this);
    const { kind, attr, tableAttr } = tables.tree;
    return !this.isReplaced && kind === this.kind && attr === this.attr && tableAttr === this.tableAttr;
  }

  /** Does one step of the protocol. @returns false when its compare-exchange failed */
  private carryOut(step: Step): boolean {
    if (EXCHANGES.has(step) && !this.isUnchanged()) return false;
    this.perform(step);
    return true;
  }

  private perform(step: Step): void {
    const { tables } = this;
    switch (step) {
      case Step.AllocTable:
        return this.allocTable();
      case Step.FillTable:
        return this.fillTable();
      case Step.CasTable:
      case Step.WriteTable:
        return this.linkTable();
      case Step.CasLeaf:
      case Step.WriteLeaf:
        return this.storeLeaf(attrOf(this.verdict));
      case Step.WriteEmpty:
        return this.storeLeaf(0);
      case Step.CasQuiet:
        return tables.storeAttr(this, attrOf(this.verdict));
      case Step.CasFreeze:
        tables.storeAttr(this, tables.parts.locked);
        this.hasFrozen = true;
        return;
      case Step.RemoveSubtree:
        if (this.unlinked !== NOTHING) tables.remove(this.unlinked);
        return;
      case Step.FreeSubtree:
      case Step.DeferFree:
        return this.freeUnlinked(step === Step.DeferFree);
      default:
        if (!isCallStep(step)) throw badStep(this.protocol.name, `no such step: ${step}`, this.gfn, this.level);
        callOut(tables.parts.mmOps, step, this.gfn, this.level);
    }
  }

  private allocTable(): void {
    const { tables } = this;
    tables.parts.mmOps.zallocPage?.(this.gfn, this.level, 1);
    tables.taken++;
    this.hasPending = true;
  }

  private fillTable(): void {
    this.filled = attrOf(this.verdict);
    if (!this.hasPending) this.tables.fillLinked(this, this.filled);
    this.hasUnfilled = false;
  }

  private linkTable(): void {
    const { tables, protocol } = this;
    if (!this.hasPending) throw badStep(protocol.name, 'links a table it has not taken', this.gfn, this.level);
    const tableAttr = tableAttrOf(this.verdict);
    tables.storeTable(this, this.filled, tableAttr);
    this.hasPending = false;
    this.tell(EntryKind.Table, tableAttr);
    this.hasUnfilled = protocol.change === Change.Split && this.filled === 0;
  }

  private storeLeaf(attr: number): void {
    this.tables.storeAttr(this, attr);
    this.hasFrozen = false;
    this.tell(this.tables.tree.kind, attr);
  }

  /** Tells the bookkeeper of a transition, from the entry as it was read or last told of. */
  private tell(newKind: EntryKind, newAttr: number): void {
    this.tables.parts.book.changed(this.gfn, this.level, this.toldKind, this.toldAttr, newKind, newAttr, 1);
    this.toldKind = newKind;
    this.toldAttr = newAttr;
  }

  private freeUnlinked(deferred: boolean): void {
    if (this.unlinked === NOTHING) return;
    const { mmOps } = this.tables.parts;
    if (deferred) mmOps.deferFree?.(this.gfn, this.level, 1);
    else mmOps.freePage?.(this.gfn, this.level, 1);
    this.tables.release(this.unlinked, deferred);
  }

  private hasEffects(): boolean {
    return (effectsOf(this.verdict) & (Effect.FlushNow | Effect.Track | Effect.MarkDirty | Effect.Count)) !== 0;
  }

  private applyEffects(): void {
    const { book, mmOps } = this.tables.parts;
    const effects = effectsOf(this.verdict);
    if ((effects & Effect.FlushNow) !== 0) mmOps.flushRemoteTlbs?.(this.gfn, this.level, 1);
    // A table that has been removed again since it was linked must not be listed.
    if ((effects & Effect.Track) !== 0 && !this.isReplaced) book.track?.(this.gfn, this.level, 1);
    if ((effects & Effect.MarkDirty) !== 0) book.markDirty?.(this.gfn);
    if ((effects & Effect.Count) !== 0) book.visited?.(this.gfn, this.level, 1);
  }
}
