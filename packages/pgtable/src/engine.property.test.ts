/**
 * The engine against the oracle: the same operations on three engines (ranges lifted, page by page, the oracle), everything compared after each.
 * MMULAB_SEED sets another seed.
 */
import { isDeepStrictEqual } from 'node:util';
import { oracleEngines } from '@mmulab/testkit';
import fc from 'fast-check';
import { AttrTable } from './attr-table';
import type { EngineFactory } from './engine';
import { ToyTables, rangeOperations } from './fixtures/toy-tables';
import type { RangeOperation } from './fixtures/toy-tables';
import { Geometry } from './geometry';
import { tableEngines } from './table-engines';

const seed = Number(process.env['MMULAB_SEED'] ?? 4711);

type Operation =
  | {
      readonly do: 'touch';
      readonly root: number;
      readonly from: number;
      readonly pages: number;
      readonly stride: number;
      readonly writeEvery: number;
      readonly goal: number;
      readonly split: boolean;
      readonly tableAttr: number;
    }
  | { readonly do: 'range'; readonly root: number; readonly from: number; readonly pages: number; readonly what: RangeOperation }
  | { readonly do: 'dirty'; readonly from: number; readonly pages: number; readonly value: number }
  | { readonly do: 'table-attr'; readonly root: number; readonly from: number; readonly level: number; readonly value: number }
  | { readonly do: 'clear'; readonly root: number };

/** The stretch of frames a scenario plays on. */
interface Stage {
  readonly geometry: Geometry;
  readonly start: number;
  readonly npages: number;
}

class Trio {
  private readonly attrs = new AttrTable();
  private readonly all: readonly (readonly [string, ToyTables])[];
  /** Roots are indices of the engine's own choosing. */
  private readonly roots: ReadonlyMap<string, readonly number[]>;

  constructor(private readonly stage: Stage) {
    const make = (engines: EngineFactory, lifted: boolean): ToyTables => new ToyTables(engines, stage.geometry, this.attrs, lifted);
    this.all = [
      // The oracle's types are those of the built package.
      ['oracle', make(oracleEngines as unknown as EngineFactory, false)],
      ['range', make(tableEngines, true)],
      ['step', make(tableEngines, false)],
    ];
    this.roots = new Map(this.all.map(([name, tables]) => [name, [tables.engine.createRoot(), tables.engine.createRoot()]]));
  }

  perform(operation: Operation): void {
    const outcomes = this.all.map(([name, tables]) => {
      const root = (this.roots.get(name) as readonly number[])['root' in operation ? operation.root : 0];
      return [name, this.on(tables, root, operation), tables, root] as const;
    });
    const [[, rightResult, right, rightRoot]] = outcomes as [(typeof outcomes)[number]];
    for (const [name, result, tables, root] of outcomes.slice(1)) {
      const what = `${JSON.stringify(operation)} on ${name}`;
      same(what, 'result', result, rightResult);
      if (!equalCounts(tables.now, right.now)) same(what, 'counts', [...tables.now], [...right.now]);
      same(what, 'tracked tables', tables.tracked, right.tracked);
      same(what, 'number of tables', tables.engine.tableCount(root), right.engine.tableCount(rightRoot));
      for (const gfn of this.sampled(operation)) same(what, `frame ${gfn}`, tables.view(root, gfn), right.view(rightRoot, gfn));
      same(what, 'frame maps', this.frameMaps(tables), this.frameMaps(right));
    }
  }

  private on(tables: ToyTables, root: number, operation: Operation): number {
    const { start, npages } = this.stage;
    const from = 'from' in operation ? start + (operation.from % npages) : start;
    const end = 'pages' in operation ? Math.min(start + npages, from + operation.pages) : from + 1;
    switch (operation.do) {
      case 'touch':
        tables.touch(root, { ...operation, start: from, end, goal: Math.min(operation.goal, this.stage.geometry.levels - 1) });
        return 0;
      case 'range':
        return tables.range(operation.what, root, from, end);
      case 'dirty':
        tables.dirty.setRange(from, end - from, operation.value);
        return 0;
      case 'table-attr':
        tables.engine.setTableAttr(root, from, Math.min(operation.level, this.stage.geometry.levels), operation.value);
        return 0;
      case 'clear':
        tables.engine.clearRoot(root);
        return 0;
    }
  }

  private sampled(operation: Operation): readonly number[] {
    const { start, npages, geometry } = this.stage;
    const from = 'from' in operation ? start + (operation.from % npages) : start;
    const end = 'pages' in operation ? Math.min(start + npages, from + operation.pages) : from + 1;
    const block = geometry.entries;
    const places = [
      start,
      from,
      from + 1,
      end - 1,
      end,
      from - 1,
      from - (from % block),
      from - (from % block) + block,
      start + npages - 1,
      start + (npages >> 1),
    ];
    return [...new Set(places)].filter(gfn => gfn >= start && gfn < start + npages);
  }

  private frameMaps(tables: ToyTables): readonly unknown[] {
    const { start, npages, geometry } = this.stage;
    const block = start - (start % geometry.entries) + geometry.entries;
    return [tables.host, tables.dirty].map(frames => [
      frames.countNonZero(start, npages),
      frames.isUniform(start, npages >> 1, frames.get(start)),
      block + geometry.entries <= start + npages ? frames.uniformValue(2, block) : 0,
    ]);
  }
}

function equalCounts(a: Float64Array, b: Float64Array): boolean {
  return a.every((value, i) => value === b[i]);
}

/** Asserts without jest's matchers, which would take most of the time. */
function same(operation: string, what: string, found: unknown, right: unknown): void {
  if (!isDeepStrictEqual(found, right)) throw new Error(`${operation}: ${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(right)}`);
}

function operations(stage: Stage, count: number): fc.Arbitrary<readonly Operation[]> {
  const entries = stage.geometry.entries;
  const root = fc.constantFrom(0, 0, 0, 1);
  const from = fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.constantFrom(entries, 2 * entries, entries >> 1, 1) },
    { weight: 1, arbitrary: fc.nat(stage.npages - 1) },
  );
  const pages = fc.oneof(
    { weight: 3, arbitrary: fc.constant(stage.npages) },
    { weight: 2, arbitrary: fc.constantFrom(1, entries, 2 * entries, entries + 1, entries >> 1) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: stage.npages }) },
  );
  const touch = fc.record({
    do: fc.constant('touch' as const),
    root,
    from,
    pages,
    stride: fc.constantFrom(1, 1, 1, 2, 3, 5),
    writeEvery: fc.constantFrom(0, 1, 1, 2, 3),
    goal: fc.constantFrom(1, 1, 2, 3),
    split: fc.boolean(),
    tableAttr: fc.constantFrom(0, 0, 1, 5),
  });
  const one: fc.Arbitrary<Operation> = fc.oneof(
    { weight: 8, arbitrary: touch },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('range' as const), root, from, pages, what: fc.constantFrom(...rangeOperations) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('dirty' as const), from, pages, value: fc.constantFrom(0, 1) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('table-attr' as const), root, from, level: fc.constantFrom(2, 3), value: fc.constantFrom(0, 5) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), root }) },
  );
  return fc.noBias(fc.array(one, { minLength: count, maxLength: count }));
}

function holds(stage: Stage, runs: number, count = 25): void {
  fc.assert(
    fc.property(operations(stage, count), sequence => {
      const trio = new Trio(stage);
      for (const operation of sequence) trio.perform(operation);
    }),
    { numRuns: runs, seed, includeErrorInReport: true },
  );
}

const last = (geometry: Geometry, npages: number): Stage => ({ geometry, start: geometry.limit - npages, npages });
const first = (geometry: Geometry, npages: number): Stage => ({ geometry, start: 0, npages });

describe(`step = range = oracle over random sequences of 25 operations (seed ${seed})`, () => {
  it('on 4 entries and 3 levels, all 64 frames: 150 sequences', () => holds(first(new Geometry(4, 3), 64), 150));
  it('on 4 entries and 5 levels, 256 frames in the middle: 60 sequences', () =>
    holds({ geometry: new Geometry(4, 5), start: 512 - 64, npages: 256 }, 60));
  it('on a root of 4 tables, at its end: 60 sequences', () => holds(last(new Geometry(4, 3, 4), 100), 60));
  it('on 512 entries and 4 levels, 5 leaf tables: 20 sequences', () => holds(first(new Geometry(512, 4), 2560), 20), 60_000);
  it(
    'on 512 entries, at a start that is not aligned: 15 sequences',
    () => holds({ geometry: new Geometry(512, 4), start: 700, npages: 2000 }, 15),
    60_000,
  );
  it('on 512 entries, 5 levels and a root of 16 tables, at its end: 15 sequences', () => holds(last(new Geometry(512, 5, 16), 1536), 15), 60_000);
  it('on 2048 entries, root of 2, at its end: 5 sequences', () => holds(last(new Geometry(2048, 4, 2), 4096), 5), 60_000);
  it('on 8192 entries at the end of 52 bits of frames: 2 sequences of 12', () => holds(last(new Geometry(8192, 4), 16384), 2, 12), 60_000);
});

describe('step = range = oracle over every sequence of three operations out of ten on 64 frames', () => {
  const geometry = new Geometry(4, 3);
  const touch = { do: 'touch', root: 0, from: 0, pages: 64, stride: 1, writeEvery: 1, goal: 1, split: true, tableAttr: 0 } as const;
  const range = (what: RangeOperation, from = 0, pages = 64): Operation => ({ do: 'range', root: 0, from, pages, what });
  const ten: readonly Operation[] = [
    touch,
    { ...touch, goal: 2, split: false, stride: 3, writeEvery: 2 },
    { ...touch, from: 5, pages: 22, goal: 3, tableAttr: 1 },
    { ...touch, from: 16, pages: 16, stride: 4, writeEvery: 0, split: true, tableAttr: 1 },
    range('split'),
    range('protect', 3, 17),
    range('collapse-bbm'),
    range('zap', 8, 12),
    range('zap-tables', 0, 32),
    range('unmap-post', 6, 40),
  ];
  it.each(ten.map((operation, i) => [i, operation] as const))('that begin with number %d', (_i, one) => {
    for (const two of ten) {
      for (const three of ten) {
        const trio = new Trio(first(geometry, 64));
        for (const operation of [one, two, three]) trio.perform(operation);
      }
    }
  });
});
