/**
 * Analyses of results with closed forms, so that borders and exponents are known.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runLocally, scratch, small } from '../fixtures/scratch';
import { breakEven, fitPower, growth, overview, pivot, type AnalysisRequest } from './analysis';

type Settings = Readonly<Record<string, string | number>>;

/** A file of results, in no particular order. */
function file(all: readonly { readonly settings: Settings; readonly value: number }[]): string {
  const path = join(scratch(), 'results.ndjson');
  const line = ({ settings, value }: (typeof all)[number], run: number): string =>
    JSON.stringify({
      sweep: { run, key: 'k', settings },
      ...{ schema: 'mmulab.result.v1', name: 'n', config: {}, seed: 1, notes: [], wallMs: 0 },
      phases: [{ phase: 'p', counters: { faults: value / 2 }, vcpus: [] }],
      totals: { counters: { faults: value, same: 7 } },
      memory: { tableBytesReal: 4096, simulatorBytes: 0 },
    });
  writeFileSync(
    path,
    all
      .map(line)
      .reverse()
      .map(one => `${one}\n`)
      .join(''),
  );
  return path;
}

const product = <A, B>(as: readonly A[], bs: readonly B[]): [A, B][] => as.flatMap(a => bs.map((b): [A, B] => [a, b]));
const request = (rest: Partial<AnalysisRequest> = {}): AnalysisRequest => ({ value: 'faults', statistic: 'mean', ...rest });

/** zap costs 10 per share and vCPU; split costs 100 per vCPU: equal at a share of 10. */
const policies = file(
  product(product(['zap', 'split'], [1, 2]), [1, 4, 16, 64]).map(([[policy, vcpus], share]) => ({
    settings: { 'backend.options.fault': policy, vcpus, share },
    value: vcpus * (policy === 'zap' ? 10 * share : 100),
  })),
);
/** 3 x^2, for sizes; a second seed has 1 more. */
const squares = file(
  product(['1K', '2K', '16K', '1M'], [1, 2]).map(([bytes, seed]) => ({
    settings: { bytes, seed },
    value: 3 * (parseInt(bytes) * (bytes.endsWith('M') ? 1024 : 1)) ** 2 + seed - 1,
  })),
);

describe('a pivot table', () => {
  it('has axes down and across, in the order of their numbers', () => {
    const { sheets, csv } = pivot(policies, request({ rows: ['fault', 'vcpus'], columns: 'share' }));
    expect(sheets[0]).toMatchObject({ keys: ['fault', 'vcpus'], columns: ['share=1', 'share=4', 'share=16', 'share=64'] });
    expect(csv.rows).toEqual([
      ['split', '1', 100, 100, 100, 100],
      ['split', '2', 200, 200, 200, 200],
      ['zap', '1', 10, 40, 160, 640],
      ['zap', '2', 20, 80, 320, 1280],
    ]);
  });

  it('puts runs of a cell together, keeps counts exact, and looks at phases and at some runs only', () => {
    const rows = (rest: Partial<AnalysisRequest>): unknown => pivot(squares, request({ rows: [], columns: 'bytes', ...rest })).csv.rows;
    expect(rows({})).toEqual([[3.5, 12.5, 768.5, 3145728.5]]);
    expect(rows({ statistic: 'max' })).toEqual([[4, 13, 769, 3145729]]);
    expect(rows({ statistic: 'count' })).toEqual([[2, 2, 2, 2]]);
    expect(rows({ value: 'phases.p.counters.faults', where: { seed: '1' } })).toEqual([[1.5, 6, 384, 1572864]]);
  });

  it('of releases has 6.2 before 6.12', () => {
    const path = file(['6.12', '6.2', '5.10.262'].map((kernel, i) => ({ settings: { kernel }, value: i })));
    expect(pivot(path, request()).sheets[0]?.columns).toEqual(['kernel=5.10.262', 'kernel=6.2', 'kernel=6.12']);
  });
});

describe('a break-even map', () => {
  it('says who wins, by how much, and where the border is', () => {
    const { document, sheets, csv } = breakEven(policies, 'fault', false, request({ rows: ['vcpus'], columns: 'share' }));
    expect(sheets[0]?.rows[0]).toEqual(['1', 'zap 10x', 'zap 2.5x', 'split 1.6x', 'split 6.4x']);
    expect(document['borders']).toEqual([
      { row: ['1'], from: 'zap', to: 'split', between: ['4', '16'], at: 10 },
      { row: ['2'], from: 'zap', to: 'split', between: ['4', '16'], at: 10 },
    ]);
    expect(csv.rows[0]).toEqual(['1', '1', 'zap', 100, 10]);
  });

  it('turns round when more is better', () => {
    const { sheets } = breakEven(policies, 'fault', true, request({ rows: ['vcpus'], columns: 'share' }));
    expect(sheets[0]?.rows[0]).toEqual(['1', 'split 10x', 'split 2.5x', 'zap 1.6x', 'zap 6.4x']);
  });

  it('names a tie, which belongs to neither side of a border', () => {
    const path = file(product(['a', 'b'], [1, 2, 3]).map(([who, x]) => ({ settings: { who, x }, value: who === 'a' ? x : 4 - x })));
    const { document, sheets } = breakEven(path, 'who', false, request());
    expect(sheets[0]?.rows).toEqual([['a 3x', '=', 'b 3x']]);
    expect(document['borders']).toEqual([{ row: [], from: 'a', to: 'b', between: ['1', '3'], at: 2 }]);
  });
});

describe('growth', () => {
  it('of 3 x^2 has the exponent 2', () => {
    const { document } = growth(squares, 'bytes', request({ where: { seed: '1' } }));
    expect(document['fits']).toEqual([{ exponent: expect.closeTo(2, 9) as number, r2: expect.closeTo(1, 9) as number, points: 4 }]);
  });

  it('of x^-1 is -1, of a constant 0, of one point unknown; zero has no logarithm', () => {
    expect(fitPower([1, 2, 4].map(x => [x, 8 / x])).exponent).toBeCloseTo(-1);
    expect(fitPower([1, 2, 4].map(x => [x, 5]))).toEqual({ exponent: 0, r2: 1, points: 3 });
    expect(
      fitPower([
        [1, 5],
        [2, 0],
        [0, 4],
      ]),
    ).toEqual({ exponent: undefined, r2: undefined, points: 1 });
  });
});

describe('an overview', () => {
  it('says what varies, and which counters differ', () => {
    const { document, sheets } = overview(policies);
    expect(document).toMatchObject({
      runs: 16,
      axes: [{ key: 'backend.options.fault' }, { key: 'vcpus' }, { key: 'share', values: ['1', '4', '16', '64'] }],
    });
    expect(sheets[1]?.rows).toEqual([['faults', 10, 1280]]);
  });

  it('of a real sweep and of its store finds the same axis', async () => {
    const directory = scratch();
    await runLocally({ ...small, vary: { write_percent: [50, 100] } }, { directory });
    expect(overview(join(directory, 'out')).document).toMatchObject({ runs: 2, axes: [{ key: 'write_percent', values: ['50', '100'] }] });
    expect(overview(join(directory, 'results')).document).toMatchObject({ runs: 2, axes: [{ key: 'workload.options.write_percent' }] });
  });
});

describe('what cannot be analysed', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['an unknown counter', () => pivot(policies, request({ value: 'fault' })), /^ANALYSIS_NO_VALUE: --value fault: .*did you mean faults/],
    ['an unknown phase', () => pivot(policies, request({ value: 'phases.q.counters.faults' })), /^ANALYSIS_NO_VALUE: .*known: p/],
    ['a time without a model', () => pivot(policies, request({ value: 'phases.p.time' })), /^ANALYSIS_NO_VALUE: .*no cost model/],
    ['a whole time without a model', () => pivot(policies, request({ value: 'time' })), /^ANALYSIS_NO_VALUE: --value time: .*no cost model/],
    ['an unknown axis', () => growth(policies, 'vcpu', request()), /^ANALYSIS_UNKNOWN_AXIS: --growth vcpu: .*did you mean vcpus/],
    ['an unknown statistic', () => pivot(policies, request({ statistic: 'meen' })), /^ANALYSIS_UNKNOWN_STATISTIC: .*did you mean mean/],
    ['no results', () => overview(scratch()), /^SWEEP_NO_SWEEP: /],
    ['a place that is not there', () => overview('/no/such/place'), /^SWEEP_NO_SWEEP: /],
    ['a single axis', () => breakEven(file([1, 2].map(x => ({ settings: { x }, value: x }))), 'x', false, request()), /^ANALYSIS_NEEDS_AXIS: /],
  ])('%s is refused', (_what, act, message) => {
    expect(act).toThrow(message);
  });

  it('a line that is no result is named', () => {
    const path = join(scratch(), 'r.ndjson');
    writeFileSync(path, '{"schema":"mmulab.result.v1"}\n');
    expect(() => overview(path)).toThrow(/^RESULT_MALFORMED: .*r\.ndjson:1: /);
  });
});
