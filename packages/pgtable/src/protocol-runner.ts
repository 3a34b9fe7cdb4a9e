/**
 * What a protocol's steps amount to when nobody comes between them: the word an entry becomes, and everything to be told on the way.
 *
 * Each protocol is compiled once, when the engine is made: to the stores that show and the calls this world answers. The runner stores nothing itself. It tells the
 * bookkeeper of transitions and the world of its calls (allocation, flushes, cache maintenance), for one entry or for `count` equal neighbours at
 * once, and answers with the new word; the caller stores it. Hot path.
 */
import { Action, Effect, EntryKind, InvariantError, Step } from '@mmulab/api';
import type { Protocol } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import { callOf, type Bookkeeper, type MmCall, type MmOps } from './mm-ops';
import type { TableTree } from './table-tree';
import { attrOf, effectsOf, tableAttrOf } from './verdict';
import { EMPTY_WORD, leafWord, uniformWord } from './word';

const { Empty, Leaf, Table, Special } = EntryKind;
const { FlushNow, Track, MarkDirty, Count } = Effect;

/** What a step stores: nothing, a leaf that is told of or not, a table, nothing any more. */
const Store = { None: 0, Leaf: 1, Quiet: 2, Table: 3, Empty: 4 } as const;
const { None: NONE, Leaf: LEAF, Quiet: QUIET, Table: TABLE, Empty: EMPTY } = Store;

const STORES: Readonly<Partial<Record<Step, number>>> = {
  [Step.CasLeaf]: LEAF,
  [Step.WriteLeaf]: LEAF,
  [Step.CasQuiet]: QUIET,
  [Step.CasTable]: TABLE,
  [Step.WriteTable]: TABLE,
  [Step.WriteEmpty]: EMPTY,
};

/** One step that does something here. */
interface CompiledStep {
  readonly store: number;
  readonly call: MmCall | undefined;
  /** Only for entries that were tables. */
  readonly forTables: boolean;
}

/** A protocol, as the runner takes it. */
interface CompiledProtocol {
  readonly steps: readonly CompiledStep[];
  /** A linked table is filled with the verdict's leaf. */
  readonly fills: boolean;
}

/** How most faults end, told by a number so that no list is gone through: by more than a leaf, by a leaf, by a leaf that is not told of. */
export const Short = { Steps: 0, Leaf: 1, Quiet: 2 } as const;

function compileStep(step: Step, mmOps: MmOps): CompiledStep | undefined {
  // Freezing an entry and detaching what it pointed to show nowhere as long as nobody comes between.
  if (step === Step.CasFreeze || step === Step.RemoveSubtree || step === Step.FillTable) return undefined;
  const store = STORES[step] ?? NONE;
  const name = callOf(step);
  if (store === NONE && name === undefined) throw new InvariantError('ENGINE_STEP', `no such protocol step: ${step}`, 0, 0, '');
  const call = name === undefined ? undefined : mmOps[name]?.bind(mmOps);
  if (store === NONE && call === undefined) return undefined;
  return { store, call, forTables: step === Step.FreeSubtree || step === Step.DeferFree };
}

function compile({ steps }: Protocol, mmOps: MmOps): CompiledProtocol {
  const filled = steps.indexOf(Step.FillTable);
  const linked = steps.findIndex(step => STORES[step] === TABLE);
  return { steps: steps.flatMap(step => compileStep(step, mmOps) ?? []), fills: filled >= 0 && filled < linked };
}

function shortForm({ steps: [first, ...others] }: Protocol): number {
  if (others.length > 0) return Short.Steps;
  if (first === Step.CasQuiet) return Short.Quiet;
  return first === Step.CasLeaf || first === Step.WriteLeaf ? Short.Leaf : Short.Steps;
}

/** Runs protocols over one tree. */
export class ProtocolRunner {
  /** Effect bits asked for since the caller last cleared them. */
  pending = 0;
  /** Tables removed with all below them so far, and leaves and special entries that went with them. */
  goneTables = 0;
  goneLeaves = 0;
  /** Short form of the protocol, by action. */
  readonly forms: Uint8Array;
  private readonly protocols: readonly CompiledProtocol[];
  private readonly histogram = new Int32Array(256);
  // What the next store replaces: the entry read, then what the protocol's own earlier stores left.
  private fromKind: EntryKind = Empty;
  private fromAttr = 0;

  constructor(
    private readonly tree: TableTree,
    private readonly attrs: AttrTable,
    protocols: readonly Protocol[],
    private readonly book: Bookkeeper,
    private readonly mm: MmOps,
  ) {
    this.protocols = protocols.map(protocol => compile(protocol, mm));
    this.forms = Uint8Array.from([...new Uint8Array(Action.FirstProtocol), ...protocols.map(shortForm)]);
  }

  /**
   * Accounts a protocol for `count` equal entries; the tree's cursor is on the first of them, and stays.
   * @param action the verdict's
   * @param word what they hold, of `level`
   * @param gfn a frame of the first of them
   * @returns the word they become
   */
  run(action: number, verdict: number, word: number, level: number, gfn: number, count: number): number {
    const { tree } = this;
    const { steps, fills } = this.protocols[action - Action.FirstProtocol];
    const wasTable = tree.kind === Table;
    this.fromKind = tree.kind;
    this.fromAttr = wasTable ? tree.tableAttr : tree.attr;
    let after = word;
    for (const { store, call, forTables } of steps) {
      if (store === NONE) {
        if (wasTable || !forTables) call?.(gfn, level, count);
        continue;
      }
      after = this.stored(store, verdict, level, fills);
      if (store !== QUIET) this.tell(store, verdict, word, level, gfn, count);
    }
    const effects = effectsOf(verdict);
    if (effects !== 0) this.applyEffects(effects, gfn, level, count);
    return after;
  }

  /** The word a step stores. */
  private stored(store: number, verdict: number, level: number, fills: boolean): number {
    if (store === EMPTY) return EMPTY_WORD;
    return store === TABLE ? uniformWord(level - 1, fills ? attrOf(verdict) : 0, tableAttrOf(verdict)) : leafWord(level, attrOf(verdict));
  }

  /** Tells of a store. A leaf or nothing in a table's place takes with it what the table held. */
  private tell(store: number, verdict: number, word: number, level: number, gfn: number, count: number): void {
    const attr = store === EMPTY ? 0 : store === TABLE ? tableAttrOf(verdict) : attrOf(verdict);
    const kind = store === EMPTY ? Empty : store === TABLE ? Table : this.leafKind(attr);
    if (store !== TABLE && this.fromKind === Table) this.removeSubtree(word, level, this.tree.gfn, count);
    this.book.changed(gfn, level, this.fromKind, this.fromAttr, kind, attr, count);
    this.fromKind = kind;
    this.fromAttr = attr;
  }

  /** Brings a verdict's effects about for `count` entries. */
  applyEffects(effects: number, gfn: number, level: number, count: number): void {
    if ((effects & FlushNow) !== 0) this.mm.flushRemoteTlbs?.(gfn, level, count);
    if ((effects & Track) !== 0) this.book.track?.(gfn, level, count);
    if ((effects & MarkDirty) !== 0) this.book.markDirty?.(gfn);
    if ((effects & Count) !== 0) this.book.visited?.(gfn, level, count);
    this.pending |= effects & ~Count;
  }

  /** A visit of a range walk that changes nothing: of the effects, it is counted. */
  keep(verdict: number, gfn: number, level: number, count: number): void {
    if ((effectsOf(verdict) & Count) !== 0) this.book.visited?.(gfn, level, count);
  }

  /**
   * Accounts for the removal of everything below `count` equal table entries of `level`: the entries of each table, tables before what
   * they hold.
   */
  removeSubtree(word: number, level: number, gfn: number, count: number): void {
    this.book.subtreeRemoved?.(gfn, level, count);
    this.accountTable(word, level, gfn, count);
  }

  private accountTable(word: number, level: number, gfn: number, count: number): void {
    const { tree } = this;
    const { entries } = tree.geometry;
    this.goneTables += count;
    this.mm.freePage?.(gfn, level, count);
    if (tree.ownsEntries(word)) {
      const span = tree.geometry.pagesAt(level - 1);
      for (let i = 0; i < entries; i++) this.accountEntry(tree.entryWord(word, level, i), level - 1, gfn + i * span, count);
    } else if (tree.ownsLeaves(word)) {
      const histogram = this.histogram.fill(0);
      tree.histogramOf(word, histogram);
      for (let attr = 1; attr < this.attrs.count; attr++) {
        const n = histogram[attr];
        if (n !== 0) this.accountLeaf(attr, 1, gfn, n * count);
      }
    } else {
      this.accountEntry(tree.entryWord(word, level, 0), level - 1, gfn, count * entries);
    }
  }

  private accountEntry(word: number, level: number, gfn: number, count: number): void {
    if (word === EMPTY_WORD) return;
    const { tree } = this;
    const attr = tree.leafAttrOf(word, level);
    if (attr >= 0) {
      this.accountLeaf(attr, level, gfn, count);
      return;
    }
    this.accountTable(word, level, gfn, count);
    // The cursor stays: the entry above is yet to be written.
    this.book.changed(gfn, level, Table, tree.tableAttrOf(word), Empty, 0, count);
  }

  private accountLeaf(attr: number, level: number, gfn: number, count: number): void {
    this.goneLeaves += count;
    this.book.changed(gfn, level, this.leafKind(attr), attr, Empty, 0, count);
  }

  private leafKind(attr: number): EntryKind {
    return this.attrs.special[attr] === 0 ? Leaf : Special;
  }
}
