import { meaningOf, readMapping } from './mapping';
import type { PredictedCell } from '@mmulab/api';
import { judge } from './score';
import { readSelection } from './selection';
import { MAPPING_FILE, readText } from './shipped';
import { readTables, type Cell } from './tables';

const TABLE = {
  schema: 'mmulab.tables.v1',
  id: 'x86-own',
  date: '2023-01-15',
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
        command: ['dirty_log_perf_test', '-b', '1G', '-s', 'anonymous_hugetlb_1gb', '-f', '20', '-g'],
        vcpus: 2,
        backend: 'x86-tdp',
        kernel: '6.1',
        set: { 'backend.options.eager_page_split': 'N' },
        phase: 'dirty_1',
        model: 'x86-tdp-2022',
        host: undefined,
        times: 1,
        unitS: 1,
      },
    });
  });

  it.each([
    [
      { columns: ['vCPUs', 'before'], rows: [[64, 1]] },
      { date: '2021-07-01', patch: 'KVM: x86/mmu: Fast page fault support for the TDP MMU' },
      { vcpus: 64, kernel: '5.13', phase: 'dirty_2' },
    ],
    [{ columns: ['metric', 'after'], rows: [['Clear dirty log time, iteration 2 (ms)', 3]] }, {}, { phase: 'clear_log_2', unitS: 1e-3 }],
    [
      { columns: ['# vcpus', 'memory', 'write_percent', 'dirty memory time'], rows: [[8, '4 GiB', 50, 3]] },
      {},
      { command: expect.arrayContaining(['-b', '4G', '-f', '2']) as unknown, vcpus: 8 },
    ],
    [
      { columns: ['vcpus', 'dirty_memory_usec'], rows: [[2, 3]] },
      { id: 'arm64-own', hardware: 'Ampere Altra, v6.4' },
      { kernel: '6.4', model: 'arm64-shared-2023', host: 'ampere-altra', unitS: 1e-6 },
    ],
    [
      { columns: ['metric', 'tdp_mmu=N'], rows: [['Disabling dirty log', 3]] },
      {},
      { backend: 'x86-shadow', model: 'x86-legacy-2022', phase: 'disable_log' },
    ],
    [
      { columns: ['metric', 'before'], rows: [['Writing to idle memory', 3]] },
      { test: 'access_tracking_perf_test -v 4 -b 2G' },
      { command: ['access_tracking_perf_test', '-b', '2G', '-s', 'anonymous_hugetlb_1gb'], phase: 'writing_to_idle_memory' },
    ],
  ])('mean what they say, however they say it: %j', (table, file, expected) => {
    const { meaning } = meaningOf(only(readTables({ ...TABLE, ...file, tables: [table] }, 't.json')), rules) as { readonly meaning: unknown };
    expect(meaning).toMatchObject(expected);
  });

  it.each([
    ['TLB flushes', 'a count'],
    ['dirty memory time, improvement (%)', 'no time'],
    ['nothing of the kind', 'no rule says'],
  ])('refuse %s: %s', (row, reason) => {
    const mapped = meaningOf(only(readTables({ ...TABLE, tables: [{ columns: ['metric', 'before'], rows: [[row, 3]] }] }, 't.json')), rules);
    expect((mapped as { readonly refused: string }).refused).toContain(reason);
  });

  it('may stand for a phase done many times: ssdd 10 50000 is 15,625 rounds of 128 register writes', () => {
    const table = { columns: ['variant', 'legacy', 'shadow'], rows: [['patches 4-6 (guest-owned WP)', 3, 4]] };
    const cells = readTables({ ...TABLE, test: 'rt-tests ssdd 10 50000 in guest', tables: [table] }, 't.json');
    const [legacy, shadow] = cells.map(cell => meaningOf(cell, rules) as { readonly meaning: object });
    expect(legacy?.meaning).toMatchObject({
      times: 15625,
      phase: 'round_2',
      model: 'x86-cr0-wp-2023',
      set: { 'backend.options.wp_guest_owned': 'Y' },
    });
    expect(shadow?.meaning).toMatchObject({ times: 15625, model: 'x86-cr0-wp-shadow-2023', set: { 'backend.options.npt': 'N' } });
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
