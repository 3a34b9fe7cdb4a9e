/**
 * Results in every format: what a reader or a script finds in them.
 */
import { RESULT_SCHEMA, type CounterValues, type OptionSpec, type PhaseResult, type RunResult } from '@mmulab/api';
import type { ReportView as View } from '@mmulab/api';
import { renderReport } from './reporter';
import { resultsReport } from './results';

const view: View = { all: false, color: false, columns: 200 };

function phase(name: string, counters: CounterValues, more: Partial<PhaseResult> = {}): PhaseResult {
  return { phase: name, counters, vcpus: [{ counters }], ...more };
}

function result(phases: readonly PhaseResult[], more: Partial<RunResult> = {}): RunResult {
  const names = Object.keys(phases[0]?.counters ?? {});
  const sum = (name: string): number => phases.reduce((total, { counters }) => total + (counters[name] ?? 0), 0);
  return {
    schema: RESULT_SCHEMA,
    name: 'dirty_log_perf_test',
    config: { backend: { name: 'x86-tdp', kernel: '6.1.192' }, workload: { name: 'dirty_log_perf_test', options: { vcpus: 2, bytes: 16777216 } } },
    seed: 1,
    notes: [],
    phases,
    totals: { counters: Object.fromEntries(names.map(name => [name, sum(name)])) },
    memory: { tableBytesReal: 8192, simulatorBytes: 1 },
    wallMs: 3,
    ...more,
  };
}

const two = result([
  phase('populate', { page_fault: 262144, 'page_fault.write': 262144, 'huge_split.2m': 0, pages_4k: 10 }),
  phase('enable_log', { page_fault: 0, 'page_fault.write': 0, 'huge_split.2m': 0, pages_4k: 10 }),
]);

const render = (results: readonly RunResult[], format: string, seen: View = view): string => renderReport(resultsReport(results), format, seen);
/** The cells of the line that begins with `name`. */
const row = (text: string, name: string): string[] =>
  text
    .split('\n')
    .filter(line => line.startsWith(`${name} `))
    .flatMap(line => line.trim().split(/ {2,}/));

describe('a result as a table', () => {
  it('has a column per phase and the total, thousands set apart', () => {
    const text = render([two], 'table');
    expect(row(text, 'counter')).toEqual(['counter', 'populate', 'enable_log', 'total']);
    expect(row(text, 'page_fault')).toEqual(['page_fault', '262,144', '0', '262,144']);
  });

  it('names backend, kernel and workload', () => {
    expect(render([two], 'table')).toContain('x86-tdp, kernel 6.1.192: dirty_log_perf_test vcpus=2 bytes=16M');
  });

  it('says of the options only what is special when it knows the defaults', () => {
    const config = {
      backend: { name: 'x86-tdp', kernel: '6.1.192', options: { eager_page_split: 'N', nx_huge_pages: 'N' } },
      host: { vendor: 'amd', sockets: 1 },
      workload: { name: 'dirty_log_perf_test', options: { vcpus: 1, slots: 1, iterations: 5 } },
    };
    const option = (name: string, value: string | number): OptionSpec => ({
      kind: 'text',
      name,
      default: String(value),
      pattern: '',
      expected: '',
      doc: '',
    });
    const number = (name: string, value: number): OptionSpec => ({ kind: 'number', name, default: value, min: 0, max: 9, integer: true, doc: '' });
    const catalog = {
      backends: [
        {
          name: 'x86-tdp',
          arch: 'x86',
          models: '',
          profiles: [{ name: '6.1.192', doc: '', values: { nx_huge_pages: 'N' } }],
          options: [option('eager_page_split', 'Y'), option('nx_huge_pages', 'Y')],
          hostOptions: [option('vendor', 'intel')],
          events: [],
          check: () => undefined,
          machine: () => ({ arch: 'x86', pageSizeBytes: 4096, physBits: 46, maxGfn: () => 0 }),
        },
      ],
      workloads: [
        {
          name: 'dirty_log_perf_test',
          doc: '',
          usage: '',
          options: [number('vcpus', 1), number('slots', 1), number('iterations', 2)],
          parseArguments: () => ({}),
        },
      ],
    };
    const text = renderReport(resultsReport([{ ...two, config }], catalog), 'table', view);
    expect(text).toContain('x86-tdp, kernel 6.1.192, eager_page_split=N, vendor=amd: dirty_log_perf_test vcpus=1 iterations=5\n');
  });

  it('leaves out the counters that are zero throughout, and says how many', () => {
    const text = render([two], 'table');
    expect(row(text, 'huge_split.2m')).toEqual([]);
    expect(text).toContain('1 more counter is zero throughout');
  });

  it('shows them with --all', () => {
    const text = render([two], 'table', { ...view, all: true });
    expect(row(text, 'huge_split.2m')).toEqual(['huge_split.2m', '0', '0', '0']);
    expect(text).not.toContain('zero throughout');
  });

  it('is cut into blocks so that no line is wider than the terminal, every block with the counter names', () => {
    const wide = result(Array.from({ length: 12 }, (_, k) => phase(`dirty_${k + 1}`, { page_fault: k + 1000 })));
    const text = render([wide], 'table', { ...view, columns: 60 });
    const drawn = text.split('\n').filter(line => /^(counter|─|page_fault)/.test(line));
    expect(Math.max(...drawn.map(line => line.length))).toBeLessThanOrEqual(60);
    const heads = text.split('\n').filter(line => line.startsWith('counter '));
    expect(heads.length).toBeGreaterThan(1);
    expect(row(text, 'counter').filter(cell => cell.startsWith('dirty_'))).toHaveLength(12);
    expect(row(text, 'page_fault').filter(cell => cell === 'page_fault')).toHaveLength(heads.length);
  });

  it('shows a column even on a terminal narrower than any', () => {
    expect(row(render([two], 'table', { ...view, columns: 10 }), 'page_fault')).toContain('262,144');
  });

  it('folds 30 equal iterations and says what the column stands for', () => {
    const text = render([result(Array.from({ length: 30 }, (_, k) => phase(`dirty_${k + 1}`, { page_fault: k === 0 ? 8192 : 16 })))], 'table');
    expect(row(text, 'counter')).toEqual(['counter', 'dirty_1', 'dirty_2..30', 'total']);
    expect(row(text, 'page_fault')).toEqual(['page_fault', '8,192', '16', '8,656']);
    expect(text).toContain('dirty_2..30 give the count of each single one');
  });

  it('shows predicted times with their interval and basis when there are some', () => {
    const time = { predictedNs: 296204596, intervalNs: [270e6, 325e6], basis: 'calibrated', model: 'x86-2022', solver: 'mva', share: {} } as const;
    const text = render([result([phase('populate', { page_fault: 1 }, { time }), phase('enable_log', { page_fault: 0 })])], 'table');
    expect(row(text, 'predicted time')).toEqual(['predicted time', '296.2 ms', '-']);
    expect(row(text, 'interval')).toEqual(['interval', '270 ms - 325 ms', '-']);
    expect(text).toContain('model x86-2022, solver mva, calibrated');
  });

  it('tells runs of one name apart by the settings in which they differ', () => {
    const zap = { ...two, config: { ...two.config, backend: { options: { huge_page_fault: 'zap' } } } };
    const split = { ...two, config: { ...two.config, backend: { options: { huge_page_fault: 'split' } } } };
    const text = render([zap, split], 'table');
    expect(text).toContain('dirty_log_perf_test [huge_page_fault=zap]');
    expect(text).toContain('dirty_log_perf_test [huge_page_fault=split]');
  });

  it('carries escape sequences only where colour is allowed', () => {
    expect(render([two], 'table')).not.toContain('\u001b[');
    expect(render([two], 'table', { ...view, color: true })).toContain('\u001b[');
  });
});

describe('a result as JSON', () => {
  it('is the document itself, several results an array', () => {
    expect(JSON.parse(render([two], 'json'))).toEqual(two);
    expect(JSON.parse(render([two, two], 'json'))).toEqual([two, two]);
  });
});

describe('a result as CSV', () => {
  it('has one value per line, zeros included, numbers bare', () => {
    const lines = render([two], 'csv').split('\n');
    expect(lines[0]).toBe('run,name,phase,scope,counter,value');
    expect(lines).toContain('1,dirty_log_perf_test,populate,vm,page_fault,262144');
    expect(lines).toContain('1,dirty_log_perf_test,enable_log,vm,huge_split.2m,0');
    expect(lines).toHaveLength(1 + 2 * 4 + 1);
  });

  it('adds vCPUs and memslots with --all', () => {
    const scoped = result([phase('populate', { tlbi: 2 }, { slots: { '1': { counters: { tlbi: 1 } } } })]);
    const lines = render([scoped], 'csv', { ...view, all: true }).split('\n');
    expect(lines).toContain('1,dirty_log_perf_test,populate,vcpu 0,tlbi,2');
    expect(lines).toContain('1,dirty_log_perf_test,populate,slot 1,tlbi,1');
  });

  it('has a column per setting in which the runs differ', () => {
    const other = { ...two, config: { ...two.config, backend: { name: 'x86-tdp', kernel: '6.2' } } };
    const lines = render([two, other], 'csv').split('\n');
    expect(lines[0]).toBe('run,name,backend.kernel,phase,scope,counter,value');
    expect(lines).toContain('2,dirty_log_perf_test,6.2,populate,vm,page_fault,262144');
  });

  it('quotes fields that need it', () => {
    expect(render([{ ...two, name: 'zap, "split"' }], 'csv')).toContain('1,"zap, ""split""",populate,');
  });
});

describe('a result as Markdown', () => {
  it('is a heading and a pipe table', () => {
    const lines = render([two], 'markdown').split('\n');
    expect(lines).toContain('## dirty_log_perf_test');
    expect(lines).toContain('| counter | populate | enable_log | total |');
    expect(lines).toContain('| --- | ---: | ---: | ---: |');
    expect(lines).toContain('| page_fault | 262,144 | 0 | **262,144** |');
  });

  it('keeps what a name holds from being taken for markup', () => {
    expect(render([{ ...two, name: '<b> *x* a_b' }], 'markdown')).toContain('## \\<b> \\*x\\* a_b');
  });
});

describe('a result as the selftests print it', () => {
  it('says that there is no cost model and prints counts per phase, parts of a counter left out', () => {
    const lines = render([two], 'selftest').split('\n');
    expect(lines[0]).toBe('dirty_log_perf_test (no cost model: counts in place of times)');
    expect(lines).toContain('Populate memory time: page_fault 262144');
    expect(lines).toContain('Enabling dirty logging time: nothing counted');
  });

  it('prints seconds and the summary of the log when there are times', () => {
    const timed = (predictedNs: number): Partial<PhaseResult> => ({
      time: { predictedNs, intervalNs: [1, 2], basis: 'prior', model: 'm', solver: 's', share: {} },
    });
    const lines = render(
      [result([phase('dirty_1', {}, timed(296204596)), phase('get_log_1', {}, timed(2e6)), phase('get_log_2', {}, timed(4e6))])],
      'selftest',
    ).split('\n');
    expect(lines).toContain('Iteration 1 dirty memory time: 0.296204596s');
    expect(lines).toContain('Iteration 2 get dirty log time: 0.004000000s');
    expect(lines).toContain('Get dirty log over 2 iterations took 0.006000000s. (Avg 0.003000000s/iteration)');
  });

  it.each([
    ['execute_perf_test', 'execute', 'Executing from memory         : '],
    ['kvm_page_table_test', 'adjust_mappings', 'KVM_ADJUST_MAPPINGS: total execution time: '],
    ['access_tracking_perf_test', 'mark_memory_idle_2', 'Mark memory idle              : '],
    ['demand_paging_test', 'guest_execution', 'Total guest execution time: '],
    ['dirty_log_perf_test', 'clear_log_12', 'Iteration 12 clear dirty log time: '],
  ])('has the label of %s for %s', (workload, name, label) => {
    const one = { ...result([phase(name, { page_fault: 3 })]), config: { workload: { name: workload } } };
    expect(render([one], 'selftest').split('\n')[1]).toBe(`${label}page_fault 3`);
  });

  it('falls back to the phase name for workloads it does not know', () => {
    const other = { ...two, config: { workload: { name: 'cr_churn' } } };
    expect(render([other], 'selftest')).toContain('\npopulate: page_fault 262144\n');
  });
});

describe('formats', () => {
  it('rejects an unknown one with the nearest name', () => {
    expect(() => render([two], 'jsn')).toThrow(expect.objectContaining({ code: 'REPORT_UNKNOWN_FORMAT', errorClass: 'usage' }) as Error);
    expect(() => render([two], 'jsn')).toThrow(/did you mean json/);
  });
});
