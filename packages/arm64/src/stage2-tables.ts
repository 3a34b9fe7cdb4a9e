/**
 * The stage-2 tables of one VM, and every walk over them: kvm_pgtable.
 *
 * Walks of one page run a rule to its end; walks of a range are called chunk by chunk by their users, because a kernel may yield the lock in between and because the
 * chunks show in the counts. Page tables hold nothing but entries: what maintenance, references and TLB invalidations come with a change is in the
 * protocols, and goes out through mm_ops.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c. Hot path: walks of one page.
 */
import type { AccessKind, Counters, Entry, Rule } from '@mmulab/api';
import type { Engine, EngineFactory, PageCache, RangeOptions, RunProgram } from '@mmulab/pgtable';
import { leavesAhead } from '@mmulab/pgtable';
import { RelaxOp, WalkOp } from './attr';
import type { AgeRule, HardwareWalkRule, MkyoungRule, NoOp, RelaxRule, WriteProtectRule } from './attr';
import { makeAction } from './cmo';
import type { Stage2Attrs } from './descriptor';
import { Ev } from './events';
import { MapOp, MakeOp } from './map';
import type { MapRule, MakeRule } from './map';
import type { Memslots } from '@mmulab/kvm';
import { Cause } from './mm-ops';
import type { CountingMmOps } from './mm-ops';
import type { Stage2Policy } from './policy';
import { Stage2Action } from './protocols';
import { splitCacheCapacity, tablesToPages } from './split';
import type { SplitOp, SplitRule } from './split';
import { leafBytes } from './stage2-geometry';
import type { Stage2Shape } from './stage2-geometry';
import type { TlbInvalidations } from './tlbi';
import { stage2Rules } from './stage2-rules';
import type { Stage2Rules } from './stage2-rules';
import type { UnmapRule } from './unmap';

const LEAVES: RangeOptions<NoOp> = { minLevel: 1, tables: false, specials: false };
const LEAVES_THEN_TABLES: RangeOptions<NoOp> = { minLevel: 1, tables: false, specials: false, post: true };
const NO_OP: NoOp = {};
/** Levels of blocks, for the passes of the split walker. */
const PMD = 2;
const PUD = 3;

/** Page tables of one VM. */
export class Stage2Tables {
  /** Constants of the next map call. */
  readonly mapOp = new MapOp();
  readonly relaxOp = new RelaxOp();
  private readonly makeOp = new MakeOp();
  private readonly walkOp = new WalkOp();
  private readonly engine: Engine;
  private root: number;
  private readonly mapRule: MapRule;
  private readonly makeRule: MakeRule;
  private readonly relaxRule: RelaxRule;
  private readonly mkyoungRule: MkyoungRule;
  private readonly walkRule: HardwareWalkRule;
  private readonly writeProtectRule: WriteProtectRule;
  private readonly ageRule: AgeRule;
  private readonly unmapRule: UnmapRule;
  private readonly splitRule: SplitRule;

  constructor(
    engines: EngineFactory,
    readonly shape: Stage2Shape,
    readonly attrs: Stage2Attrs,
    private readonly slots: Memslots,
    private readonly counters: Counters,
    readonly mm: CountingMmOps,
    readonly tlb: TlbInvalidations,
    private readonly policy: Stage2Policy,
    rules: Stage2Rules = stage2Rules,
  ) {
    const { geometry } = shape;
    this.engine = engines.makeEngine({
      geometry,
      attrs: attrs.table,
      protocols: rules.protocols,
      book: mm,
      mmOps: mm,
      frameMaps: slots.frameMaps,
      counters,
      work: slots.work,
    });
    this.root = this.engine.createRoot();
    this.makeRule = new rules.make();
    this.splitRule = new rules.split();
    this.mapRule = new rules.map(attrs, policy.mapEagain);
    this.relaxRule = new rules.relax(attrs, policy.walkerCmo, policy.attrEagain);
    this.mkyoungRule = new rules.mkyoung(attrs);
    this.walkRule = new rules.hardwareWalk(attrs, policy.hafdbs);
    this.writeProtectRule = new rules.writeProtect(attrs);
    this.ageRule = new rules.age(attrs);
    this.unmapRule = new rules.unmap(attrs, policy, (gfn, level, entries) => this.mm.pageCount(gfn, level, entries));
  }

  /** Memory of single pages, if this world's engines have one and nobody is to hear of every call. */
  get pages(): PageCache | undefined {
    return this.mm.isWatched ? undefined : this.engine.pageCache;
  }

  /** The engine's number of the root. */
  get rootIndex(): number {
    return this.root;
  }

  /** The hardware's walk for an access. @param kind 0 read, 1 write, 2 execute; @returns what `walkResult` and `walkLevel` read */
  hardwareWalk(gfn: number, kind: number): number {
    this.walkOp.kind = kind;
    return this.engine.page(this.walkRule, this.walkOp, this.root, gfn, 1);
  }

  /** How many accesses from a frame on, `stride` frames apart, would hit and leave their entries as they are. At most `limit` */
  hitsFrom(gfn: number, kind: AccessKind, stride: number, limit: number): number {
    const passes = (attr: number): boolean => this.attrs.isYoung(attr) && this.attrs.allows(attr, kind);
    return leavesAhead(this.engine, this.root, gfn, stride, limit, passes);
  }

  /** The map walker's way down, with the constants in `mapOp`. @returns what `mapStep` and `brokenLevel` read */
  map(gfn: number): number {
    return this.engine.page(this.mapRule, this.mapOp, this.root, gfn, this.mapOp.goal);
  }

  /** A table takes the place of the block that `map` broke. */
  makeTable(gfn: number): void {
    this.makeOp.action = Stage2Action.MakeTable;
    this.makeOp.attr = 0;
    this.engine.page(this.makeRule, this.makeOp, this.root, gfn, this.mapOp.goal);
  }

  /** The leaf is written that `map` made room for, with the walker's maintenance. @param attr attribute; `level` that of the leaf */
  makeLeaf(gfn: number, level: number, attr: number): void {
    this.makeOp.action = makeAction(this.attrs, attr, this.policy.walkerCmo);
    this.makeOp.attr = attr;
    this.engine.page(this.makeRule, this.makeOp, this.root, gfn, level);
  }

  /** Adds the rights in `relaxOp`. @returns an AttrStep */
  relax(gfn: number): number {
    return this.engine.page(this.relaxRule, this.relaxOp, this.root, gfn, 1);
  }

  /** Sets the access flag. */
  mkyoung(gfn: number): void {
    this.engine.page(this.mkyoungRule, NO_OP, this.root, gfn, 1);
  }

  /** The lowest entry for a frame. The engine's cursor: read it before the next call. */
  lookup(gfn: number): Entry {
    return this.engine.lookup(this.root, gfn, 1);
  }

  /** The lowest entry for a frame at or above a level. The engine's cursor: read it before the next call. */
  lookupAbove(gfn: number, level: number): Entry {
    return this.engine.lookup(this.root, gfn, level);
  }

  /** Runs somebody's own rule on the way to a frame. */
  walkPage(rule: Rule<undefined>, gfn: number, level: number): void {
    this.engine.page(rule, undefined, this.root, gfn, level);
  }

  /** Runs a page-by-page program, lifted; page by page where a user's own callbacks are to hear of every call. */
  run(program: RunProgram, start: number, end: number): void {
    if (this.mm.isWatched) program.block(start, end);
    else this.engine.run(program, this.root, start, end);
  }

  /** One call of the write-protect walker, or `calls` of them over neighbouring pieces of equal size. */
  writeProtect(start: number, end: number, calls = 1): void {
    this.count(Ev.wrprotect, calls);
    this.count(Ev.wrprotectBytes, (end - start) * this.shape.granuleBytes);
    this.engine.range(this.writeProtectRule, NO_OP, this.root, start, end, leavesOf(end - start, calls));
  }

  /** Ages the leaves that overlap a range, in one call or `calls` of them over pieces of equal size. @returns how many were young */
  age(start: number, end: number, calls = 1): number {
    this.count(Ev.ageCalls, calls);
    this.count(Ev.ageBytes, (end - start) * this.shape.granuleBytes);
    this.mm.aged = 0;
    this.engine.range(this.ageRule, NO_OP, this.root, start, end, leavesOf(end - start, calls));
    return this.mm.aged;
  }

  /** One call of the unmap walker. */
  unmap(start: number, end: number): void {
    this.count(Ev.unmap, 1);
    this.count(Ev.unmapBytes, (end - start) * this.shape.granuleBytes);
    this.mm.cause = Cause.Unmap;
    this.engine.range(this.unmapRule, NO_OP, this.root, start, end, LEAVES_THEN_TABLES);
    this.mm.cause = Cause.Map;
    if (this.policy.unmapFlushOnce) this.tlb.range(end - start);
  }

  /** One call of the split walker, with a cache filled for chunks of the configured size. */
  split(start: number, end: number): void {
    this.count(Ev.eagerSplit, 1);
    this.count(Ev.eagerSplitBytes, (end - start) * this.shape.granuleBytes);
    const { granuleBytes, maxLeafLevel, geometry } = this.shape;
    const blocks = Array.from({ length: maxLeafLevel - 1 }, (_, i) => leafBytes(granuleBytes, i + 2));
    const cached = splitCacheCapacity(this.policy.eagerSplitChunk, blocks);
    const atOnce = maxLeafLevel >= PUD && cached >= tablesToPages(geometry.entries, PUD);
    if (atOnce) {
      // The new level-2 blocks are never linked: those that are there already go first, so that a pass can tell.
      this.splitLevel(PMD, false, start, end);
      this.mm.splitAtOnce(() => {
        this.splitLevel(PUD, false, start, end);
        this.splitLevel(PMD, true, start, end);
      });
      return;
    }
    if (maxLeafLevel >= PUD) this.splitLevel(PUD, false, start, end);
    this.splitLevel(PMD, false, start, end);
  }

  /** Calls a walker chunk by chunk, as far as the kernel goes in one call; between two the lock may be had by others. */
  inChunks(start: number, end: number, call: (from: number, to: number) => void): void {
    const { geometry, maxLeafLevel } = this.shape;
    const span = geometry.pagesAt(this.policy.chunkIsBlock ? maxLeafLevel : geometry.levels);
    if (end > start) this.slots.work.yields(Math.floor((end - 1) / span) - Math.floor(start / span));
    eachChunk(start, end, span, call);
  }

  /** Number of tables, those of the start level included. */
  tableCount(): number {
    return this.engine.tableCount(this.root);
  }

  /** Frees everything: no maintenance, no invalidation. */
  destroy(): void {
    this.engine.clearRoot(this.root);
  }

  private splitLevel(level: number, unlinked: boolean, start: number, end: number): void {
    const options: RangeOptions<SplitOp> = { minLevel: level, tables: false, specials: false };
    this.engine.range(this.splitRule, { level, unlinked }, this.root, start, end, options);
  }

  private count(index: number, amount: number): void {
    const now = this.counters.now;
    now[index] = now[index] + amount;
  }
}

/** The walk over leaves that so many calls over pieces of equal size are. */
function leavesOf(npages: number, calls: number): RangeOptions<NoOp> {
  return calls === 1 ? LEAVES : { ...LEAVES, pieces: npages / calls };
}

/** Calls once per piece of [start, end) between multiples of `span`. */
export function eachChunk(start: number, end: number, span: number, call: (from: number, to: number) => void): void {
  for (let from = start; from < end;) {
    const to = Math.min(end, from - (from % span) + span);
    call(from, to);
    from = to;
  }
}
