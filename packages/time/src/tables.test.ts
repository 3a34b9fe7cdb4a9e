import { meaningOf, readMapping } from './mapping';
import type { PredictedCell } from '@mmulab/api';
import { judge } from './score';
import { readSelection } from './selection';
import { MAPPING_FILE, readText } from './shipped';
import { readTables, type Cell } from './tables';

const TABLE = {
  schema: 'mmulab.tables.v1',
  id: 'x86-own',
  test: 'dirty_log_perf_test',
  params: { mem_per_vcpu: '1G', backing: 'anonymous_hugetlb_1gb' },
  units: 's',
  tables: [
    {
      name: '5% writes',
      metric: 'Iteration 1 dirty memory time',
      columns: ['vcpus', 'eager_page_split=N', 'note'],
      rows: [
        [2, [1, 3], 'x'],
        [4, null, 'y'],
      ],
    },
  ],
};
const changed = (figure: unknown): unknown => ({ ...TABLE, tables: [{ columns: ['vcpus', 's'], rows: [[2, figure]] }] });
const rules = readMapping(readText(MAPPING_FILE), 'mapping.yaml');
const only = (cells: readonly Cell[]): Cell => {
  const [cell] = cells;
  if (cell === undefined) throw new Error('no cell');
  return cell;
};

describe('tables', () => {
  it('have one cell here: the mean of 1 and 3, null being no figure and text naming the row', () => {
    const cells = readTables(TABLE, 't.json');
    expect(cells).toHaveLength(1);
    expect(cells[0]).toMatchObject({ figure: 2, row: { vcpus: '2', note: 'x' }, column: 'eager_page_split=N' });
  });

  it.each([['text'], [Number.NaN], [-1], [[]], [{}]])('with %p for a figure are refused with the place', figure => {
    const document = changed(typeof figure === 'string' ? [figure] : figure);
    expect(() => readTables(document, 't.json')).toThrow('TABLE_SHAPE: t.json: tables[0].rows[0][1]');
  });

  it('mean a run: 5 % writes is -f 20, and iteration 1 is dirty_1', () => {
    const mapped = meaningOf(only(readTables(TABLE, 't.json')), rules);
    expect(mapped).toEqual({
      meaning: {
        command: ['dirty_log_perf_test', '-b', '1G', '-s', 'anonymous_hugetlb_1gb', '-g', '-f', '20'],
        vcpus: 2,
        backend: 'x86-tdp',
        kernel: '6.1',
        set: { 'host.vendor': 'intel', 'backend.options.eager_page_split': 'N' },
        phase: 'dirty_1',
        model: 'x86-tdp-2022',
        unitS: 1,
      },
    });
  });

  it('are refused, not guessed, where no rule says what a cell is', () => {
    expect(meaningOf(only(readTables(changed(1), 't.json')), rules)).toEqual({ refused: 'no rule says which phase "2 | s" is' });
  });

  it('let rows be chosen by a column, and nothing else', () => {
    expect(readTables(TABLE, 't').filter(readSelection('vcpus in [2, 16]'))).toHaveLength(1);
    expect(readTables(TABLE, 't').filter(readSelection('vcpus in [16]'))).toHaveLength(0);
    expect(() => readSelection('vcpus = 2')).toThrow('TABLE_BAD_SELECTION: --fit: vcpus = 2');
  });

  it('score held-out cells apart: twice too high and half too low are both 100 %', () => {
    const cell = (predicted: number, fitted: boolean): PredictedCell => ({
      ...{ table: '', name: '', row: '', column: '', published: 1, basis: null, bottleneck: null, refused: null },
      ...{ predicted, fitted, lo: predicted * 0.6, hi: predicted * 1.2 },
    });
    const score = judge([cell(1, true), cell(2, false), cell(0.5, false)]);
    expect(score.gme.fitted).toBeCloseTo(0, 12);
    expect(score.gme.heldOut).toBeCloseTo(1, 12);
    expect(score.medianError).toBeCloseTo(0.75, 12);
    expect(score.coverage).toBe(0);
    expect(judge([])).toEqual({ gme: { all: null, fitted: null, heldOut: null }, medianError: null, coverage: null });
  });
});
