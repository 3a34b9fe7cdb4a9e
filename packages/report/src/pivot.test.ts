/**
 * Pivots: one counter over two axes.
 */
import { RESULT_SCHEMA, type RunResult } from '@mmulab/api';
import { checkPivot, pivotReport, pivotTables, readPivot } from './pivot';
import { renderReport } from './reporter';

function run(kernel: string, vcpus: number, mode: string, faults: number, timeNs?: number): RunResult {
  const time = { predictedNs: timeNs ?? 0, intervalNs: [0, 1] as const, basis: 'prior' as const, model: 'm', solver: 's', share: {} };
  const counters = { page_fault: faults };
  const config = { backend: { name: 'x86-tdp', kernel, options: { mode, follows: kernel } }, vm: { vcpus }, workload: { options: { vcpus } } };
  return {
    schema: RESULT_SCHEMA,
    name: 'test',
    config: timeNs === undefined ? config : { ...config, time: { model: 'm' } },
    seed: 1,
    notes: [],
    phases: [
      { phase: 'populate', counters: { page_fault: 1 }, vcpus: [] },
      { phase: 'execute', counters: { page_fault: faults - 1 }, vcpus: [], ...(timeNs === undefined ? {} : { time }) },
    ],
    totals: { counters },
    memory: { tableBytesReal: 0, simulatorBytes: 0 },
    wallMs: 0,
  };
}

const matrix = [run('6.1', 1, 'zap', 10), run('6.1', 2, 'zap', 20), run('6.2', 1, 'zap', 3), run('6.2', 2, 'zap', 6)];
const request = { row: 'vcpus', column: 'kernel', counter: 'page_fault' };
const planned = matrix.map(({ config }) => ({ config, counters: ['page_fault'] }));
const codeOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return (error as { readonly code?: string }).code;
  }
};

describe('a pivot', () => {
  it('has vCPUs down, kernels across and totals inside; what follows from the kernel makes no table of its own', () => {
    expect(pivotTables(matrix, request)).toEqual([
      {
        where: '',
        phase: 'total',
        rows: ['1', '2'],
        columns: ['6.1', '6.2'],
        values: [
          [10, 3],
          [20, 6],
        ],
      },
    ]);
  });

  it('takes one phase where one is named', () => {
    expect(pivotTables(matrix, request, ['execute'])[0]?.values).toEqual([
      [9, 2],
      [19, 5],
    ]);
  });

  it('falls into one table per value of a third axis', () => {
    const tables = pivotTables([...matrix, ...matrix.map((_, at) => run(at < 2 ? '6.1' : '6.2', (at % 2) + 1, 'split', 100 + at))], request);
    expect(tables.map(({ where, values }) => [where, values[1]?.[1]])).toEqual([
      ['mode=zap', 6],
      ['mode=split', 103],
    ]);
  });

  it('marks a pair of values that no run has', () => {
    expect(renderReport(pivotReport(matrix.slice(0, 3), request), 'table', { all: false, color: false, columns: 80 })).toMatch(/^2 +20 +-$/m);
  });

  it('takes several settings for one axis', () => {
    const [table] = pivotTables(matrix, { row: 'kernel + vcpus', column: 'follows', counter: 'page_fault' });
    expect(table?.rows).toEqual(['kernel=6.1 vcpus=1', 'kernel=6.1 vcpus=2', 'kernel=6.2 vcpus=1', 'kernel=6.2 vcpus=2']);
  });

  it('shows times, with units for readers and without for programs', () => {
    const timed = [run('6.1', 1, 'zap', 1, 1500), run('6.2', 2, 'zap', 1, 2500000)];
    const report = pivotReport(timed, { ...request, counter: 'time' });
    expect(renderReport(report, 'table', { all: false, color: false, columns: 80 })).toContain('2.5 ms');
    expect(renderReport(report, 'csv', { all: false, color: false, columns: 80 })).toContain('2500000');
  });

  it('has null in JSON where no run is, and one value per line as CSV', () => {
    const view = { all: false, color: false, columns: 80 };
    const document = JSON.parse(renderReport(pivotReport(matrix.slice(0, 3), request), 'json', view)) as { readonly tables: readonly unknown[] };
    expect(document).toMatchObject({ schema: 'mmulab.pivot.v1', row: 'vcpus', counter: 'page_fault' });
    expect(document.tables[0]).toMatchObject({
      values: [
        [10, 3],
        [20, null],
      ],
    });
    expect(renderReport(pivotReport(matrix, request), 'csv', view)).toBe(
      'where,phase,vcpus,kernel,page_fault\n,total,1,6.1,10\n,total,1,6.2,3\n,total,2,6.1,20\n,total,2,6.2,6\n',
    );
  });
});

describe('names of a pivot', () => {
  it.each([
    ['a setting that does not differ', { ...request, row: 'mode' }, 'REPORT_UNKNOWN_AXIS'],
    ['a counter no backend has', { ...request, counter: 'page_falt' }, 'REPORT_UNKNOWN_COUNTER'],
    ['time without a cost model', { ...request, counter: 'time' }, 'REPORT_PIVOT_UNTIMED'],
    ['one setting twice, by name and by path', { ...request, column: 'vm.vcpus' }, 'REPORT_PIVOT_AXES'],
  ])('are refused: %s', (_what, wrong, code) => {
    expect(codeOf(() => checkPivot(wrong, planned))).toBe(code);
  });

  it.each([
    ['vcpus,kernel', 'REPORT_PIVOT_FORM'],
    ['vcpus,kernel,', 'REPORT_PIVOT_FORM'],
    ['a,a,page_fault', 'REPORT_PIVOT_AXES'],
  ])('are refused as typed: %s', (text, code) => expect(codeOf(() => readPivot(text))).toBe(code));

  it('may be paths, last parts or a whole section', () => {
    for (const row of ['vcpus', 'vm.vcpus', 'workload.options.vcpus', 'vm'])
      expect(codeOf(() => checkPivot({ ...request, row }, planned))).toBeUndefined();
  });
});
