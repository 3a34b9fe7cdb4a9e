/**
 * Page tables that several walks share while they are under way: what the interleaved driver adds to a table tree.
 *
 * A table that loses its place in the tree is not gone at once. Walks may still stand in it; until its remover has accounted for it (`RemoveSubtree`)
 * they go on reading and changing its entries, which the remover then meets; afterwards every entry of it reads as locked; and it is freed
 * when all read-side walks that were under way have ended (`DeferFree`). So an unlinked table moves to a *limbo*, a root of its own at the same
 * frames, and every walk that stands in it goes along. Whatever breaks these rules is thrown as an `InvariantError`.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c handle_removed_pt(), tdp_mmu_free_sp_rcu_callback(); the same life holds for any RCU-freed radix table.
 */
import { EntryKind } from '@mmulab/api';
import type { EngineParts } from './engine';
import { freedInUse, readFreed, tableGone, wroteRemoved } from './errors';
import { EMPTY_WORD, leafWord } from './word';
import { TableTree } from './table-tree';

/** What shared tables are made from. */
export interface SharedTablesParts extends Pick<EngineParts, 'geometry' | 'attrs' | 'protocols' | 'book' | 'mmOps'> {
  /** Special attribute of an entry some walk has frozen, and of all entries of a removed table. */
  readonly locked: number;
}

/** Life of an unlinked table: its entries live on, then read as locked, then it waits for readers. */
export const LimboStage = { Unlinked: 0, Removed: 1, Deferred: 2 } as const;
export type LimboStage = (typeof LimboStage)[keyof typeof LimboStage];

/** Sees one entry. Tables come before what they hold. */
export type EntryVisitor = (level: number, gfn: number, kind: EntryKind, attr: number, tableAttr: number) => void;

/** What the tables know of a walk under way in them (interleave-frame.ts). */
export interface SharedWalk {
  /** The entry it stands on: level, and a frame of it. */
  readonly level: number;
  readonly gfn: number;
  /** Root under which it found the table of each level; kept up to date when a table moves to limbo. */
  readonly roots: Int32Array;
  /** Whether unlinked tables wait for its end before they are freed. */
  readonly isReader: boolean;
  /** A table page is taken and not yet linked. */
  readonly hasPending: boolean;
  /** The entry is frozen by this walk. */
  readonly hasFrozen: boolean;
  /** A table has taken a split leaf's place and lacks its parts. */
  readonly hasUnfilled: boolean;
  /** Whether the protocol under way has a flush or invalidation before it. */
  readonly owesFlushStep: boolean;
  /** What its next step is, for schedules. */
  readonly nextName: string;
  /** Set when another walk replaces the table at its entry. */
  isReplaced: boolean;
  /** Set to the root of the limbo that holds what it unlinked. */
  unlinked: number;
  /** Whether it stands in a table under a root. */
  standsIn(root: number): boolean;
  /** Shows the leaf it has frozen and not yet accounted for, if there is one. */
  visitFrozen(visit: EntryVisitor): void;
}

/** An unlinked table with all below it. */
interface Limbo {
  readonly root: number;
  /** Level and first frame of the entry that pointed to it. */
  readonly level: number;
  readonly gfn: number;
  stage: LimboStage;
  /** Tables in it, once they are accounted for. */
  tables: number;
  /** Walks whose end it waits for. */
  readonly readers: Set<SharedWalk>;
}

/** Tables of one kind, the walks under way in them, and what became of tables that were unlinked. */
export class SharedTables {
  readonly tree: TableTree;
  /** Walks under way, in order of their start. */
  readonly walks: SharedWalk[] = [];
  /** Table pages taken, and given back, so far. */
  taken = 0;
  freed = 0;
  /** Stores so far: a walk that finds nothing to do waits until this moves. */
  version = 0;
  private readonly limbo: Limbo[] = [];
  private readonly roots: number[] = [];

  constructor(readonly parts: SharedTablesParts) {
    this.tree = new TableTree(parts.geometry, parts.attrs);
  }

  createRoot(): number {
    const root = this.tree.createRoot();
    this.roots.push(root);
    return root;
  }

  /** A walk begins. Read-side walks keep unlinked tables from being freed until they end. */
  begin(walk: SharedWalk): void {
    this.walks.push(walk);
  }

  /** A walk ends: tables that waited for it alone are freed. */
  end(walk: SharedWalk): void {
    this.walks.splice(this.walks.indexOf(walk), 1);
    for (const entry of [...this.limbo]) if (entry.readers.delete(walk) && entry.readers.size === 0) this.free(entry);
  }

  /** Puts the tree's cursor on the entry a walk stands on; entries of removed tables read as locked. */
  enter(walk: SharedWalk): void {
    const { level, gfn } = walk;
    const root = walk.roots[level];
    if (this.isRemoved(root)) {
      this.tree.place(level, leafWord(level, this.parts.locked), gfn);
      return;
    }
    this.tree.locate(root, gfn, level);
    if (this.tree.level !== level) throw tableGone(gfn, level, this.dump());
  }

  /** Stores a leaf, a special attribute or nothing (0) at a walk's entry. A table that stood there is unlinked. */
  storeAttr(walk: SharedWalk, attr: number): void {
    this.enterToWrite(walk);
    if (this.tree.kind === EntryKind.Table) this.unlink(walk);
    this.tree.writeAttr(attr);
    this.version++;
  }

  /** Links a table whose entries all hold `childAttr` at a walk's entry. */
  storeTable(walk: SharedWalk, childAttr: number, tableAttr: number): void {
    this.enterToWrite(walk);
    if (this.tree.kind === EntryKind.Table) this.unlink(walk);
    this.tree.writeTable(childAttr, tableAttr);
    this.version++;
  }

  /** Stores `childAttr` in every entry of the table below a walk's entry, which others may have seen already. */
  fillLinked(walk: SharedWalk, childAttr: number): void {
    this.enterToWrite(walk);
    if (this.tree.kind === EntryKind.Table) this.tree.writeTable(childAttr, this.tree.tableAttr);
    this.version++;
  }

  /** Accounts for all that an unlinked table holds and locks its entries (`RemoveSubtree`). */
  remove(limbo: number): void {
    const entry = this.limboOf(limbo);
    if (entry?.stage !== LimboStage.Unlinked) return;
    const { root, level, gfn } = entry;
    this.parts.book.subtreeRemoved?.(gfn, level, 1);
    entry.tables = this.account(root, level, gfn);
    entry.stage = LimboStage.Removed;
    this.version++;
  }

  /** Frees a removed table at once (`FreeSubtree`), or when the read-side walks under way have ended (`DeferFree`). */
  release(limbo: number, deferred: boolean): void {
    const entry = this.limboOf(limbo);
    if (entry?.stage !== LimboStage.Removed) return;
    entry.stage = LimboStage.Deferred;
    if (deferred) for (const walk of this.walks) if (walk.isReader) entry.readers.add(walk);
    if (entry.readers.size === 0) this.free(entry);
  }

  /** Tables taken and not yet given back that are neither linked, pending nor unlinked: leaked ones. Below 0: given back twice. */
  leaked(linkedAtFirst: number): number {
    let held = this.linkedTables() + this.limboTables();
    for (const walk of this.walks) if (walk.hasPending) held++;
    return linkedAtFirst + this.taken - this.freed - held;
  }

  /** Tables linked below all roots. */
  linkedTables(): number {
    let count = 0;
    for (const root of this.roots) count += this.tree.tablesBelow(root);
    return count;
  }

  /** Unlinked tables not yet freed. */
  get unlinkedCount(): number {
    return this.limbo.length;
  }

  /**
   * Shows all non-empty entries that the bookkeeper takes to be there: those linked, those of tables unlinked but not yet accounted for, and
   * leaves that are frozen to be removed.
   */
  forEachEntry(visit: EntryVisitor): void {
    this.forEachLinked(visit);
    for (const entry of this.limbo) if (entry.stage === LimboStage.Unlinked) this.visitTable(entry.root, entry.level, entry.gfn, visit);
    for (const walk of this.walks) walk.visitFrozen(visit);
  }

  /** Appends what decides about the future to a key: entries, limbo. Equal states give equal keys. */
  appendKey(key: number[]): void {
    const visit: EntryVisitor = (level, gfn, kind, attr, tableAttr) => key.push(gfn * 8 + level, kind * 4096 + attr * 16 + tableAttr);
    this.forEachLinked(visit);
    for (const entry of this.limbo) {
      key.push(-1, entry.stage, entry.level, entry.gfn);
      if (entry.stage === LimboStage.Unlinked) this.visitTable(entry.root, entry.level, entry.gfn, visit);
      for (const reader of entry.readers) key.push(-2 - this.walks.indexOf(reader));
    }
  }

  /** A short name for a root in keys: its place among roots and limbos, which does not depend on how storage was recycled. */
  rootName(root: number): number {
    const place = this.roots.indexOf(root);
    return place >= 0 ? place : this.roots.length + this.limbo.findIndex(entry => entry.root === root);
  }

  /** The cursor's entry, for messages. */
  dump(): string {
    const { kind, attr, tableAttr, level } = this.tree;
    return `kind ${kind} level ${level} attr 0x${this.parts.attrs.bits[attr].toString(16)} table 0x${tableAttr.toString(16)}`;
  }

  private limboOf(root: number): Limbo | undefined {
    return this.limbo.find(entry => entry.root === root);
  }

  private isRemoved(root: number): boolean {
    const entry = this.limboOf(root);
    if (entry === undefined && !this.roots.includes(root)) throw readFreed(this.tree.gfn, this.tree.level, this.dump());
    return entry !== undefined && entry.stage !== LimboStage.Unlinked;
  }

  private enterToWrite(walk: SharedWalk): void {
    this.enter(walk);
    if (this.isRemoved(walk.roots[walk.level])) throw wroteRemoved(walk.gfn, walk.level, this.dump());
  }

  /** Moves the table below a walk's entry, the cursor's, to limbo, with the walks that stand in it. Leaves the cursor where it was. */
  private unlink(by: SharedWalk): void {
    const { tree } = this;
    const { level } = by;
    const from = by.roots[level];
    const word = tree.cursorWord();
    const gfn = tree.gfn;
    const end = gfn + this.parts.geometry.pagesAt(level);
    const root = tree.createRoot();
    for (let above = this.parts.geometry.levels; above > level; above--) {
      tree.locate(root, gfn, above);
      tree.writeTable(0, 0);
    }
    this.copy(word, root, level, gfn);
    for (const walk of this.walks) {
      if (walk.gfn < gfn || walk.gfn >= end || walk.level > level) continue;
      if (walk !== by && walk.level === level && walk.roots[level] === from) walk.isReplaced = true;
      for (let below = walk.level; below < level; below++) if (walk.roots[below] === from) walk.roots[below] = root;
    }
    this.limbo.push({ root, level, gfn, stage: LimboStage.Unlinked, tables: 0, readers: new Set() });
    by.unlinked = root;
    this.enter(by);
  }

  /** Stores the content of a word of one root, which stays as it is, in another root. */
  private copy(word: number, root: number, level: number, gfn: number): void {
    const { tree } = this;
    tree.shareWord(word);
    if (!tree.ownsEntries(word)) {
      tree.setWordAt(root, level, gfn, word);
      return;
    }
    const { entries } = this.parts.geometry;
    tree.locate(root, gfn, level);
    tree.writeTable(0, tree.tableAttrOf(word));
    for (let i = 0; i < entries; i++) {
      const child = tree.entryWord(word, level, i);
      if (child !== EMPTY_WORD) this.copy(child, root, level - 1, gfn + i * this.parts.geometry.pagesAt(level - 1));
    }
  }

  /** Tells the bookkeeper that a table goes with all it holds, in the order of the engine. @returns how many tables it was */
  private account(root: number, level: number, gfn: number): number {
    const { mmOps, book } = this.parts;
    mmOps.freePage?.(gfn, level, 1);
    let tables = 1;
    for (const at of this.childFrames(level, gfn)) {
      this.tree.locate(root, at, level - 1);
      const { kind, attr, tableAttr } = this.tree;
      if (kind === EntryKind.Empty) continue;
      if (kind === EntryKind.Table) tables += this.account(root, level - 1, at);
      book.changed(at, level - 1, kind, kind === EntryKind.Table ? tableAttr : attr, EntryKind.Empty, 0, 1);
    }
    return tables;
  }

  private free(entry: Limbo): void {
    const inside = this.walks.find(walk => walk.standsIn(entry.root));
    if (inside !== undefined) throw freedInUse(inside.gfn, inside.level, `table below level ${entry.level}`);
    this.limbo.splice(this.limbo.indexOf(entry), 1);
    this.freed += entry.tables;
    this.tree.freeRoot(entry.root);
  }

  private limboTables(): number {
    let count = 0;
    for (const { root, level, gfn, stage, tables } of this.limbo) {
      if (stage === LimboStage.Unlinked) count += this.tree.tablesOf(this.tree.wordAt(root, level, gfn), level);
      else count += tables;
    }
    return count;
  }

  private forEachLinked(visit: EntryVisitor): void {
    const { levels, limit } = this.parts.geometry;
    const span = this.parts.geometry.pagesAt(levels);
    for (const root of this.roots) for (let gfn = 0; gfn < limit; gfn += span) this.visitEntry(root, levels, gfn, visit);
  }

  private visitTable(root: number, level: number, gfn: number, visit: EntryVisitor): void {
    for (const at of this.childFrames(level, gfn)) this.visitEntry(root, level - 1, at, visit);
  }

  private visitEntry(root: number, level: number, gfn: number, visit: EntryVisitor): void {
    this.tree.locate(root, gfn, level);
    const { kind, attr, tableAttr } = this.tree;
    if (kind === EntryKind.Empty) return;
    visit(level, gfn, kind, attr, tableAttr);
    if (kind === EntryKind.Table) this.visitTable(root, level, gfn, visit);
  }

  private childFrames(level: number, gfn: number): number[] {
    const { entries } = this.parts.geometry;
    const span = this.parts.geometry.pagesAt(level - 1);
    return Array.from({ length: entries }, (_, i) => gfn + i * span);
  }
}
