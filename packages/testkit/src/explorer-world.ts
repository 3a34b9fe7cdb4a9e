/**
 * A world of shared page tables for the explorer: agents, mmu_lock, a translation buffer per vCPU, and what must hold after every step.
 *
 * Any architecture's protocols can be explored: it says which attributes are locked, what a leaf grants, and how its counters follow from its entries
 * (`ExploredTables`). Checked after each step: pages that must stay translated do; no translation that a vCPU may have cached outlives the flush that has
 * to take it away; no table page is leaked; counters hold what the tables hold. A table that takes a leaf's place holds its
 * parts. The walks themselves throw when a table is written after its removal, or freed while somebody stands in it.
 *
 * A vCPU may keep a translation until it is flushed. While the frame stays mapped, a flush that follows the change is enough. Where an entry is emptied, anything
 * may be mapped there next: the flush must come first, unless the operation holds others off until it has flushed.
 */
import { EntryKind } from '@mmulab/api';
import { SharedTables } from '@mmulab/pgtable';
import type { MmOps, SharedTablesParts } from '@mmulab/pgtable';
import type { ExploredWorld } from './explored-world';
import {
  countersDiffer,
  entryLocked,
  entryLost,
  tableLeaked,
  tableNotFreed,
  tableUnfilled,
  translationConflict,
  translationStale,
} from './explorer-errors';
import { PhaseAgent, ReadWriteLock } from './explorer-agent';
import type { Phase } from './explorer-agent';

/** What the explorer has to know of an architecture's tables beyond their protocols. */
export interface ExploredTables extends SharedTablesParts {
  /** What a leaf of an attribute lets a vCPU do, as bits: a cached translation with a bit that its leaf has lost is stale. */
  grants(attr: number): number;
  /** An entry must be invalid, and its translations gone, before another level maps the page: cached ones of two sizes would conflict. */
  readonly breaksBeforeMaking?: boolean;
  /**
   * What is wrong with the counters, or undefined.
   * @param leaves leaves that are mapped, by level
   * @param atEnd all agents are done
   */
  complaint?(leaves: readonly number[], tables: SharedTables, atEnd: boolean): string | undefined;
  /** Appends what the architecture keeps beside the tables and what decides about the future. */
  appendKey?(key: number[]): void;
}

/** A translation a vCPU may use without asking the tables. */
interface Cached {
  readonly vcpu: string;
  readonly level: number;
  readonly gfn: number;
  readonly grants: number;
}

/** Agents over shared tables with one root. */
export class TablesWorld implements ExploredWorld {
  readonly tables: SharedTables;
  readonly root: number;
  readonly lock = new ReadWriteLock();
  readonly agents: PhaseAgent[] = [];
  private cached: Cached[] = [];
  private linkedAtFirst = 0;
  private readonly kept = new Map<number, number>();

  constructor(private readonly subject: ExploredTables) {
    this.tables = new SharedTables({ ...subject, mmOps: this.listenTo(subject.mmOps) });
    this.root = this.tables.createRoot();
  }

  /** Adds an agent. Tables that are there when the first one comes are taken for granted. */
  add(name: string, phases: readonly Phase[]): void {
    if (this.agents.length === 0) this.linkedAtFirst = this.tables.linkedTables() - this.tables.taken + this.tables.freed;
    this.agents.push(new PhaseAgent(name, this, phases));
  }

  /** From now on pages [start, end) must stay translated with all they are granted now. */
  keep(start: number, end: number): void {
    for (let gfn = start; gfn < end; gfn++) {
      const granted = this.grantedAt(gfn);
      if (granted > 0) this.kept.set(gfn, granted);
    }
  }

  /** What the tables grant at a page; 0 when nothing is mapped, -1 when its entry is locked. */
  grantedAt(gfn: number): number {
    const { tree, parts } = this.tables;
    tree.locate(this.root, gfn, 1);
    if (tree.kind === EntryKind.Special && tree.attr === parts.locked) return -1;
    return tree.kind === EntryKind.Leaf ? this.subject.grants(tree.attr) : 0;
  }

  /** A vCPU caches the translation its walk found. */
  cache(vcpu: string, level: number, gfn: number, attr: number): void {
    const span = this.tables.parts.geometry.pagesAt(level);
    const found = { vcpu, level, gfn: gfn - (gfn % span), grants: this.subject.grants(attr) };
    this.cached = [...this.cached.filter(other => other.vcpu !== vcpu || other.gfn !== found.gfn || other.level !== level), found];
  }

  /** All vCPUs drop all translations; walks of their hardware start again. */
  flushAll(): void {
    this.cached = [];
    for (const { hardwareWalk } of this.agents) hardwareWalk?.restart();
  }

  /** The same for the translations that overlap an entry. */
  flushEntry(level: number, gfn: number): void {
    const span = this.tables.parts.geometry.pagesAt(level);
    const start = gfn - (gfn % span);
    this.cached = this.cached.filter(other => other.gfn + this.tables.parts.geometry.pagesAt(other.level) <= start || other.gfn >= start + span);
    for (const { hardwareWalk } of this.agents) hardwareWalk?.restart();
  }

  /** Something beside the tables changed that a waiting agent may wait for. */
  touched(): void {
    this.tables.version++;
  }

  key(): string {
    const key: number[] = [];
    this.tables.appendKey(key);
    for (const agent of this.agents) agent.appendKey(key);
    for (const { vcpu, level, gfn, grants } of this.cached) {
      const agent = this.agents.findIndex(({ name }) => name === vcpu);
      key.push(agent, level, gfn, grants);
    }
    this.subject.appendKey?.(key);
    return key.join();
  }

  check(): void {
    const unfilled = this.tables.walks.find(({ hasUnfilled }) => hasUnfilled);
    if (unfilled !== undefined) throw tableUnfilled(unfilled.gfn, unfilled.level, unfilled.nextName);
    this.checkKept();
    for (const cached of this.cached) this.checkCached(cached);
    const leaked = this.tables.leaked(this.linkedAtFirst);
    if (leaked !== 0) throw tableLeaked(leaked);
    this.checkCounters(false);
  }

  checkEnd(): void {
    if (this.tables.unlinkedCount > 0) throw tableNotFreed(this.tables.unlinkedCount);
    this.tables.forEachEntry((level, gfn, kind, attr) => {
      if (kind === EntryKind.Special && attr === this.subject.locked) throw entryLocked(gfn, level, this.tables.dump());
    });
    this.checkCounters(true);
  }

  private checkKept(): void {
    for (const [gfn, granted] of this.kept) {
      const now = this.grantedAt(gfn);
      if (now < 0 || (now & granted) !== granted) throw entryLost(gfn, this.tables.dump());
    }
  }

  private checkCached({ vcpu, level, gfn, grants }: Cached): void {
    const end = gfn + this.tables.parts.geometry.pagesAt(level);
    for (let page = gfn; page < end; page++) {
      const now = this.grantedAt(page);
      if (now < 0) continue;
      if (now > 0 && this.subject.breaksBeforeMaking === true && this.tables.tree.level !== level) {
        throw translationConflict(vcpu, page, level, this.tables.dump());
      }
      if ((now & grants) === grants) continue;
      if (this.agents.some(({ owesFlush }) => owesFlush) || (now > 0 && this.owesFlushOf(page))) continue;
      throw translationStale(vcpu, page, level, this.tables.dump());
    }
  }

  /** Whether a protocol under way at an entry above a page has its flush still before it. */
  private owesFlushOf(page: number): boolean {
    return this.tables.walks.some(walk => {
      const span = this.tables.parts.geometry.pagesAt(walk.level);
      return walk.owesFlushStep && Math.floor(page / span) === Math.floor(walk.gfn / span);
    });
  }

  private checkCounters(atEnd: boolean): void {
    if (this.subject.complaint === undefined) return;
    const leaves = new Array<number>(this.tables.parts.geometry.levels + 1).fill(0);
    this.tables.forEachEntry((level, _gfn, kind) => {
      if (kind === EntryKind.Leaf) leaves[level]++;
    });
    const complaint = this.subject.complaint(leaves, this.tables, atEnd);
    if (complaint !== undefined) throw countersDiffer(complaint, leaves);
  }

  /** The architecture's callbacks, with the flushes overheard. */
  private listenTo(mmOps: MmOps): MmOps {
    const overheard: MmOps = {
      flushRemoteTlbs: (gfn, level, count) => {
        this.flushAll();
        mmOps.flushRemoteTlbs?.(gfn, level, count);
      },
      tlbi: (gfn, level, count) => {
        this.flushEntry(level, gfn);
        mmOps.tlbi?.(gfn, level, count);
      },
    };
    return Object.assign(Object.create(mmOps) as MmOps, overheard);
  }
}
