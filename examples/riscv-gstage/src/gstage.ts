/**
 * The G-stage tables of one VM: every walk over them, and what is counted when an entry changes.
 *
 * No table is ever freed: an unmapped range keeps its tables, one that a leaf is written over is lost, and when the VM goes only the root does. Walks over a range
 * take one leaf after the other. Before 7.2 such a walk adds the size of each entry it meets to the address, holes too: from the middle of a hole it gets to the
 * middle of the next entry, and leaves what lies before it alone.
 *
 * Models: Linux arch/riscv/kvm/gstage.c (6.12: mmu.c). Hot path: `allows`, `map`.
 */
import { EntryKind } from '@mmulab/api';
import type { Counters, Entry, MemslotSpec, Rule, Translation } from '@mmulab/api';
import { Geometry } from '@mmulab/pgtable';
import type { Memslots, WorkCounts } from '@mmulab/kvm';
import type { Bookkeeper, Engine, EngineFactory, Journal, MmOps, PageCache, RangeOptions, RunProgram } from '@mmulab/pgtable';
import type { Policy } from './definition';
import { Ev } from './events';
import type { FenceRings } from './fence-rings';
import { Ptes } from './pte';
import { AccessedRule, ClearRule, FixRule, MapRule, ProtectRule, protocols } from './rules';
import type { LeafOp } from './rules';

const LEAVES: RangeOptions<object> = { minLevel: 1, tables: false, specials: false };
const NO_OP = {};
const ENTRIES = 512;
/** The root has four times the entries of a table. */
const ROOT_TABLES = 4;
/** What changes entries at the moment. */
const Cause = { Fault: 0, Protect: 1, Clear: 2 } as const;

/** Shape of the tables: the root included, and four tables wide. */
export function geometryOf({ levels }: Policy): Geometry {
  return new Geometry(ENTRIES, levels, ROOT_TABLES);
}

export class Gstage implements Bookkeeper, Journal, MmOps {
  private isDestroyed = false;
  readonly geometry: Geometry;
  private readonly work: WorkCounts;
  readonly ptes = new Ptes();
  /** Tables that nothing points to any more, which stay for good. */
  private orphans = 0;
  private readonly orphansBefore: number[] = [];
  private readonly engine: Engine;
  private readonly root: number;
  private readonly mapRule: MapRule;
  private readonly fixRule = new FixRule(this.ptes);
  private readonly youngRule = new AccessedRule(this.ptes, true);
  private readonly oldRule = new AccessedRule(this.ptes, false);
  private readonly protectRule: ProtectRule;
  private readonly clearRule: ClearRule;
  private readonly op: LeafOp = { attr: 0 };
  private cause: number = Cause.Fault;

  constructor(
    engines: EngineFactory,
    { geometry, frameMaps, work }: Memslots,
    private readonly counters: Counters,
    private readonly rings: FenceRings,
    private readonly policy: Policy,
  ) {
    const { ptes } = this;
    this.geometry = geometry;
    this.work = work;
    this.engine = engines.makeEngine({ geometry, attrs: ptes.table, protocols, book: this, mmOps: this, frameMaps, counters, work });
    this.root = this.engine.createRoot();
    this.mapRule = new MapRule(policy);
    this.protectRule = new ProtectRule(policy, ptes, geometry.span);
    this.clearRule = new ClearRule(policy, geometry.span);
  }

  /** get_leaf: the lowest entry for a frame. The engine's cursor: read it before the next call. */
  lookup(gfn: number): Entry {
    return this.engine.lookup(this.root, gfn, 1);
  }

  /** The hardware's walk. @returns whether the access passes */
  allows(gfn: number, kind: number): boolean {
    const entry = this.engine.lookup(this.root, gfn, 1);
    if (entry.kind !== EntryKind.Leaf || !this.ptes.allows(entry.attr, kind)) return false;
    if (!this.ptes.isYoung(entry.attr)) this.engine.page(this.youngRule, NO_OP, this.root, gfn, 1);
    return true;
  }

  /** map_page. @param goal level wanted; @returns an Outcome */
  map(gfn: number, goal: number, writable: boolean): number {
    this.op.attr = writable ? this.ptes.writable : this.ptes.readOnly;
    const found = this.policy.inPlace ? this.lookup(gfn) : undefined;
    const level = found?.kind === EntryKind.Leaf && found.level < goal ? found.level : goal;
    return this.engine.page(this.mapRule, this.op, this.root, gfn, level);
  }

  /** The fast path on a mapped page of level 1. */
  fix(gfn: number): void {
    this.engine.page(this.fixRule, NO_OP, this.root, gfn, 1);
  }

  /** wp_range. */
  protect(start: number, end: number): void {
    this.add(Ev.wrprotect, 1);
    this.add(Ev.wrprotectBytes, (end - start) * 4096);
    this.range(Cause.Protect, this.protectRule, start, end);
  }

  /** unmap_range. */
  unmap(start: number, end: number): void {
    this.range(Cause.Clear, this.clearRule, start, end);
  }

  /** What of the whole address space lies in a range goes with the VM. @returns whether anything did */
  clear(start: number, end: number): boolean {
    this.cause = Cause.Clear;
    return this.walk(this.clearRule, start, end) !== 0;
  }

  /** age_gfn: the leaf at a frame loses A. @returns whether it had it */
  age(gfn: number): boolean {
    const { kind, attr } = this.lookup(gfn);
    const isYoung = kind === EntryKind.Leaf && this.ptes.isYoung(attr);
    this.work.leaves(kind === EntryKind.Leaf ? 1 : 0, isYoung ? 1 : 0);
    if (!isYoung) return false;
    this.engine.page(this.oldRule, NO_OP, this.root, gfn, 1);
    return true;
  }

  /** What a frame translates to. @param spec the memslot it lies in */
  translate(gfn: number, spec: MemslotSpec | undefined): Translation | undefined {
    if (this.isDestroyed) return undefined;
    const { kind, attr, level } = this.lookup(gfn);
    if (kind !== EntryKind.Leaf) return undefined;
    const pfn = (spec === undefined ? gfn : spec.hvf + gfn - spec.baseGfn) - (gfn % this.geometry.pagesAt(level));
    const rights = { readable: true, writable: this.ptes.isWritable(attr), executable: true };
    return { level, ...rights, accessed: this.ptes.isYoung(attr), dirty: true, descriptor: this.ptes.descriptor(attr, pfn) };
  }

  /** The engine's number of the root. */
  get rootIndex(): number {
    return this.root;
  }

  /** Memory of single accesses, if this run's engines have one. */
  get pages(): PageCache | undefined {
    return this.engine.pageCache;
  }

  /** Runs a page-by-page program, lifted. */
  run(program: RunProgram, start: number, end: number): void {
    this.engine.run(program, this.root, start, end);
  }

  /** Tables that are held, the root's four pages among them. */
  get tables(): number {
    return this.orphans + (this.isDestroyed ? 0 : this.engine.tableCount(this.root));
  }

  /** Lets go of the root: nobody finds the tables below it any more. */
  destroy(): void {
    this.orphans = this.tables - ROOT_TABLES;
    this.isDestroyed = true;
    this.engine.freeRoot(this.root);
  }

  // Journal of lifted runs: tables that were lost.

  open(): void {
    this.orphansBefore.push(this.orphans);
  }

  close(): unknown {
    const lost = this.orphans - (this.orphansBefore.pop() ?? 0);
    return lost === 0 ? undefined : lost;
  }

  replay(effects: unknown): void {
    this.orphans += effects as number;
  }

  private range(cause: number, rule: Rule<object>, start: number, end: number): void {
    this.cause = cause;
    const effects = this.policy.realign ? this.walk(rule, start, end) : this.walkUnaligned(rule, start, end);
    this.cause = Cause.Fault;
    if (effects !== 0) this.rings.request(end - start, end - start, 1);
  }

  /** The walk of 6.12. Once it is at the beginning of an entry it goes on from beginning to beginning, up to the end of the table. */
  private walkUnaligned(rule: Rule<object>, start: number, end: number): number {
    let effects = 0;
    for (let at = start; at < end;) {
      const { level } = this.lookup(at);
      const size = this.geometry.pagesAt(level);
      if (at % size !== 0) {
        at += size;
        continue;
      }
      const above = this.geometry.pagesAt(level + 1);
      const stop = Math.min(end, at - (at % above) + above);
      effects |= this.walk(rule, at, stop);
      at = stop;
    }
    return effects;
  }

  private walk(rule: Rule<object>, start: number, end: number): number {
    return this.engine.range(rule, NO_OP, this.root, start, end, LEAVES);
  }

  // Bookkeeper and MmOps: told of every transition, and of `count` equal ones at once where a range is lifted.

  changed(_gfn: number, level: number, oldKind: EntryKind, oldAttr: number, newKind: EntryKind, newAttr: number, count: number): void {
    if (newKind === EntryKind.Table) {
      if (oldKind === EntryKind.Leaf) this.add(Ev.split + level, count);
    } else if (newKind === EntryKind.Empty) {
      // What is in a table that a leaf is written over is lost, not taken away.
      if (this.cause === Cause.Clear) this.add(Ev.zap + level, count);
    } else if (this.cause === Cause.Protect) {
      this.add(Ev.protect + level, count);
      if (oldAttr !== newAttr) this.add(Ev.protectChanged, count);
    } else if (oldKind === EntryKind.Leaf) {
      this.add((oldAttr === newAttr ? Ev.same : Ev.update) + level, count);
    } else {
      this.add(Ev.install + level, count);
      if (oldKind === EntryKind.Table) this.add(Ev.overwritten, count);
    }
  }

  freePage(_gfn: number, _level: number, count: number): void {
    this.orphans += count;
  }

  zallocPage(_gfn: number, _level: number, count: number): void {
    this.add(Ev.tableAlloc, count);
  }

  flushRemoteTlbs(_gfn: number, level: number, count: number): void {
    this.rings.request(this.geometry.pagesAt(level), 1, count);
  }

  private add(index: number, amount: number): void {
    const now = this.counters.now;
    now[index] = now[index] + amount;
  }
}
