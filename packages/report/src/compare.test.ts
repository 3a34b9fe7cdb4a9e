/**
 * Comparisons: alignment, ratios, grouping, and the labels of runs.
 */
import { RESULT_SCHEMA, type BackendDefinition, type CounterValues, type RunResult } from '@mmulab/api';
import { compareResults } from './compare';
import { comparisonReport } from './comparison-report';
import type { ReportView as View } from '@mmulab/api';
import { renderReport } from './reporter';
import { runLabels } from './settings';

const view: View = { all: false, color: false, columns: 200 };

interface Kind {
  readonly options?: Readonly<Record<string, string | number>>;
  readonly workload?: string;
  readonly kernel?: string;
  readonly name?: string;
}

function result(
  phases: Readonly<Record<string, CounterValues>>,
  { options = {}, workload = 'execute_perf_test', kernel = '6.1', name = 'test' }: Kind,
): RunResult {
  const total: Record<string, number> = {};
  for (const counters of Object.values(phases)) {
    for (const [counter, value] of Object.entries(counters)) total[counter] = (total[counter] ?? 0) + value;
  }
  return {
    schema: RESULT_SCHEMA,
    name,
    config: { name, backend: { name: 'x86-tdp', kernel, options }, workload: { name: workload, options: { vcpus: 1 } } },
    seed: 1,
    notes: [],
    phases: Object.entries(phases).map(([phase, counters]) => ({ phase, counters, vcpus: [] })),
    totals: { counters: total },
    memory: { tableBytesReal: 4096, simulatorBytes: 0 },
    wallMs: 0,
  };
}

const zap = result({ populate: { page_fault: 514, flush: 0 }, execute: { page_fault: 262144, flush: 8 } }, { options: { huge_page_fault: 'zap' } });
const split = result({ populate: { page_fault: 514, flush: 0 }, execute: { page_fault: 512, flush: 0 } }, { options: { huge_page_fault: 'split' } });

const lines = (results: readonly RunResult[], format = 'table', seen: View = view): string[] =>
  renderReport(comparisonReport(compareResults(results)), format, seen).split('\n');
const vcpus = (count: number): RunResult => ({
  ...zap,
  config: {
    backend: { name: 'x86-tdp', kernel: '6.1' },
    vm: { vcpus: count },
    workload: { name: 'execute_perf_test', options: { vcpus: count, bytes: 2 ** 30 } },
  },
});
const cells = (line: string | undefined): string[] => (line ?? '').trim().split(/ {2,}/);

describe('a matrix over the options of a workload', () => {
  const sized = (bytes: number, kernel: string): RunResult => {
    const run = result({ execute: { page_fault: bytes } }, { kernel });
    return { ...run, config: { ...run.config, workload: { name: 'execute_perf_test', options: { bytes } } } };
  };

  it('falls apart into one comparison per set of options where each has two runs', () => {
    const comparisons = compareResults([sized(1, '6.1'), sized(1, '6.2'), sized(2, '6.1'), sized(2, '6.2')]);
    expect(comparisons.map(({ labels }) => labels.map(label => label.join()))).toEqual([
      ['kernel=6.1', 'kernel=6.2'],
      ['kernel=6.1', 'kernel=6.2'],
    ]);
  });

  it('stays together where it is all that differs', () => {
    expect(compareResults([sized(1, '6.1'), sized(2, '6.1')])).toHaveLength(1);
  });
});

describe('two kernels side by side', () => {
  const kernels: BackendDefinition = {
    name: 'x86-tdp',
    arch: 'x86',
    models: 'a kernel',
    profiles: [
      { name: '6.1', doc: 'Older.', values: { huge_page_fault: 'zap' } },
      { name: '6.2', doc: 'Newer.', values: {} },
    ],
    options: [{ kind: 'choice', name: 'huge_page_fault', choices: ['zap', 'split'], default: 'split', doc: 'What a fault does.' }],
    hostOptions: [],
    events: [],
    check: () => undefined,
    machine: () => ({ arch: 'x86', pageSizeBytes: 4096, physBits: 46, maxGfn: bits => 2 ** bits }),
  };
  const of = (kernel: string, huge_page_fault: string): RunResult => result({ execute: { page_fault: 1 } }, { kernel, options: { huge_page_fault } });
  const heading = (results: readonly RunResult[], seen: View = view): string[] =>
    renderReport(comparisonReport(compareResults(results), { backends: [kernels], workloads: [] }), 'table', seen).split('\n');

  it('are headed by their names alone when their switches are those of the kernels', () => {
    const table = heading([of('6.1', 'zap'), of('6.2', 'split')]);
    expect(table).toContain('backend.kernel: 6.1 | 6.2');
    expect(table.filter(line => line.includes('huge_page_fault'))).toEqual([]);
    expect(heading([of('6.1', 'zap'), of('6.2', 'split')], { ...view, all: true })).toContain('backend.options.huge_page_fault: zap | split');
  });

  it('are headed by a switch that one of them has otherwise', () => {
    expect(heading([of('6.1', 'split'), of('6.2', 'zap')])).toContain('backend.options.huge_page_fault: split | zap');
  });
});

describe('two results side by side', () => {
  const table = lines([zap, split]);

  it('are headed by what differs', () => {
    expect(table).toContain('backend.options.huge_page_fault: zap | split');
    expect(cells(table.find(line => line.startsWith('phase ')))).toEqual(['phase', 'counter', 'zap', 'split', 'change']);
  });

  it('say 512x fewer where 262144 faults became 512, and none left where 8 flushes became 0', () => {
    const at = table.findIndex(line => line.startsWith('execute '));
    expect(cells(table[at])).toEqual(['execute', 'page_fault', '262,144', '512', '512x fewer']);
    expect(cells(table[at + 1])).toEqual(['flush', '8', '0', 'none left']);
  });

  it('have heads no wider than it takes: words alone, a mere Y with its name and only where it differs from the first run', () => {
    const run = (mode: string, eager: string): RunResult => ({
      ...(mode === 'zap' ? zap : split),
      config: { backend: { options: { eager_page_split: eager, huge_page_fault: mode } } },
    });
    const text = lines([run('zap', 'N'), run('split', 'N'), run('split', 'Y')]);
    const at = text.findIndex(line => line.startsWith('phase '));
    expect(cells(text[at])).toEqual(['phase', 'counter', 'zap', 'split', 'change', 'eager_page_split=Y', 'change']);
    expect(cells(text[at + 1])).toEqual(['split']);
  });

  it('have a total', () => {
    expect(cells(table.find(line => line.startsWith('total ')))).toEqual(['total', 'page_fault', '262,658', '1,026', '256x fewer']);
  });

  it('leave out what is the same, and show it with --all', () => {
    expect(table).toContain('No new difference: populate.');
    expect(table.filter(line => line.startsWith('populate '))).toEqual([]);
    const all = lines([zap, split], 'table', { ...view, all: true });
    expect(cells(all.find(line => line.startsWith('populate ')))).toEqual(['populate', 'page_fault', '514', '514', 'same']);
  });

  it('are folded to one line per story, unless the reader names counters or wants all', () => {
    const of = (faults: number, mode: string): RunResult =>
      result({ execute: { page_fault: faults, pf_taken: faults, exit: faults } }, { options: { huge_page_fault: mode } });
    const runs = [of(8, 'zap'), of(2, 'split')];
    const counters = (seen: View): string[] => lines(runs, 'table', seen).flatMap(line => /(\w+) +8 +2 /.exec(line)?.[1] ?? []);
    expect(counters(view)).toEqual(['page_fault']);
    expect(counters({ ...view, unfolded: true })).toEqual(['page_fault', 'pf_taken', 'exit']);
    expect(counters({ ...view, all: true })).toEqual(['page_fault', 'pf_taken', 'exit']);
  });

  it('show a gauge where it came to differ and not in every phase after that', () => {
    const of = (pages: number): RunResult =>
      result({ 1: { pages_4k: pages }, 2: { pages_4k: pages }, 3: { pages_4k: 2 * pages } }, { options: { pages } });
    const text = lines([of(1), of(512)]).filter(line => line.includes('512x more'));
    expect(text.map(line => cells(line)[0])).toEqual(['1', '3', 'total']);
  });

  it('say so in one line where nothing differs at all', () => {
    const text = lines([zap, { ...zap, config: split.config }]);
    expect(text).toContain('No difference in any phase.');
    expect(text.filter(line => line.includes('No new difference'))).toEqual([]);
  });

  it('keep a run and its change in one block on a narrow terminal', () => {
    const third = { ...split, config: { ...split.config, backend: { name: 'x86-tdp', kernel: '6.1', options: { huge_page_fault: 'other' } } } };
    const narrow = lines([zap, split, third], 'table', { ...view, columns: 56 });
    const heads = narrow.filter(line => line.startsWith('phase '));
    expect(heads.map(head => cells(head).slice(-2))).toEqual([
      ['split', 'change'],
      ['other', 'change'],
    ]);
    expect(Math.max(...heads.map(line => line.length))).toBeLessThanOrEqual(56);
  });
});

describe('what ran', () => {
  it('is said once for all runs, without what differs between them', () => {
    const text = lines([vcpus(1), vcpus(2)]);
    expect(text).toContain('x86-tdp, kernel 6.1: execute_perf_test bytes=1G');
    expect(text).toContain('vm.vcpus: 1 | 2');
    expect(text.filter(line => line.includes('workload.options.vcpus'))).toEqual([]);
  });
});

describe('three architectures side by side', () => {
  const of = (name: string, counters: CounterValues, options = {}): RunResult => {
    const run = result({ p: counters }, {});
    return { ...run, config: { backend: { name, options }, workload: { name: 't', options: { bytes: 4096 } } } };
  };
  const runs = [
    of('x86', { page_fault: 5, pf_taken: 5, exit: 5 }),
    of('x86-shadow', { page_fault: 9, pf_taken: 9, exit: 9 }),
    of('arm64', { guest_abort: 7, exit: 7 }),
  ];

  it('have the counters all of them have first, then of the others those that lead a story', () => {
    const counters = lines(runs).flatMap(line => /^(?:p|total)? +(\S+) +(?:[\d-])/.exec(line)?.[1] ?? []);
    expect(counters).toEqual(['exit', 'page_fault', 'guest_abort']);
  });

  it('say in one line what they share', () => {
    expect(lines(runs)).toContain('t bytes=4K');
  });

  it('show no zeros of counters that others do not have', () => {
    expect(lines([of('x86', { exit: 1, page_fault: 0 }), of('arm64', { exit: 2 })]).join('\n')).not.toContain('page_fault');
  });
});

describe('the document of a comparison', () => {
  it('has values and ratios per phase and counter, null where there is no ratio', () => {
    const document = JSON.parse(lines([zap, split], 'json').join('\n')) as { groups: { phases: unknown[]; runs: unknown[] }[]; schema: string };
    expect(document.schema).toBe('mmulab.comparison.v1');
    expect(document.groups).toHaveLength(1);
    expect(document.groups[0]?.runs).toEqual([
      { name: 'test', label: 'huge_page_fault=zap', settings: { 'backend.options.huge_page_fault': 'zap' } },
      { name: 'test', label: 'huge_page_fault=split', settings: { 'backend.options.huge_page_fault': 'split' } },
    ]);
    expect(document.groups[0]?.phases[0]).toEqual({
      phase: 'populate',
      counters: { page_fault: { values: [514, 514], ratios: [1, 1] }, flush: { values: [0, 0], ratios: [null, null] } },
    });
  });

  it('has one value per line as CSV', () => {
    const csv = lines([zap, split], 'csv');
    expect(csv[0]).toBe('group,run,name,backend.options.huge_page_fault,phase,counter,value,ratio');
    expect(csv).toContain('1,2,test,split,execute,page_fault,512,0.001953125');
  });

  it('prints one line per run under the label of the test in selftest form', () => {
    const text = lines([zap, split], 'selftest');
    const at = text.indexOf('Executing from memory         :');
    expect(text.slice(at + 1, at + 3)).toEqual([
      '  huge_page_fault=zap: page_fault 262144, flush 8',
      '  huge_page_fault=split: page_fault 512, flush 0',
    ]);
  });
});

describe('aligning phases', () => {
  it('keeps the order of each run and marks what a run does not have', () => {
    const short = result({ populate: { f: 1 }, dirty_1: { f: 2 }, disable: { f: 3 } }, { options: { n: 1 } });
    const long = result({ populate: { f: 1 }, dirty_1: { f: 2 }, dirty_2: { f: 9 }, disable: { f: 3 } }, { options: { n: 2 } });
    const [comparison] = compareResults([short, long]);
    expect(comparison?.phases.map(phase => phase.phase)).toEqual(['populate', 'dirty_1', 'dirty_2', 'disable']);
    expect(comparison?.phases[2]?.counters).toEqual([{ counter: 'f', values: [undefined, 9] }]);
    expect(cells(lines([short, long]).find(line => line.startsWith('dirty_2 ')))).toEqual(['dirty_2', 'f', '-', '9']);
  });

  it('puts w beside w where a host operation came in front, and says both names', () => {
    const plain = result({ '1_w': { f: 1025 }, '2_r': { f: 0 } }, { options: { n: 1 } });
    const logged = result({ '1_D': { f: 0 }, '2_w': { f: 262657 }, '3_r': { f: 0 } }, { options: { n: 2 } });
    const table = lines([plain, logged]);
    expect(cells(table.find(line => line.startsWith('1_w ')))).toEqual(['1_w / 2_w', 'f', '1,025', '262,657', '256x more']);
    const document = JSON.parse(lines([plain, logged], 'json').join('\n')) as { groups: { phases: { phase: string; names?: unknown }[] }[] };
    expect(document.groups[0]?.phases.map(({ phase, names }) => [phase, names])).toEqual([
      ['1_D', [null, '1_D']],
      ['1_w / 2_w', ['1_w', '2_w']],
      ['2_r / 3_r', ['2_r', '3_r']],
    ]);
  });

  it('puts counters that only one backend has beside the shared ones', () => {
    const [comparison] = compareResults([result({ p: { a: 1 } }, { options: { n: 1 } }), result({ p: { b: 1 } }, { options: { n: 2 } })]);
    expect(comparison?.phases[0]?.counters).toEqual([
      { counter: 'a', values: [1, undefined] },
      { counter: 'b', values: [undefined, 1] },
    ]);
  });
});

describe('grouping', () => {
  const dirty = (mode: string): RunResult => result({ dirty_1: { f: 1 } }, { workload: 'dirty_log_perf_test', options: { huge_page_fault: mode } });

  it('compares the runs of each of two workloads among themselves', () => {
    const comparisons = compareResults([zap, dirty('zap'), split, dirty('split')]);
    expect(comparisons.map(comparison => comparison.runs.map(run => run.phases[0]?.phase))).toEqual([
      ['populate', 'populate'],
      ['dirty_1', 'dirty_1'],
    ]);
  });

  it('compares everything with everything when a workload has a single run', () => {
    expect(compareResults([zap, split, dirty('zap')])).toHaveLength(1);
  });

  it('refuses fewer than two results', () => {
    expect(() => compareResults([zap])).toThrow(expect.objectContaining({ code: 'REPORT_NOTHING_TO_COMPARE', errorClass: 'usage' }) as Error);
  });
});

describe('labels', () => {
  it('take only as many settings as tell the runs apart, the kernel first', () => {
    const old = result({}, { kernel: '5.17', options: { a: 'x', b: 'y' } });
    const recent = result({}, { kernel: '6.1', options: { a: 'z', b: 'w' } });
    expect(runLabels([old, recent])).toEqual([['kernel=5.17'], ['kernel=6.1']]);
  });

  it('name the usual value of what a config leaves out: 1 seed, N for representative', () => {
    const [usual, further] = [result({}, {}), result({}, {})];
    const runs = (more: object): string[][] => runLabels([usual, { ...further, config: { ...further.config, ...more } }]).map(one => [...one]);
    expect([...runs({ seeds: 2 }), ...runs({ representative: 'Y' })].flat()).toEqual(['seeds=1', 'seeds=2', 'representative=N', 'representative=Y']);
  });

  it('take two settings when one is not enough', () => {
    const runs = [
      ['zap', 'N'],
      ['split', 'N'],
      ['split', 'Y'],
    ].map(([mode, eager]) => result({}, { options: { huge_page_fault: mode ?? '', eager_page_split: eager ?? '' } }));
    expect(runLabels(runs)).toEqual([
      ['huge_page_fault=zap', 'eager_page_split=N'],
      ['huge_page_fault=split', 'eager_page_split=N'],
      ['huge_page_fault=split', 'eager_page_split=Y'],
    ]);
  });

  it('are names or numbers when the configs are equal', () => {
    expect(runLabels([result({}, { name: 'a' }), result({}, { name: 'b' })])).toEqual([['a'], ['b']]);
    expect(runLabels([result({}, {}), result({}, {})])).toEqual([['run 1'], ['run 2']]);
  });
});
