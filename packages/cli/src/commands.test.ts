/**
 * Every command with the built-in plugins, in this process: what it prints, and the code it ends with.
 */
import { COUNTER_GROUPS } from '@mmulab/report';
import type { RunResult } from '@mmulab/api';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';
import { reportError } from './program';

const SMALL = ['dirty_log_perf_test', '-v', '1', '-b', '4M', '-s', 'anonymous', '-g'];
const MATRIX = `
name: matrix
backend: { name: x86-tdp, kernel: 6.1.192, options: { eager_page_split: N } }
workload: dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g
vary: { huge_page_fault: [zap, split] }
`;
const faulty = resolve(__dirname, 'fixtures/faulty');

const results = (text: string): RunResult[] => [JSON.parse(text) as RunResult | RunResult[]].flat();
const counter = (result: RunResult | undefined, phase: string, name: string): number | undefined =>
  result?.phases.find(candidate => candidate.phase === phase)?.counters[name];

describe('run', () => {
  it('runs a command line of a test and prints a table of its counters', () => {
    const { code, out } = record('run', '--', ...SMALL);
    expect(code).toBe(0);
    expect(out).toMatch(/^counter +populate +enable_log +dirty_1 +get_log_1 +dirty_2 +get_log_2 +disable_log +destroy_vm +total$/m);
    expect(out).toMatch(/^page_fault +1,0\d\d /m);
  });

  it('prints one document with --format json, and an array for a matrix', () => {
    const single = record('run', '--format', 'json', '--', ...SMALL);
    expect(JSON.parse(single.out)).toMatchObject({ schema: 'mmulab.result.v1', seed: 1, config: { vm: { vcpus: 1 } } });
    const matrix = record('run', '--format', 'json', scratchFile('m.yaml', MATRIX));
    expect(results(matrix.out).map(result => (result.config['backend'] as { options: Record<string, string> }).options['huge_page_fault'])).toEqual([
      'zap',
      'split',
    ]);
  });

  it('prints the runs of a matrix and then puts them side by side', () => {
    const { code, out } = record('run', scratchFile('m.yaml', MATRIX));
    expect(code).toBe(0);
    expect(out).toContain('matrix (huge_page_fault=zap)');
    expect(out).toContain('matrix (huge_page_fault=split)');
    expect(out).toMatch(/^phase +counter +zap +split +change$/m);
  });

  it('runs a .test file', () => {
    const { code, out } = record('run', '--format', 'json', scratchFile('small.test', `# one command line\n${SMALL.join(' ')}\n`));
    expect(code).toBe(0);
    expect(results(out)[0]?.config['workload']).toMatchObject({ name: 'dirty_log_perf_test', options: { bytes: 4 * 2 ** 20 } });
  });

  it('prints the usage of a test for TEST -h', () => {
    const { code, out } = record('run', '--', 'dirty_log_perf_test', '-h');
    expect(code).toBe(0);
    expect(out).toMatch(/^usage: dirty_log_perf_test /i);
    expect(out).toMatch(/^ *-b /m);
  });

  it('writes counts with thousands, CSV without, Markdown as pipes, and selftest lines that say there is no cost model', () => {
    expect(record('run', '--format', 'csv', '--', ...SMALL).out).toMatch(/^1,dirty_log_perf_test,populate,vm,page_fault,1\d\d\d$/m);
    expect(record('run', '--format', 'markdown', '--', ...SMALL).out).toMatch(/^\| page_fault \| 1,\d\d\d \|/m);
    const selftest = record('run', '--format', 'selftest', '--', ...SMALL).out;
    expect(selftest).toContain('(no cost model: counts in place of times)');
    expect(selftest).toMatch(/^Populate memory time: .*\bpage_fault 1\d\d\d/m);
  });

  it('shows zero counters with --all only', () => {
    expect(record('run', '--', ...SMALL).out).not.toMatch(/^spte\.install\.1g /m);
    expect(record('run', '--all', '--', ...SMALL).out).toMatch(/^spte\.install\.1g +0/m);
  });

  it('writes JSON and CSV into --out, in the order of the matrix', () => {
    const directory = join(scratchDirectory(), 'deep', 'out');
    const { code, err } = record('run', '--out', directory, scratchFile('m.yaml', MATRIX));
    expect(code).toBe(0);
    expect(readdirSync(directory)).toEqual([
      '1-matrix-huge_page_fault=zap.csv',
      '1-matrix-huge_page_fault=zap.json',
      '2-matrix-huge_page_fault=split.csv',
      '2-matrix-huge_page_fault=split.json',
    ]);
    expect(err).toContain('wrote ');
    const saved = readFileSync(join(directory, '2-matrix-huge_page_fault=split.json'), 'utf8');
    expect(results(saved)[0]?.name).toBe('matrix (huge_page_fault=split)');
  });

  it('tells how far it has come, and nothing of the kind with --quiet', () => {
    expect(record('run', '--', ...SMALL).progress[0]).toEqual({ done: 0, total: 8, label: 'dirty_log_perf_test: populate' });
    expect(record('run', '--quiet', '--', ...SMALL).progress).toEqual([undefined]);
  });

  it('says on stderr which release stands in for one outside those known', () => {
    const { code, err } = record('run', '--kernel', '9.1', '--', ...SMALL);
    expect(code).toBe(0);
    expect(err).toMatch(/^note: .*9\.1 .* counted as \d/m);
    expect(record('run', '--quiet', '--kernel', '9.1', '--', ...SMALL).err).toBe('');
  });

  it('gives the same bytes for the same config and seed', () => {
    const measured = (text: string): string => text.replace(/"(wallMs|simulatorBytes)": [\d.]+/g, '');
    const overlap = ['run', '--format', 'json', '--seed', '7', '--', 'dirty_log_perf_test', '-v', '2', '-b', '4M', '-o'];
    expect(measured(record(...overlap).out)).toBe(measured(record(...overlap).out));
  });

  it('ends with 1 when a threshold is not met, and says which, by how much', () => {
    const config = (bound: number): string => `${MATRIX}thresholds: { phases.dirty_1.counters.page_fault: '<= ${bound}' }\n`;
    expect(record('run', scratchFile('m.yaml', config(1e6))).code).toBe(0);
    const { code, err, out } = record('run', scratchFile('m.yaml', config(2)));
    expect(code).toBe(1);
    expect(err).toMatch(/^threshold not met: matrix \(huge_page_fault=zap\): phases\.dirty_1\.counters\.page_fault is 1,024, expected <= 2$/m);
    expect(out).toMatch(/^page_fault /m);
  });
});

describe('settings of the command line', () => {
  const resolved = (...argv: string[]): Record<string, unknown> => results(record('run', '--format', 'json', ...argv).out)[0]?.config ?? {};

  it('set any option by its name or path, a size with its suffix', () => {
    const config = resolved(
      '--set',
      'bytes=8M',
      '--set',
      'eager_page_split=N',
      '--set',
      'host.vendor=amd',
      '--kernel',
      '6.2',
      '--vcpus',
      '2',
      '--',
      ...SMALL,
    );
    expect(config).toMatchObject({
      backend: { kernel: '6.2', options: { eager_page_split: 'N' } },
      host: { vendor: 'amd' },
      vm: { vcpus: 2 },
      workload: { options: { bytes: 8 * 2 ** 20 } },
    });
  });

  it('beat the config, an axis of its matrix included', () => {
    const file = scratchFile('m.yaml', MATRIX);
    const runs = results(record('run', '--format', 'json', '--set', 'backend.options.huge_page_fault=split', '--seed', '5', file).out);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({ seed: 5, config: { backend: { options: { huge_page_fault: 'split' } } } });
  });

  it('apply to every workload of a matrix over workloads', () => {
    const config = 'vary: { workload: [dirty_log_perf_test -b 4M, execute_perf_test -b 4M] }';
    const runs = results(record('run', '--format', 'json', '--vcpus', '2', '--set', 'bytes=2M', scratchFile('w.yaml', config)).out);
    expect(runs.map(run => run.config['workload'])).toMatchObject([
      { name: 'dirty_log_perf_test', options: { bytes: 2 ** 21, vcpus: 2 } },
      { name: 'execute_perf_test', options: { bytes: 2 ** 21, vcpus: 2 } },
    ]);
  });

  it('make a matrix with --vary', () => {
    const runs = results(record('run', '--format', 'json', '--vary', 'vcpus=1,2', '--vary', 'eager_page_split=Y,N', '--', ...SMALL).out);
    expect(runs.map(run => (run.config['vm'] as { vcpus: number }).vcpus)).toEqual([1, 1, 2, 2]);
  });
});

describe('compare', () => {
  it('puts the runs of a command line side by side', () => {
    const argv = [
      '--set',
      'nx_huge_pages=Y',
      '--vary',
      'huge_page_fault=zap,split',
      '--',
      'execute_perf_test',
      '-b',
      '16M',
      '-s',
      'anonymous_hugetlb_2mb',
    ];
    const { code, out } = record('compare', '--kernel', '6.1.192', ...argv);
    expect(code).toBe(0);
    expect(out).toMatch(/^ +page_fault +4,096 +8 +512x fewer$/m);
  });

  it('reads saved results, files and directories, in the order they are named', () => {
    const directory = scratchDirectory();
    record('run', '--out', directory, scratchFile('m.yaml', MATRIX));
    const fresh = record('compare', '--format', 'json', scratchFile('m.yaml', MATRIX));
    expect(record('compare', '--format', 'json', directory).out).toBe(fresh.out);
    const [zap = '', split = ''] = readdirSync(directory).filter(name => name.endsWith('.json'));
    const turned = record('compare', join(directory, split), join(directory, zap));
    expect(turned.out).toMatch(/^phase +counter +split +zap +change$/m);
  });

  it('compares a saved result with a config', () => {
    const saved = scratchFile(
      'saved.json',
      record('run', '--format', 'json', '--kernel', '6.1.192', '--set', 'huge_page_fault=split', '--', ...SMALL).out,
    );
    const { code, out } = record('compare', saved, scratchFile('m.yaml', MATRIX));
    expect(code).toBe(0);
    expect(out).toContain('workload.options.backing: anonymous | anonymous_hugetlb_2mb | anonymous_hugetlb_2mb');
  });

  it('refuses a single run with code 2 before it runs it', () => {
    const { code, err, progress } = record('compare', '--', ...SMALL);
    expect(code).toBe(2);
    expect(err).toContain('CLI_TOO_LITTLE_TO_COMPARE');
    expect(progress).toEqual([undefined]);
  });

  it('ends with 1 when a threshold is not met', () => {
    const config = `${MATRIX}thresholds: { totals.counters.page_fault: 0 }\n`;
    expect(record('compare', scratchFile('m.yaml', config)).code).toBe(1);
  });

  it('puts w beside w where one run logs from boot: 1,025 against 262,657 faults over 1 GiB of 2 MiB pages', () => {
    const config = (rounds: string): string => `workload: access_rounds -b 1G -s anonymous_hugetlb_2mb -p ${rounds}\nbackend: { kernel: 6.1.192 }\n`;
    const { code, out } = record('compare', scratchFile('later.yaml', config('w,r')), scratchFile('boot.yaml', config('D,w,r')));
    expect(code).toBe(0);
    expect(out).toMatch(/^1_w \/ 2_w .*\n(.+\n)* +page_fault +1,025 +262,657 +256x more$/m);
    expect(out).toContain('No new difference: noop, 2_r / 3_r.');
  });

  it('fits one screen: the flagship comparison takes 25 lines', () => {
    const test = ['execute_perf_test', '-v', '2', '-b', '1G', '-s', 'anonymous_hugetlb_1gb'];
    const { out } = record('compare', '--kernel', '6.1.192', '--set', 'nx_huge_pages=Y', '--vary', 'huge_page_fault=zap,split', '--', ...test);
    expect(out).toMatch(/page_fault +524,288 +1,024 +512x fewer/);
    expect(out.split('\n').length).toBeLessThanOrEqual(25);
  });

  it('shows every counter that was asked for by name', () => {
    const argv = ['--kernel', '6.1.192', '--set', 'nx_huge_pages=Y', '--counters', 'page_fault,pf_taken', '--vary', 'huge_page_fault=zap,split'];
    expect(record('compare', ...argv, '--', 'execute_perf_test', '-b', '4M', '-s', 'anonymous_hugetlb_2mb').out).toMatch(/^ +pf_taken +1,024 +2 /m);
  });

  it('pivots one counter over two axes, and refuses wrong names before anything runs', () => {
    const matrix = ['--vary', 'kernel=6.1,6.2', '--vary', 'vcpus=1,2', '--set', 'nx_huge_pages=Y'];
    const test = ['--phases', 'execute', '--', 'execute_perf_test', '-b', '4M', '-s', 'anonymous_hugetlb_2mb'];
    expect(record('compare', ...matrix, '--pivot', 'vcpus,kernel,page_fault', ...test).out).toMatch(/^2 +2,048 +4$/m);
    for (const [pivot, code] of [
      ['vcpu,kernel,page_fault', 'REPORT_UNKNOWN_AXIS: --pivot: vcpu: .*did you mean vcpus'],
      ['vcpus,kernel,page_falt', 'REPORT_UNKNOWN_COUNTER: page_falt: .*did you mean page_fault'],
      ['vcpus,kernel,time', 'REPORT_PIVOT_UNTIMED'],
      ['vcpus,kernel', 'REPORT_PIVOT_FORM'],
    ] as const) {
      const { code: exit, err, progress } = record('compare', ...matrix, '--pivot', pivot, ...test);
      expect([exit, progress]).toEqual([2, [undefined]]);
      expect(err).toMatch(new RegExp(code));
    }
  });

  it('refuses results of another version, and other documents, by name', () => {
    for (const schema of ['mmulab.result.v0', 'mmulab.comparison.v1', 'mmulab.pivot.v1']) {
      const saved = scratchFile('old.json', JSON.stringify({ schema, name: 'x' }));
      expect(record('compare', saved, saved)).toMatchObject({ code: 2, err: expect.stringContaining(`schema is ${schema}`) as string });
    }
  });

  it('refuses results with parts missing, naming file and part', () => {
    const broken = scratchFile('r.json', JSON.stringify({ schema: 'mmulab.result.v1', name: 'x', config: {}, phases: [{ phase: 'p' }] }));
    const { code, err } = record('compare', broken, broken);
    expect(code).toBe(2);
    expect(err).toMatch(/RESULT_MALFORMED: .*r\.json: totals: expected counters/);
  });
});

describe('verify', () => {
  /** A file with one record: what a small run counts, one phase changed. */
  function recordFile(change: (counters: Record<string, number>) => Record<string, number>): string {
    const [result] = results(record('run', '--kernel', '6.1.192', '--format', 'json', '--', ...SMALL).out);
    const phases = (result?.phases ?? []).map(({ phase, counters }) => ({
      phase,
      counters: phase === 'populate' ? change({ ...counters }) : counters,
    }));
    const one = {
      id: 'small',
      arch: 'x86',
      backend: 'x86-tdp',
      kernel: '6.1.192',
      options: {},
      host: {},
      command: SMALL.join(' '),
      workload_options: {},
    };
    return scratchFile('own.json', JSON.stringify({ schema: 'mmulab.records.v1', records: [{ ...one, exact: true, phases }] }));
  }

  it('ends with 0 when every value of a record is equal', () => {
    const { code, out } = record(
      'verify',
      recordFile(counters => counters),
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^own +x86-tdp +6\.1\.192 +1 +(\d+) +\1 +0 +0 +0$/m);
    expect(out).toMatch(/^All \d+ judged values are equal\.$/m);
  });

  it('ends with 1 and names record, phase and counter when a judged value is off', () => {
    const file = recordFile(counters => ({ ...counters, page_fault: (counters['page_fault'] ?? 0) + 1 }));
    const { code, out } = record('verify', file);
    expect(code).toBe(1);
    expect(out).toMatch(/^small +populate +page_fault +1,0\d\d +1,0\d\d +-1 +0$/m);
    const report = JSON.parse(record('verify', '--format', 'json', file).out) as { readonly values: number; readonly equal: number };
    expect(report).toMatchObject({ records: 1, unjudged: { values: 0, equal: 0 }, differences: [{ id: 'small', phase: 'populate', tolerance: 0 }] });
    expect(report.values - report.equal).toBe(1);
  });

  it('takes the records that come with mmulab when none is named, and finds all of them equal', () => {
    const { code, out, progress } = record('verify', '--backend', 'x86-tdp', '--format', 'json');
    const report = JSON.parse(out) as { readonly records: number; readonly values: number; readonly equal: number };
    expect(report.records).toBeGreaterThan(50);
    expect(report.equal).toBe(report.values);
    expect(code).toBe(0);
    expect(progress[0]).toMatchObject({ done: 1, total: report.records });
  });

  it('ends with 2 when nothing is left to compare', () => {
    const { code, err } = record('verify', '--backend', 'x86-tdp', scratchFile('none.json', '{"schema":"mmulab.records.v1","records":[]}'));
    expect(code).toBe(2);
    expect(err).toContain('RECORD_NOTHING_TO_COMPARE');
  });
});

describe('list', () => {
  it('gives an overview without an argument', () => {
    const { code, out } = record('list');
    expect(code).toBe(0);
    for (const name of ['x86-tdp', 'dirty_log_perf_test', '6.1.192', '@mmulab/workloads']) expect(out).toContain(name);
  });

  it.each(['backends', 'workloads', 'profiles', 'events', 'models', 'plugins'])('lists %s in every format but selftest', what => {
    for (const format of ['table', 'json', 'csv', 'markdown']) expect(record('list', what, '--format', format)).toMatchObject({ code: 0, err: '' });
    expect(record('list', what, '--format', 'selftest').code).toBe(2);
  });

  it('documents every counter', () => {
    const events = JSON.parse(record('list', 'events', '--format', 'json').out) as { readonly name: string; readonly doc: string }[];
    expect(events.length).toBeGreaterThan(60);
    expect(events.filter(event => event.doc.length < 5)).toEqual([]);
  });

  it('knows every counter that a comparison folds', () => {
    const events = JSON.parse(record('list', 'events', '--format', 'json').out) as { readonly name: string }[];
    const isKnown = (pattern: string): boolean =>
      events.some(({ name }) => name === pattern || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1))));
    expect(COUNTER_GROUPS.flatMap(({ lead, also }) => [lead, ...also]).filter(name => !isKnown(name))).toEqual([]);
  });

  it('suggests the nearest list', () => {
    expect(record('list', 'event')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/CLI_UNKNOWN_LIST: event: .*did you mean events\?/) as string,
    });
  });
});

describe('explain', () => {
  it.each([
    ['huge_page_fault', /^huge_page_fault: backend option of x86-tdp/],
    ['page_fault', /^page_fault: counter of x86-tdp/],
    ['6.1.192', /^6\.1\.192: profile of x86-tdp/],
    ['dirty_log_perf_test', /^dirty_log_perf_test: workload$/m],
    ['anonymous_hugetlb_2mb', /^anonymous_hugetlb_2mb: backing$/m],
    ['x86-tdp', /^x86-tdp: backend$/m],
  ])('%s', (name, heading) => {
    const { code, out } = record('explain', name);
    expect(code).toBe(0);
    expect(out).toMatch(heading);
  });

  it('suggests the nearest name for one it does not know, with code 2', () => {
    expect(record('explain', 'huge_page_falt')).toMatchObject({ code: 2, err: expect.stringMatching(/did you mean huge_page_fault\?/) as string });
  });
});

describe('init and validate', () => {
  it('write a config that is valid and runs', () => {
    const file = join(scratchDirectory(), 'mmulab.yaml');
    expect(record('init', file)).toMatchObject({ code: 0, out: `Wrote ${file}. Next: mmulab run ${file}\n` });
    expect(record('validate', file)).toMatchObject({ code: 0, out: `${file}: valid, 2 runs\n` });
    const runs = results(record('run', '--format', 'json', file).out);
    expect(runs.map(run => counter(run, 'dirty_1', 'page_fault'))).toEqual([8064, 410]);
  });

  it('note what a plan knows to do nothing, as run does', () => {
    const file = scratchFile('idle.yaml', 'workload: access_rounds -b 4M -p w,Sb\n');
    const note = 'access_rounds: round 2_Sb does nothing: the memslot lies where it lay at first (expected Sm before)\n';
    expect(record('validate', file)).toMatchObject({ code: 0, err: `note: ${file}: ${note}` });
    expect(record('run', file)).toMatchObject({ code: 0, err: `note: ${note}` });
  });

  it('do not write over a file unless told to', () => {
    const file = scratchFile('mine.yaml', 'mine');
    expect(record('init', file)).toMatchObject({ code: 2, err: expect.stringContaining('CLI_FILE_EXISTS') as string });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(record('init', '--force', file).code).toBe(0);
  });

  it('say so when there is no place to write to', () => {
    expect(record('init', join(scratchDirectory(), 'no', 'such', 'x.yaml'))).toMatchObject({ code: 2 });
  });
});

describe('a bug', () => {
  it('ends with 3 and says what to report', () => {
    let err = '';
    const terminal = { columns: 80, color: false, out: () => undefined, err: (text: string) => (err += text), progress: () => undefined };
    expect(reportError(new TypeError('no such thing'), ['run', '--plugin', 'faulty', '--', 'broken'], terminal)).toBe(3);
    expect(err).toMatch(/^mmulab: INTERNAL: no such thing$/m);
    expect(err).toMatch(/^ {2}mmulab \d+\.\d+\.\d+, Node v/m);
    expect(err).toMatch(/^ {2}arguments: run --plugin .*faulty -- broken$/m);
    expect(err).toMatch(/^ {4}at /m);
  });
});

describe('a config elsewhere', () => {
  it('finds plugins beside it, wherever the user is', () => {
    const file = scratchFile('c.yaml', '');
    writeFileSync(file, `plugins: [${faulty}]\nworkload: broken\n`);
    expect(record('run', file).err).toContain('no such thing');
  });
});
