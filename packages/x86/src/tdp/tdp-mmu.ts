/**
 * The TDP MMU of one VM: its roots, and every operation that walks them.
 *
 * A root is keyed by its role. vCPUs with equal roles share it. Operations of the host go over all valid roots; what they change follows from
 * the rules in this folder, and every change passes the bookkeeper.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c.
 */
import { AccessKind, Action, Effect, EntryKind, verdictAction, verdictOutcome } from '@mmulab/api';
import type { Counters, Entry, Rule } from '@mmulab/api';
import { Geometry, leavesAhead } from '@mmulab/pgtable';
import type { Engine, EngineFactory, PageCache, RangeOptions, RunProgram } from '@mmulab/pgtable';
import { Ev } from '../events';
import type { MinLevels } from '../log-tables';
import type { LockMode, Memslot, Memslots } from '@mmulab/kvm';
import type { ListedTable } from '../nx-lists';
import type { SpteAttrs } from '../spte';
import type { VmJournal } from '../vm-journal';
import { TdpBookkeeper, markDirtyIn } from './bookkeeping';
import { type FastFaultRule, FastOp, type HardwareWalkRule, HwOp, MapOp, type TdpMapRule } from './map-rule';
import type { MapPolicy } from './map-rule';
import { contentKeyOf } from './table-content';
import { AdoptRule, OneChange, Probe, WOULD_CHANGE } from './step-rules';
import {
  type AgeRule,
  type ClearDirtyRule,
  type EagerSplitRule,
  SeenLeafRule,
  SmallLeafRule,
  type UnmapRule,
  type UnmapTablesRule,
  type WriteProtectHugeRule,
  type WriteProtectRule,
  ZapCollapsibleRule,
  ZapLevelRule,
  ZapSmallLeavesRule,
  ZapTableRule,
} from './range-rules';
import type { CollapseOp, NoOp, UnmapOp } from './range-rules';
import { tdpRules } from './tdp-rules';
import type { TdpRules } from './tdp-rules';

/** Policy of the TDP MMU beyond the map rule's. */
export interface TdpPolicy extends MapPolicy {
  /** The lockless path fixes huge leaves, too. */
  readonly fastFixHuge: boolean;
  readonly flushRemovedTable: boolean;
  /** mmu_lock is taken for reading; else it is a spinlock. */
  readonly parallelFaults: boolean;
  readonly countRootAlloc: boolean;
  readonly logStartFlush: 'leaf' | 'change' | 'always';
  /** What stopping dirty logging does: zaps small leaves one by one, zaps their tables, or puts huge leaves in their place. */
  readonly logStop: 'leaves' | 'zap' | 'recover';
  readonly logStopFlushEach: boolean;
  /** Unmapping a range takes the tables along that lie wholly inside it. */
  readonly unmapTables: boolean;
}

/** One root. */
export interface TdpRoot {
  readonly id: number;
  /** Key: vCPUs of equal role share the root. */
  readonly role: number;
  /** References of vCPUs' current and previous roots. */
  refs: number;
  valid: boolean;
}

const { Read, Write, Exec } = AccessKind;
const STOP: number = Action.Stop;
// Bound here: a name that another package re-exports is a call of a getter each time it is used.
const actionOf = verdictAction;
const outcomeOf = verdictOutcome;
const LEAVES: RangeOptions<NoOp> = { minLevel: 1, tables: false, specials: false };
const PAGE_BY_PAGE: RangeOptions<NoOp> = { ...LEAVES, pieces: 1 };
const LEAVES_AND_MMIO: RangeOptions<NoOp> = { minLevel: 1, tables: false, specials: true };
const HUGE_LEAVES: RangeOptions<NoOp> = { minLevel: 2, tables: false, specials: false };
const TABLES_TOO: RangeOptions<UnmapOp> = { minLevel: 1, tables: true, specials: false };
const NO_OP: NoOp = {};

function logStopRule(policy: TdpPolicy, spte: SpteAttrs, rules: TdpRules): Rule<CollapseOp> {
  if (policy.logStop === 'leaves') return new ZapSmallLeavesRule(policy.logStopFlushEach);
  return policy.logStop === 'recover' ? new rules.recover(spte) : new ZapCollapsibleRule();
}

/** What stopping dirty logging looks at: small leaves, or the tables above them. */
function logStopWalk({ logStop }: TdpPolicy): RangeOptions<CollapseOp> {
  const leaves = logStop === 'leaves';
  return { minLevel: leaves ? 1 : 2, tables: !leaves, specials: false };
}

/** Page tables of one VM. */
export class TdpMmu {
  readonly geometry: Geometry;
  readonly book: TdpBookkeeper;
  readonly mapOp = new MapOp();
  readonly fastOp = new FastOp();
  private readonly hwOp = new HwOp();
  private readonly engine: Engine;
  private readonly hwRule: HardwareWalkRule;
  private readonly mapRule: TdpMapRule;
  private readonly oneMap: OneChange<MapOp>;
  private readonly mapProbe: Probe<MapOp>;
  private readonly fastRule: FastFaultRule;
  private readonly writeProtect: WriteProtectRule;
  private readonly writeProtectHuge: WriteProtectHugeRule;
  private readonly clearDirty: ClearDirtyRule;
  private readonly split: EagerSplitRule;
  private readonly ageRule: AgeRule;
  private readonly unmapRule: UnmapRule;
  private readonly zapTableRule = new ZapTableRule();
  private readonly unmapTables: UnmapTablesRule;
  /** What stopping dirty logging does. */
  private readonly logStop: Rule<CollapseOp>;
  private readonly protectSmall: SmallLeafRule;
  private readonly clearSmall: SmallLeafRule;
  private readonly collapsible: RangeOptions<CollapseOp>;
  private readonly rootList: TdpRoot[] = [];
  /** By kind of access: whether one passes a leaf of an attribute and leaves it as it is. */
  private readonly passes = [Read, Write, Exec].map(
    kind =>
      (attr: number): boolean =>
        ((this.spte.stableKinds(attr) >> kind) & 1) !== 0,
  );

  constructor(
    engines: EngineFactory,
    readonly spte: SpteAttrs,
    private readonly slots: Memslots,
    private readonly counters: Counters,
    journal: VmJournal,
    private readonly policy: TdpPolicy,
    levels: number,
    rules: TdpRules = tdpRules,
  ) {
    this.geometry = new Geometry(512, levels);
    this.book = new TdpBookkeeper(counters, journal, policy.flushRemovedTable, markDirtyIn(slots, journal), attr => spte.stableKinds(attr));
    this.engine = engines.makeEngine({
      geometry: this.geometry,
      attrs: spte.table,
      protocols: rules.protocols,
      book: this.book,
      mmOps: this.book,
      frameMaps: slots.frameMaps,
      counters,
      work: slots.work,
    });
    this.mapRule = new rules.map(spte, policy);
    this.oneMap = new OneChange(this.mapRule);
    this.mapProbe = new Probe(this.mapRule);
    this.fastRule = new rules.fastFault(spte, policy.fastFixHuge);
    this.hwRule = new rules.hardwareWalk(spte);
    this.writeProtect = new rules.writeProtect(spte);
    this.writeProtectHuge = new rules.writeProtectHuge(spte);
    this.clearDirty = new rules.clearDirty(spte);
    this.split = new rules.eagerSplit(spte);
    this.ageRule = new rules.age(spte);
    this.unmapRule = new rules.unmap();
    this.unmapTables = new rules.unmapTables(level => this.geometry.pagesAt(level));
    this.logStop = logStopRule(policy, spte, rules);
    this.protectSmall = new SmallLeafRule(this.writeProtect, slots.work);
    this.clearSmall = new SmallLeafRule(this.clearDirty, slots.work);
    const uniform = (op: CollapseOp, gfn: number, npages: number): boolean => this.seesOneLevel(op, gfn, npages);
    this.collapsible = { ...logStopWalk(policy), uniform };
  }

  /** A fault splits the huge leaf it finds above its goal. */
  get splitsOnFault(): boolean {
    return this.mapRule.splitsHugePages;
  }

  /** The valid root of a role, made when there is none. */
  getRoot(role: number): TdpRoot {
    const found = this.rootList.find(root => root.valid && root.role === role);
    if (found !== undefined) return found;
    const root: TdpRoot = { id: this.engine.createRoot(), role, refs: 0, valid: true };
    this.rootList.push(root);
    if (this.policy.countRootAlloc) this.count(Ev.tableAlloc, 1);
    return root;
  }

  /** All roots, invalid ones included. */
  get roots(): readonly TdpRoot[] {
    return this.rootList;
  }

  /** Tables of a root, itself included. */
  tableCount(root: TdpRoot): number {
    return this.engine.tableCount(root.id);
  }

  /** Zaps everything below a root. */
  emptyRoot(root: TdpRoot): void {
    this.engine.clearRoot(root.id);
  }

  /** Zaps everything below a root and forgets it. */
  destroyRoot(root: TdpRoot): void {
    this.engine.clearRoot(root.id);
    this.engine.freeRoot(root.id);
    this.rootList.splice(this.rootList.indexOf(root), 1);
  }

  /** Memory of single pages, if this world's engines have one. */
  get pages(): PageCache | undefined {
    return this.engine.pageCache;
  }

  /** All tables as a key; undefined where there are too many to be worth it. */
  contentKey(): string | undefined {
    return contentKeyOf(this.engine, this.geometry, this.rootList);
  }

  /** How many frames from `gfn` on, `stride` apart, an access of a kind passes and leaves as they are. At most `limit` */
  stableFrom(root: TdpRoot, gfn: number, kind: number, stride: number, limit: number): number {
    return leavesAhead(this.engine, root.id, gfn, stride, limit, this.passes[kind]);
  }

  /** Whether each frame of [start, end) has a leaf that an access of a kind passes and leaves as it is. */
  areStable(root: TdpRoot, start: number, end: number, kind: number): boolean {
    return this.stableFrom(root, start, kind, 1, end - start) === end - start;
  }

  /** The lowest entry for a frame. The engine's cursor: read it before the next call. */
  lookup(root: TdpRoot, gfn: number): Entry {
    return this.engine.lookup(root.id, gfn, 1);
  }

  /** The lowest entry for a frame at or above a level. The engine's cursor: read it before the next call. */
  lookupAbove(root: TdpRoot, gfn: number, level: number): Entry {
    return this.engine.lookup(root.id, gfn, level);
  }

  /** Makes an entry of `level` what somebody saw it to be. @param attr interned attribute, or -1 for a table */
  adopt(root: TdpRoot, gfn: number, level: number, attr: number): void {
    this.engine.page(new AdoptRule(level, attr), NO_OP, root.id, gfn, level);
  }

  /** kvm_tdp_mmu_map with the constants in `mapOp`. @returns a RetPf */
  map(root: TdpRoot, gfn: number, goal: number): number {
    return this.engine.page(this.mapRule, this.mapOp, root.id, gfn, goal);
  }

  /** The same, ended after one change. @returns a RetPf, Continue when there may be more to do */
  mapOnce(root: TdpRoot, gfn: number, goal: number): number {
    return this.engine.page(this.oneMap.begin(), this.mapOp, root.id, gfn, goal);
  }

  /** Whether `map` would change an entry. */
  wouldMap(root: TdpRoot, gfn: number, goal: number): boolean {
    return this.engine.page(this.mapProbe, this.mapOp, root.id, gfn, goal) === WOULD_CHANGE;
  }

  /** fast_page_fault with the constants in `fastOp`. @returns a RetPf */
  fastFault(root: TdpRoot, gfn: number): number {
    return this.engine.page(this.fastRule, this.fastOp, root.id, gfn, 1);
  }

  /** The hardware's walk for an access. @param kind 0 read, 1 write, 2 execute; @returns a HwWalk */
  hardwareWalk(root: TdpRoot, gfn: number, kind: number): number {
    const op = this.hwOp;
    op.kind = kind;
    // Most walks fault or hit: then the entry stays as it is, and there is no protocol to carry out.
    const verdict = this.hwRule.visit(this.engine.lookup(root.id, gfn, 1), op);
    return actionOf(verdict) === STOP ? outcomeOf(verdict) : this.engine.page(this.hwRule, op, root.id, gfn, 1);
  }

  /** Runs a page-by-page program, lifted. */
  run(program: RunProgram, root: TdpRoot, start: number, end: number): void {
    this.engine.run(program, root.id, start, end);
  }

  /** Runs it over the only valid root. @returns false where there are others, or none */
  runLifted(program: RunProgram, start: number, end: number): boolean {
    const root = this.onlyRoot();
    if (root === undefined) return false;
    this.run(program, root, start, end);
    return true;
  }

  private onlyRoot(): TdpRoot | undefined {
    let only: TdpRoot | undefined;
    for (const root of this.rootList) {
      if (!root.valid) continue;
      if (only !== undefined) return undefined;
      only = root;
    }
    return only;
  }

  /** Whoever walks the tables of a slot holds mmu_lock as faults do. */
  get slotLocks(): readonly LockMode[] {
    return [this.policy.parallelFaults ? 'read' : 'write'];
  }

  /** A word of a dirty bitmap: its leaves are walked to from each root, those behind the end of a table once more. @param first frame of its first bit */
  walkWord(first: number, last: number): void {
    const { entries } = this.geometry;
    this.walkTo(first);
    if (Math.floor(first / entries) !== Math.floor(last / entries)) this.walkTo(last);
  }

  private walkTo(gfn: number): void {
    for (const root of this.rootList) {
      if (root.valid) this.slots.work.walked(0, 0, this.geometry.levels + 1 - this.engine.lookup(root.id, gfn, 1).level);
    }
  }

  /** Asks `times` times for a flush of all vCPUs. */
  flush(times: number): void {
    this.book.flush(times);
  }

  /** Eager split of all huge leaves that overlap [start, end) in valid roots. */
  splitHugePages(start: number, end: number): void {
    for (const root of this.rootList) if (root.valid) this.engine.range(this.split, NO_OP, root.id, start, end, HUGE_LEAVES);
  }

  /** Clears W on leaves of `levels.tdp` and above. @returns whether any changed; up to 5.12 whether any was there */
  writeProtectRange(start: number, end: number, levels: MinLevels): boolean {
    const options = levels.tdp === 1 ? LEAVES : HUGE_LEAVES;
    const met = this.policy.logStartFlush === 'leaf' && this.hasLeaf(start, end, options);
    return this.overValidRoots(this.writeProtect, start, end, options) || met;
  }

  /** Clears W and MMU-writable on the huge leaf that maps a frame. */
  writeProtectHugePage(gfn: number): void {
    this.overValidRoots(this.writeProtectHuge, gfn, gfn + 1, HUGE_LEAVES);
  }

  /** Clears W and MMU-writable on whatever leaf maps a frame. @returns whether anything changed */
  writeProtectFrame(gfn: number): boolean {
    let effects = 0;
    for (const root of this.rootList) if (root.valid) effects |= this.engine.range(this.writeProtectHuge, NO_OP, root.id, gfn, gfn + 1, LEAVES);
    return (effects & Effect.FlushLater) !== 0;
  }

  /** Clears D (or W) on all leaves. @returns whether any changed */
  clearDirtyRange(start: number, end: number): boolean {
    return this.overValidRoots(this.clearDirty, start, end, LEAVES);
  }

  /** Clears D, or W with `writeProtect`, on the 4 KiB leaf of one frame; huge leaves are left alone. */
  clearDirtyPage(gfn: number, writeProtect: boolean): void {
    for (const root of this.rootList) {
      if (root.valid) this.engine.page(writeProtect ? this.protectSmall : this.clearSmall, NO_OP, root.id, gfn, 1);
    }
  }

  /** The same for every frame of [start, end). */
  clearDirtyPages(start: number, end: number, writeProtect: boolean): void {
    const { engine } = this;
    const rule = writeProtect ? this.protectSmall : this.clearSmall;
    for (const { id, valid } of this.rootList) {
      if (!valid) continue;
      if (engine.pages !== undefined) engine.pages(rule, NO_OP, id, start, end);
      else for (let gfn = start; gfn < end; gfn++) engine.page(rule, NO_OP, id, gfn, 1);
    }
  }

  /** Takes A from leaves in all roots, by one call or by one per page. @returns how many had it */
  age(start: number, end: number, pageByPage = false): number {
    const before = this.book.young;
    this.overAllRoots(this.ageRule, start, end, pageByPage ? PAGE_BY_PAGE : LEAVES);
    return this.book.young - before;
  }

  /** Zaps leaves in all roots, invalid ones too. @returns whether any was there */
  unmap(start: number, end: number): boolean {
    if (!this.policy.unmapTables) return this.overAllRoots(this.unmapRule, start, end, LEAVES_AND_MMIO);
    let effects = 0;
    for (const root of this.rootList) effects |= this.engine.range(this.unmapTables, { start, end }, root.id, start, end, TABLES_TOO);
    return (effects & Effect.FlushLater) !== 0;
  }

  /** What stopping dirty logging does to a slot's tables, or to those of a part of it. @returns whether the caller owes a flush */
  collapse(slot: Memslot, start = slot.base, end = slot.end): boolean {
    const op: CollapseOp = {
      start,
      end,
      maxMappingLevel: gfn => Math.min(slot.maxLevel(gfn), this.slots.hostLevel(slot, gfn)),
    };
    let effects = 0;
    for (const root of this.rootList) if (root.valid) effects |= this.engine.range(this.logStop, op, root.id, op.start, op.end, this.collapsible);
    return (effects & Effect.FlushLater) !== 0;
  }

  /** Takes away what lies at one level in a range, tables with all they hold. */
  zapLevel(start: number, end: number, level: number): void {
    const options: RangeOptions<NoOp> = { minLevel: level, tables: true, specials: true };
    this.overAllRoots(new ZapLevelRule(level), start, end, options);
  }

  /** Removes the table below the entry of `level` that maps a frame, in every root that has one. @returns whether one was there */
  zapTable({ gfn, level }: ListedTable): boolean {
    let zapped = false;
    for (const root of this.rootList) {
      const { kind, level: found } = this.engine.lookup(root.id, gfn, level);
      if (found !== level || kind !== EntryKind.Table) continue;
      this.engine.page(this.zapTableRule, NO_OP, root.id, gfn, level);
      zapped = true;
    }
    return zapped;
  }

  /** Takes the marks of the NX workaround off the table below the entry of `level` that maps a frame. */
  unmarkTable({ gfn, level }: ListedTable): void {
    for (const root of this.rootList) this.engine.setTableAttr(root.id, gfn, level, 0);
  }

  private hasLeaf(start: number, end: number, options: RangeOptions<NoOp>): boolean {
    const rule = new SeenLeafRule();
    this.overValidRoots(rule, start, end, options);
    return rule.seen;
  }

  private overValidRoots(rule: Rule<NoOp>, start: number, end: number, options: RangeOptions<NoOp>): boolean {
    let effects = 0;
    for (const root of this.rootList) if (root.valid) effects |= this.engine.range(rule, NO_OP, root.id, start, end, options);
    return (effects & Effect.FlushLater) !== 0;
  }

  private overAllRoots(rule: Rule<NoOp>, start: number, end: number, options: RangeOptions<NoOp>): boolean {
    let effects = 0;
    for (const root of this.rootList) effects |= this.engine.range(rule, NO_OP, root.id, start, end, options);
    return (effects & Effect.FlushLater) !== 0;
  }

  /** Whether host mapping level and slot limits are the same all over a block of a slot. */
  private seesOneLevel(op: CollapseOp, gfn: number, npages: number): boolean {
    if (gfn < op.start || gfn + npages > op.end) return false;
    return this.slots.hostStates.isUniform(gfn, npages, this.slots.hostStates.get(gfn));
  }

  private count(index: number, amount: number): void {
    const now = this.counters.now;
    now[index] = now[index] + amount;
  }
}
