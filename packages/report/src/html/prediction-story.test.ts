/**
 * Published tables on a report page.
 */
import type { PredictedCell } from '@mmulab/api';
import { predictionStory } from './prediction-story';

const cell = (row: string, more: Partial<PredictedCell> = {}): PredictedCell => ({
  table: 'x86-own',
  name: '',
  row,
  column: 'zap',
  published: 2,
  predicted: 1.5,
  lo: 1,
  hi: 3,
  fitted: false,
  basis: 'prior',
  bottleneck: 'lock',
  refused: null,
  ...more,
});
const score = { gme: { all: 0.25, fitted: null, heldOut: 0.25 }, medianError: 0.25, coverage: 1, parameters: [] };
const story = predictionStory(
  'x86-own',
  {
    cells: [
      cell('2'),
      cell('4', { name: 'reads' }),
      cell('8', { published: 0 }),
      cell('16', { predicted: null, lo: null, hi: null, refused: 'no such workload' }),
    ],
    ...score,
  },
  'mmulab predict own.json',
);

describe('the story of a published table', () => {
  it('draws each part of the table by itself, in ns with intervals, and leaves out of the drawing what has no place on a logarithmic axis', () => {
    expect(story.published).toEqual([
      { source: 'x86-own', rows: [{ label: '2, zap', publishedNs: 2e9, predictedNs: 1.5e9, intervalNs: [1e9, 3e9] }] },
      { source: 'x86-own: reads', rows: [{ label: '4, zap', publishedNs: 2e9, predictedNs: 1.5e9, intervalNs: [1e9, 3e9] }] },
    ]);
  });

  it('shows all 4 cells in its tables, the refused one with its reason, and says the errors once', () => {
    expect(story.sheets?.map(({ title, rows, notes }) => [title, rows.length, notes])).toEqual([
      ['Published and predicted times', 3, []],
      ['1 cells that no prediction is made for', 1, []],
    ]);
    expect(story.conclusions?.[0]).toBe('Geometric mean error: all 25.0 %, fitted -, held out 25.0 %.');
  });
});
