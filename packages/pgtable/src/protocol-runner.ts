/**
 * What a protocol's steps amount to when nobody comes between them: the word an entry becomes, and everything to be told on the way.
 *
 * The runner stores nothing. It tells the bookkeeper of transitions and the world of its calls (allocation, flushes, cache maintenance), for one entry or
 * for `count` equal neighbours at once, and answers with the new word; the caller stores it.
 */
import { Effect, EntryKind, InvariantError, Step, verdictAttr, verdictTableAttr } from '@mmulab/api';
import type { Protocol } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import type { Bookkeeper, MmOps } from './mm-ops';
import { EMPTY_WORD, INDEX_MASK, KIND_MASK, LEAF_TABLE, NODE, UNIFORM, childWord, leafWord, wordAttr, wordMapLevel, uniformWord } from './word';
import type { TableTree } from './table-tree';

const { Empty, Leaf, Table, Special } = EntryKind;
const { FlushNow, Track, MarkDirty, Count } = Effect;

/** The bit in a packed verdict. */
const COUNTED = Count << 18;

/** Runs protocols over one tree. */
export class ProtocolRunner {
  /** Effect bits asked for since the caller last cleared them. */
  pending = 0;
  private readonly histogram = new Int32Array(256);

  constructor(
    private readonly tree: TableTree,
    private readonly attrs: AttrTable,
    private readonly book: Bookkeeper,
    private readonly mm: MmOps,
  ) {}

  /**
   * Accounts a protocol for `count` equal entries; the tree's cursor is on the first of them, and stays.
   * @param word what they hold, of `level`
   * @param gfn a frame of the first of them
   * @returns the word they become
   */
  run(protocol: Protocol, verdict: number, word: number, level: number, gfn: number, count: number): number {
    const tree = this.tree;
    const oldKind = tree.kind;
    // What the next store replaces: the entry read, then what the protocol's own earlier stores left.
    let fromKind: EntryKind = oldKind;
    let fromAttr = oldKind === Table ? tree.tableAttr : tree.attr;
    const attr = verdictAttr(verdict);
    const tableAttr = verdictTableAttr(verdict);
    let after = word;
    let filled = 0;
    for (const step of protocol.steps) {
      switch (step) {
        case Step.AllocTable:
          this.mm.zallocPage?.(gfn, level, count);
          break;
        case Step.FillTable:
          filled = attr;
          break;
        case Step.CasLeaf:
        case Step.WriteLeaf:
          if (fromKind === Table) this.removeSubtree(word, level, tree.gfn, count);
          after = leafWord(level, attr);
          this.book.changed(gfn, level, fromKind, fromAttr, this.leafKind(attr), attr, count);
          fromKind = this.leafKind(attr);
          fromAttr = attr;
          break;
        case Step.CasQuiet:
          after = leafWord(level, attr);
          break;
        case Step.CasTable:
        case Step.WriteTable:
          after = uniformWord(level - 1, filled, tableAttr);
          this.book.changed(gfn, level, fromKind, fromAttr, Table, tableAttr, count);
          break;
        case Step.WriteEmpty:
          if (fromKind === Table) this.removeSubtree(word, level, tree.gfn, count);
          after = EMPTY_WORD;
          this.book.changed(gfn, level, fromKind, fromAttr, Empty, 0, count);
          fromKind = Empty;
          fromAttr = 0;
          break;
        case Step.CasFreeze:
        case Step.RemoveSubtree:
          break;
        case Step.FreeSubtree:
        case Step.DeferFree:
          if (oldKind === Table) this.callOut(step, gfn, level, count);
          break;
        default:
          this.callOut(step, gfn, level, count);
      }
    }
    const effects = (verdict >> 18) & 63;
    if (effects !== 0) this.applyEffects(effects, gfn, level, count);
    return after;
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
    if ((verdict & COUNTED) !== 0) this.book.visited?.(gfn, level, count);
  }

  /** Steps that are calls into the surrounding world. */
  private callOut(step: Step, gfn: number, level: number, count: number): void {
    const mm = this.mm;
    switch (step) {
      case Step.Flush:
        mm.flushRemoteTlbs?.(gfn, level, count);
        break;
      case Step.Tlbi:
        mm.tlbi?.(gfn, level, count);
        break;
      case Step.DcacheClean:
        mm.dcacheCleanInvalPoc?.(gfn, level, count);
        break;
      case Step.IcacheInval:
        mm.icacheInvalPou?.(gfn, level, count);
        break;
      case Step.GetPage:
        mm.getPage?.(gfn, level, count);
        break;
      case Step.PutPage:
        mm.putPage?.(gfn, level, count);
        break;
      case Step.FreeSubtree:
        mm.freePage?.(gfn, level, count);
        break;
      case Step.DeferFree:
        mm.deferFree?.(gfn, level, count);
        break;
      default:
        throw new InvariantError('ENGINE_STEP', `no such protocol step: ${step}`, gfn, level, '');
    }
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
    const g = this.tree.geometry;
    const kind = word & KIND_MASK;
    this.mm.freePage?.(gfn, level, count);
    if (kind === NODE) {
      const first = (word & INDEX_MASK) * g.entries;
      const span = g.pagesAt(level - 1);
      for (let i = 0; i < g.entries; i++) {
        const child = this.tree.nodes.words[first + i];
        if (child !== EMPTY_WORD) this.accountEntry(child, level - 1, gfn + i * span, count);
      }
    } else if (kind === LEAF_TABLE) {
      const histogram = this.histogram.fill(0);
      this.tree.leaves.histogram(word & INDEX_MASK, histogram);
      for (let attr = 1; attr < this.attrs.count; attr++) {
        const n = histogram[attr];
        if (n !== 0) this.accountLeaf(attr, 1, gfn, n * count);
      }
    } else {
      const child = childWord(word, level);
      if (child !== EMPTY_WORD) this.accountEntry(child, level - 1, gfn, count * g.entries);
    }
  }

  private accountEntry(word: number, level: number, gfn: number, count: number): void {
    if ((word & KIND_MASK) === UNIFORM && wordMapLevel(word) === level) {
      this.accountLeaf(wordAttr(word), level, gfn, count);
      return;
    }
    this.accountTable(word, level, gfn, count);
    // The cursor stays: the entry above is yet to be written.
    this.book.changed(gfn, level, Table, this.tree.words.tableAttrOf(word), Empty, 0, count);
  }

  private accountLeaf(attr: number, level: number, gfn: number, count: number): void {
    this.book.changed(gfn, level, this.leafKind(attr), attr, Empty, 0, count);
  }

  private leafKind(attr: number): EntryKind {
    return this.attrs.special[attr] === 0 ? Leaf : Special;
  }
}
