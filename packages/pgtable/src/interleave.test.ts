/**
 * The interleaved driver against the straight loop (one walk alone must count and leave the same), and what several walks see of one another.
 */
import { Action, Change, Effect, EntryKind, Step, makeVerdict } from '@mmulab/api';
import type { Entry, Protocol, Rule, Verdict } from '@mmulab/api';
import fc from 'fast-check';
import { AttrTable } from './attr-table';
import type { Engine, RangeOptions } from './engine';
import { Geometry } from './geometry';
import { PageWalk, RangeWalk } from './interleave';
import type { WalkFrame } from './interleave-frame';
import { SharedTables } from './interleave-tables';
import { TableEngine } from './table-engine';
import type { Bookkeeper, MmOps } from './mm-ops';

const protocols: readonly Protocol[] = [
  { name: 'map', change: Change.SetLeaf, steps: [Step.CasLeaf] },
  { name: 'link', change: Change.LinkTable, steps: [Step.AllocTable, Step.CasTable] },
  { name: 'split', change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.CasTable] },
  { name: 'zap', change: Change.Zap, steps: [Step.CasFreeze, Step.RemoveSubtree, Step.DeferFree, Step.Flush, Step.WriteEmpty] },
  { name: 'collapse', change: Change.Collapse, steps: [Step.CasLeaf, Step.RemoveSubtree, Step.DeferFree, Step.Tlbi] },
  { name: 'quiet', change: Change.SetLeaf, steps: [Step.CasQuiet] },
  {
    name: 'remake',
    change: Change.SetLeaf,
    steps: [Step.CasFreeze, Step.Tlbi, Step.DcacheClean, Step.IcacheInval, Step.PutPage, Step.GetPage, Step.WriteLeaf],
  },
];
const Do = { Map: 8, Link: 9, Split: 10, Zap: 11, Collapse: 12, Quiet: 13, Remake: 14 } as const;

const attrs = new AttrTable();
const LOCKED = attrs.intern(1024, true);
const READ = attrs.intern(1);
const WRITE = attrs.intern(3);
const [FIXED, RETRY] = [4, 1];

/** Maps a page at the goal; huge leaves above it are split, or zapped. */
class MapRule implements Rule<number> {
  readonly name = 'map';
  constructor(
    private readonly splits: boolean,
    private readonly attr: number,
  ) {}

  visit(at: Entry): Verdict {
    if (at.attr === LOCKED) return makeVerdict(Action.Stop, 0, 0, 0, RETRY);
    if (at.level > at.goal) {
      if (at.kind !== EntryKind.Leaf) return makeVerdict(Do.Link, 0, 1, Effect.Track);
      return this.splits ? makeVerdict(Do.Split, at.attr, 2) : makeVerdict(Do.Zap);
    }
    if (at.kind === EntryKind.Table && at.tableAttr === 2 && at.level > 1) return makeVerdict(Action.LowerGoal);
    if (at.kind === EntryKind.Table) return makeVerdict(Do.Collapse, this.attr, 0, Effect.Final | Effect.FlushNow, FIXED);
    if (at.attr === this.attr) return makeVerdict(Action.Stop, 0, 0, Effect.MarkDirty, 5);
    return makeVerdict(at.kind === EntryKind.Leaf ? Do.Remake : Do.Map, this.attr, 0, Effect.Final | Effect.MarkDirty, FIXED);
  }
}

/** A rule of one verdict. */
const always = (verdict: (at: Entry) => Verdict): Rule<number> => ({ name: 'always', visit: verdict });
const protect = always(at => (at.attr === WRITE ? makeVerdict(Do.Quiet, READ, 0, Effect.FlushLater) : makeVerdict(Action.Keep)));
const split = always(at => makeVerdict(Do.Split, at.attr));
const unmap = always(at => (at.kind === EntryKind.Leaf ? makeVerdict(Do.Zap) : makeVerdict(Action.Keep)));
const zapTables = always(at => (at.kind === EntryKind.Table && at.level === 2 ? makeVerdict(Do.Zap) : makeVerdict(Action.Descend)));
const merge = always(at => {
  const leaf = at.kind === EntryKind.Table && at.childCount() === 4 ? at.firstLeafBelow() : -1;
  return leaf < 0 ? makeVerdict(Action.Descend) : makeVerdict(Do.Collapse, leaf, 0, Effect.FlushLater);
});

const LEAVES: RangeOptions<number> = { minLevel: 1, tables: false, specials: false };
const HUGE: RangeOptions<number> = { minLevel: 2, tables: false, specials: true };
const TABLES: RangeOptions<number> = { minLevel: 2, tables: true, specials: false };
const ranges: readonly (readonly [Rule<number>, RangeOptions<number>])[] = [
  [protect, LEAVES],
  [split, HUGE],
  [unmap, LEAVES],
  [zapTables, TABLES],
  [merge, TABLES],
];

/** Sums of all calls into the world, by what they say. */
class Tally implements Bookkeeper, MmOps {
  readonly sums = new Map<string, number>();
  readonly add = (key: string, count: number): void => void this.sums.set(key, (this.sums.get(key) ?? 0) + count);
  changed(_gfn: number, level: number, ...rest: number[]): void {
    this.add(`changed L${level} ${rest.slice(0, 4).join(' ')}`, rest[4]);
  }
  track = (_gfn: number, level: number, count: number): void => this.add(`track L${level}`, count);
  subtreeRemoved = (_gfn: number, level: number, count: number): void => this.add(`removed L${level}`, count);
  markDirty = (gfn: number): void => this.add(`dirty ${gfn}`, 1);
  lost = (_gfn: number, level: number, change: Change): void => this.add(`lost L${level} ${change}`, 1);
  zallocPage = (_gfn: number, level: number, count: number): void => this.add(`alloc L${level}`, count);
  freePage = (_gfn: number, level: number, count: number): void => this.add(`free L${level}`, count);
  deferFree = (_gfn: number, level: number, count: number): void => this.add(`defer L${level}`, count);
  flushRemoteTlbs = (_gfn: number, level: number, count: number): void => this.add(`flush L${level}`, count);
  tlbi = (_gfn: number, level: number, count: number): void => this.add(`tlbi L${level}`, count);
  getPage = (_gfn: number, level: number, count: number): void => this.add(`get L${level}`, count);
  putPage = (_gfn: number, level: number, count: number): void => this.add(`put L${level}`, count);
  dcacheCleanInvalPoc = (_gfn: number, level: number, count: number): void => this.add(`clean L${level}`, count);
  icacheInvalPou = (_gfn: number, level: number, count: number): void => this.add(`inval L${level}`, count);
}

const toEnd = <W extends WalkFrame>(walk: W): W => {
  while (!walk.isDone) walk.step();
  if (walk.owesFlushLater) walk.flushed();
  return walk;
};

const sharedTables = (geometry: Geometry, tally: Tally): SharedTables =>
  new SharedTables({ geometry, attrs, protocols, book: tally, mmOps: tally, locked: LOCKED });

const straightEngine = (geometry: Geometry, tally: Tally): Engine =>
  new TableEngine({
    geometry,
    attrs,
    protocols,
    book: tally,
    mmOps: tally,
    frameMaps: [],
    counters: { now: new Float64Array(1), select: () => undefined },
  });

/** All entries of an engine's root, walked by lookups. */
function entriesOf(engine: Engine, root: number, geometry: Geometry): string[] {
  const found: string[] = [];
  const visit = (level: number, gfn: number): void => {
    const { level: at, kind, attr, tableAttr } = engine.lookup(root, gfn, level);
    if (at !== level || kind === EntryKind.Empty) return;
    found.push([level, gfn, kind, attr, tableAttr].join(' '));
    if (kind === EntryKind.Table) for (let i = 0; i < geometry.entries; i++) visit(level - 1, gfn + i * geometry.pagesAt(level - 1));
  };
  for (let gfn = 0; gfn < geometry.limit; gfn += geometry.pagesAt(geometry.levels)) visit(geometry.levels, gfn);
  return found;
}

const operation = fc.oneof(
  fc.record({ page: fc.nat(), goal: fc.integer({ min: 1, max: 3 }), splits: fc.boolean(), attr: fc.constantFrom(READ, WRITE) }),
  fc.record({ range: fc.nat(ranges.length - 1), start: fc.nat(), npages: fc.integer({ min: 1, max: 40 }) }),
);

describe('a walk with nobody beside it', () => {
  it.each([
    ['3 levels of 4 entries', new Geometry(4, 3)],
    ['4 levels of 4 entries', new Geometry(4, 4)],
    ['a root of 2 tables', new Geometry(4, 3, 2)],
  ])('counts and leaves what the straight loop does, over 60 × 20 random operations on %s', (_name, geometry) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 20, maxLength: 20 }), operations => {
        const [straight, stepwise] = [new Tally(), new Tally()];
        const engine = straightEngine(geometry, straight);
        const tables = sharedTables(geometry, stepwise);
        const [one, other] = [engine.createRoot(), tables.createRoot()];
        for (const op of operations) {
          if ('page' in op) {
            const gfn = op.page % geometry.limit;
            const rule = new MapRule(op.splits, op.attr);
            const walk = toEnd(new PageWalk(tables, rule, 0, other, gfn, { goal: op.goal, lost: RETRY }));
            expect(walk.outcome).toBe(engine.page(rule, 0, one, gfn, op.goal));
          } else {
            const [rule, options] = ranges[op.range];
            const start = op.start % geometry.limit;
            const end = Math.min(start + op.npages, geometry.limit);
            expect(toEnd(new RangeWalk(tables, rule, 0, other, start, end, options)).outcome).toBe(engine.range(rule, 0, one, start, end, options));
          }
          const entries: string[] = [];
          tables.forEachEntry((...entry) => entries.push(entry.join(' ')));
          expect(entries).toEqual(entriesOf(engine, one, geometry));
          expect([...stepwise.sums].sort()).toEqual([...straight.sums].sort());
          expect([tables.leaked(0), tables.unlinkedCount]).toEqual([0, 0]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('two walks', () => {
  const geometry = new Geometry(4, 3);
  const setup = (): { tables: SharedTables; tally: Tally; fault: (gfn: number, goal?: number) => PageWalk<number> } => {
    const tally = new Tally();
    const tables = sharedTables(geometry, tally);
    const root = tables.createRoot();
    const fault = (gfn: number, goal = 1): PageWalk<number> => new PageWalk(tables, new MapRule(false, WRITE), 0, root, gfn, { goal, lost: RETRY });
    return { tables, tally, fault };
  };
  const stepTo = (walk: WalkFrame, name: string): void => {
    while (walk.nextName !== name && !walk.isDone) walk.step();
    expect(walk.nextName).toBe(name);
  };

  it('that link the same table: the loser frees its own and retries', () => {
    const { tables, tally, fault } = setup();
    const [a, b] = [fault(0), fault(1)];
    stepTo(a, 'link: CasTable L3');
    stepTo(b, 'link: CasTable L3');
    expect([toEnd(a).outcome, toEnd(b).outcome]).toEqual([FIXED, RETRY]);
    expect([tables.taken, tables.freed, tables.linkedTables(), tables.leaked(0)]).toEqual([3, 1, 2, 0]);
    expect(tally.sums.get(`lost L3 ${Change.LinkTable}`)).toBe(1);
  });

  it('of which one removes the table the other stands in: its entries read as locked, and it is freed when both have ended', () => {
    const { tables, fault } = setup();
    toEnd(fault(0));
    const [reader, zap] = [fault(1), new RangeWalk(tables, zapTables, 0, 0, 0, 16, TABLES)];
    stepTo(reader, 'read L1');
    toEnd(zap);
    expect([tables.freed, tables.unlinkedCount]).toEqual([0, 1]);
    expect([toEnd(reader).outcome, tables.freed, tables.unlinkedCount]).toEqual([RETRY, 1, 0]);
  });

  it('may map into an unlinked table until its remover accounts for it', () => {
    const { tables, tally, fault } = setup();
    toEnd(fault(0));
    const [inside, zap] = [fault(1), new RangeWalk(tables, zapTables, 0, 0, 0, 16, TABLES)];
    stepTo(inside, 'map: CasLeaf L1');
    stepTo(zap, 'zap: RemoveSubtree L2');
    expect(toEnd(inside).outcome).toBe(FIXED);
    toEnd(zap);
    expect(tally.sums.get(`changed L1 ${EntryKind.Leaf} ${WRITE} ${EntryKind.Empty} 0`)).toBe(2);
    expect(tables.leaked(0)).toBe(0);
  });

  it('show one another a table that is linked before it is filled, and lose what is mapped into it meanwhile', () => {
    const tally = new Tally();
    const broken = protocols.map(protocol =>
      protocol.name === 'split' ? { ...protocol, steps: [Step.AllocTable, Step.CasTable, Step.FillTable] } : protocol,
    );
    const tables = new SharedTables({ geometry, attrs, protocols: broken, book: tally, mmOps: tally, locked: LOCKED });
    const root = tables.createRoot();
    const fault = (gfn: number, goal: number, attr: number): PageWalk<number> =>
      new PageWalk(tables, new MapRule(true, attr), 0, root, gfn, { goal, lost: RETRY });
    toEnd(fault(0, 2, READ));
    const splitter = fault(0, 1, READ);
    stepTo(splitter, 'split: FillTable L2');
    tables.tree.locate(root, 0, 2);
    expect([splitter.hasUnfilled, tables.tree.childCount()]).toEqual([true, 0]);
    expect(toEnd(fault(1, 1, WRITE)).outcome).toBe(FIXED);
    toEnd(splitter);
    tables.tree.locate(root, 1, 1);
    expect([splitter.hasUnfilled, tables.tree.attr]).toEqual([false, READ]);
  });

  it('do not remove each other’s frozen entries', () => {
    const { tables, fault } = setup();
    toEnd(fault(0));
    const leafZap = new RangeWalk(tables, unmap, 0, 0, 0, 1, LEAVES);
    stepTo(leafZap, 'zap: WriteEmpty L1');
    const zap = new RangeWalk(tables, zapTables, 0, 0, 0, 16, TABLES);
    stepTo(zap, 'zap: RemoveSubtree L2');
    expect(zap.isBlocked).toBe(true);
    toEnd(leafZap);
    expect(zap.isBlocked).toBe(false);
    toEnd(zap);
    expect(tables.leaked(0)).toBe(0);
  });
});
