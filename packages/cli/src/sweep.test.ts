/**
 * `sweep` and `analyse` as processes: interrupts, kills, exit codes, and what reads the folder of a sweep.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startCommand, until } from './fixtures/processes';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';

const MORTAL = resolve(__dirname, '../../sweep/src/fixtures/mortal');
const MATRIX = `
name: matrix
backend: { name: x86-tdp, kernel: 6.1.192 }
workload: dirty_log_perf_test -v 1 -b 4M -s anonymous_hugetlb_2mb -g
vary: { eager_page_split: [Y, N], vcpus: 1..4 by doubling }
`;

jest.setTimeout(120_000);

const lines = (path: string): string[] => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []);

describe('a sweep of six runs', () => {
  const directory = scratchDirectory();
  const sweep = (...argv: string[]): ReturnType<typeof startCommand>['ended'] => startCommand(directory, 'sweep', ...argv).ended;
  writeFileSync(join(directory, 'm.yaml'), MATRIX);

  it('is counted and checked with --dry-run, and nothing is written', async () => {
    const { code, out } = await sweep('m.yaml', '--dry-run');
    expect(code).toBe(0);
    expect(out).toMatch(/^matrix: 6 runs, every value checked\n {2}eager_page_split: 2 values\n {2}vcpus: 3 values\n$/);
    expect(existsSync(join(directory, 'mmulab-out'))).toBe(false);
  });

  it('says where its results are', async () => {
    expect(await sweep('m.yaml', '--out', 'out')).toEqual({ code: 0, signal: null, out: '6 of 6 runs done: out/results.ndjson\n', err: '' });
    expect(await sweep('m.yaml')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^6 of 6 runs done, 6 of them known before: mmulab-out\/sweeps\/matrix-/) as string,
    });
  });

  it('ends with 1 when a threshold is not met', async () => {
    writeFileSync(join(directory, 't.yaml'), `${MATRIX}\nthresholds: { totals.counters.page_fault: '<= 100' }\n`);
    expect(await sweep('t.yaml', '--out', 't')).toMatchObject({ code: 1, out: expect.stringContaining('3 short of a threshold') as string });
  });

  it('takes a command line of a test', async () => {
    const argv = ['--vary', 'vcpus=1..4', '--vary', 'rounds="w,Sb",w', '--out', 'c', '--', 'access_rounds', '-b', '64K', '-s', 'anonymous'];
    const { code, out, err } = await sweep(...argv);
    expect({ code, out }).toEqual({ code: 0, out: '8 of 8 runs done: c/results.ndjson\n' });
    expect(err).toMatch(/^note: access_rounds: round 2_Sb does nothing: .* \(4 of 8 runs\)\n$/);
  });

  it('is compared and analysed from its folder and its file', () => {
    const compared = record('compare', '--format', 'json', join(directory, 'out'));
    const { groups } = JSON.parse(compared.out) as { readonly groups: readonly { readonly runs: readonly { readonly name: string }[] }[] };
    expect(groups.flatMap(group => group.runs.map(run => run.name)).sort()).toEqual(
      ['N', 'Y'].flatMap(eager => [1, 2, 4].map(vcpus => `matrix (eager_page_split=${eager}, vcpus=${vcpus})`)),
    );
    const { code, out } = record('analyse', join(directory, 'out', 'results.ndjson'), '--value', 'huge_split.2m', '--format', 'csv');
    expect({ code, out }).toEqual({ code: 0, out: 'eager_page_split,vcpus=1,vcpus=2,vcpus=4\nN,0,0,0\nY,2,4,8\n' });
    const map = record('analyse', join(directory, 'out'), '--value', 'page_fault', '--break-even', 'eager_page_split', '--format', 'json');
    expect(JSON.parse(map.out)).toMatchObject({
      schema: 'mmulab.analysis.v1',
      kind: 'break-even',
      winners: [[{ winner: 'Y' }, { winner: 'Y' }, { winner: 'Y' }]],
    });
    expect(record('analyse', join(directory, 'out')).out).toMatch(/^eager_page_split +2 +N, Y$/m);
  });

  it.each<[string, string[], RegExp]>([
    ['no config', [], /^mmulab: CLI_NOTHING_TO_RUN: /],
    ['a config that is not there', ['n.yaml'], /^mmulab: FILE_NOT_FOUND: /],
    ['no workers', ['m.yaml', '--workers', '0'], /^mmulab: CLI_USAGE: --workers 0/],
    ['--attach without a queue', ['--attach', 'abc'], /^mmulab: CLI_USAGE: --attach: expected --queue/],
    ['a folder of another sweep', ['m.yaml', '--out', 'c'], /^mmulab: SWEEP_FOLDER_TAKEN: c: /],
    ['a value that is wrong', ['m.yaml', '--vary', 'vcpus=1..513'], /^mmulab: CONFIG_OUT_OF_RANGE: m.yaml: .*513/],
  ])('%s ends with 2', async (_what, argv, message) => {
    const { code, out, err } = await sweep(...argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
  });
});

describe('a sweep that is ended', () => {
  const config = `workload: { name: mortal, options: { ms: 10 } }\nvary: { number: 1..100 }\nplugins: [${MORTAL}]\n`;

  it.each(['SIGINT', 'SIGKILL'] as const)('by %s goes on where it was', async signal => {
    const path = scratchFile('m.yaml', config);
    const directory = resolve(path, '..');
    const first = startCommand(directory, 'sweep', 'm.yaml', '--out', 'out');
    const results = join(directory, 'out', 'results.ndjson');
    await until(() => lines(results).length >= 20);
    first.child.kill(signal);
    const { code } = await first.ended;
    expect(code).toBe(signal === 'SIGINT' ? 130 : null);
    const before = lines(results);
    expect(before.length).toBeLessThan(100);
    const second = await startCommand(directory, 'sweep', 'm.yaml', '--out', 'out').ended;
    expect(second).toMatchObject({ code: 0, out: expect.stringMatching(/^100 of 100 runs done/) as string });
    const after = lines(results);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(new Set(after.map(line => (JSON.parse(line) as { sweep: { run: number } }).sweep.run)).size).toBe(100);
    expect(after).toHaveLength(100);
  });

  it('by failed runs ends with 1 and lists them', async () => {
    const path = scratchFile('m.yaml', `workload: mortal\nvary: { fate: [live, refuse, exit] }\nplugins: [${MORTAL}]\n`);
    const { code, out, err } = await startCommand(resolve(path, '..'), 'sweep', 'm.yaml', '--out', 'out').ended;
    expect({ code, out }).toEqual({ code: 1, out: '1 of 3 runs done, 2 failed: out/results.ndjson\n' });
    expect(err).toMatch(/^failed: run 1 fate=refuse: MORTAL_REFUSED: not this one$/m);
    expect(err).toMatch(/^failed: run 2 fate=exit: SWEEP_RUN_DIED: the process of the run ended \(code 7\)$/m);
  });
});
