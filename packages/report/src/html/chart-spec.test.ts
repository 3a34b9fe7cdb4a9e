/**
 * Charts before they are drawn.
 */
import { compareRuns } from '../compare';
import { madeResult, matrix, zapAndSplit } from '../fixtures/results';
import { axesOf, breakEvenOf, measureOf } from './axes';
import { barsSpec, changesSpec, heatSpec, seriesOf, sharesSpec } from './chart-spec';

describe('what changed', () => {
  const spec = changesSpec(compareRuns(zapAndSplit), ['zap', 'split']);

  it('has a point per counter that tells a story, with counts and words', () => {
    expect(spec?.points.map(({ counter, change, counts }) => [counter, change, counts])).toEqual([
      ['page_fault', '256x fewer', '262,658 → 1,026'],
      ['flush', 'none left', '1 → 0'],
    ]);
  });

  it('puts what has no ratio beyond all that have one', () => {
    const [faults, flush] = spec?.points ?? [];
    expect([faults?.isOff, flush?.isOff]).toEqual([false, true]);
    expect(flush?.ratio).toBeLessThan((faults?.ratio ?? 0) / 2);
    expect(faults?.ratio).toBeCloseTo(1026 / 262658);
  });

  it('tells readers who do not see it what it shows', () => {
    expect(spec?.description).toBe('Ratios to zap: page_fault, split: 256x fewer; flush, split: none left');
  });

  it('is no chart where nothing differs', () =>
    expect(changesSpec(compareRuns([zapAndSplit[0], zapAndSplit[0]].flatMap(run => run ?? [])), ['a', 'b'])).toBeUndefined());
});

describe('times', () => {
  const run = madeResult({ a: { f: 1 } }, { timeNs: 1_000_000 });
  const phases = [{ name: 'a', of: run.phases }];

  it('come with their intervals', () => {
    expect(barsSpec('Time', 'time', phases, ['run'], phase => phase.time?.predictedNs).bars).toEqual([
      { phase: 'a', run: 'run', value: 1_000_000, low: 500_000, high: 2_000_000 },
    ]);
  });

  it('fall into parts that add up to them', () => {
    const { parts } = sharesSpec(phases, ['run']);
    expect(parts.map(({ part, ns }) => [part, ns])).toEqual([
      ['lock', 250_000],
      ['fault', 750_000],
    ]);
  });
});

describe('a break-even map', () => {
  it('says what the second policy makes of the first, cell by cell', () => {
    const even = breakEvenOf(matrix, axesOf(matrix), measureOf('page_fault'));
    if (even === undefined) throw new Error('there is a map');
    const spec = heatSpec(even, 'page_fault');
    expect(spec.title).toBe('Break-even: page_fault of huge_page_fault=split against zap');
    expect(spec.cells.find(cell => cell.column === '8' && cell.row === '1G')).toMatchObject({ words: '2.67x fewer' });
    expect(spec.cells.filter(cell => cell.ratio > 1).map(cell => cell.column)).toEqual(['1', '1', '2', '2']);
  });
});

describe('series', () => {
  it('are named once, in the order of their colours', () => {
    const spec = barsSpec(
      'F',
      'count',
      [{ name: 'execute', of: zapAndSplit.map(run => run.phases[1]) }],
      ['zap', 'split'],
      phase => phase.counters['page_fault'],
    );
    expect(seriesOf(spec)).toEqual(['zap', 'split']);
  });
});
