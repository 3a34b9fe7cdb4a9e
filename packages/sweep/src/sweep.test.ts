/**
 * Sweeps on the cores of this machine: what is kept, what is run again, and what a failure leaves.
 */
import type { RunResult } from '@mmulab/api';
import { runResolved, resolveRuns } from '@mmulab/runner';
import { appendFileSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linesOf, registry, runLocally, scratch, small, storedFiles } from './fixtures/scratch';
import type { SweepLine } from './kept-result';
import { ResultStore } from './result-store';
import { SweepFolder, readSweepDocument, type FailedRun, type JournalEntry } from './sweep-folder';
import { planSweep } from './sweep-plan';

const vary = { write_percent: '10..100 by 10', eager_page_split: ['Y', 'N'] };
const results = (directory: string, out?: string): SweepLine[] =>
  linesOf(directory, 'results.ndjson', out).map(line => JSON.parse(line) as SweepLine);
const failures = (directory: string): FailedRun[] => linesOf(directory, 'failed.ndjson').map(line => JSON.parse(line) as FailedRun);

/** How often each run was performed, by its number. */
function timesPerformed(diary: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const file of readdirSync(diary)) {
    const number = file.split('-')[0] ?? '';
    counts[number] = (counts[number] ?? 0) + 1;
  }
  return counts;
}

// Worker processes start slowly on a busy machine.
jest.setTimeout(120_000);

describe('a sweep of 20 runs', () => {
  const directory = scratch();
  const config = { ...small, name: 'twenty', vary };

  it('keeps each result once, in a line and in a file named by its key', async () => {
    expect(await runLocally(config, { directory })).toEqual({ total: 20, done: 20, failed: 0, running: 0, reused: 0, performed: 20 });
    const lines = results(directory);
    expect(lines.map(line => line.sweep.run).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, run) => run));
    expect([...storedFiles(directory).keys()]).toEqual(lines.map(({ sweep: { key } }) => `${key.slice(0, 2)}/${key}.json`).sort());
  });

  it('counts what the same runs count one by one', () => {
    const expected = resolveRuns(config, registry).map(run => runResolved(run, registry));
    const lines = results(directory).sort((a, b) => a.sweep.run - b.sweep.run);
    const comparable = (result: RunResult): unknown => ({
      ...{ ...result, sweep: undefined, wallMs: 0, memory: { ...result.memory, simulatorBytes: 0 } },
      phases: result.phases.map(phase => ({ ...phase, vcpus: [] })),
    });
    expect(lines.map(comparable)).toEqual(expected.map(comparable));
  });

  it('says what it is, and journals what was measured', () => {
    expect(readSweepDocument(join(directory, 'out'))).toMatchObject({ name: 'twenty', runs: 20, config: { vary } });
    const entries = linesOf(directory, 'journal.ndjson').map(line => JSON.parse(line) as JournalEntry);
    expect(entries.filter(({ measured }) => (measured?.wallMs ?? 0) > 0 && (measured?.simulatorBytes ?? 0) > 1e6)).toHaveLength(20);
  });

  it('runs nothing when it is started again', async () => {
    expect(await runLocally(config, { directory })).toMatchObject({ done: 20, reused: 0, performed: 0 });
    expect(results(directory)).toHaveLength(20);
  });

  it('gives its runs to a sweep that has them under other names, and runs only what is new', async () => {
    const other = { ...small, name: 'other', vary: { eager_page_split: ['N', 'Y'], write_percent: [10, 20, 95] } };
    expect(await runLocally(other, { directory, out: 'other' })).toMatchObject({ done: 6, reused: 4, performed: 2 });
    expect(results(directory, 'other').map(line => line.name)).toContain('other (eager_page_split=N, write_percent=20)');
  });

  it('goes on when lines were torn off and files damaged, with the same bytes in the end', async () => {
    const before = linesOf(directory, 'results.ndjson');
    const files = storedFiles(directory);
    const path = join(directory, 'out', 'results.ndjson');
    truncateSync(path, Math.floor(readFileSync(path).length / 2));
    writeFileSync(join(directory, 'results', [...files.keys()][0] ?? ''), '{"schema":"mmulab.res');
    const { reused, performed } = await runLocally(config, { directory });
    expect(reused + performed).toBeGreaterThan(9);
    expect(performed).toBeLessThan(2);
    expect(linesOf(directory, 'results.ndjson')).toEqual(before);
  });

  it('has the same lines with one worker, in another directory', async () => {
    const other = scratch();
    await runLocally(config, { directory: other, workers: 1 });
    expect(linesOf(other, 'results.ndjson')).toEqual(linesOf(directory, 'results.ndjson'));
  });

  it('refuses a folder in which there is another sweep, and one that is being written', () => {
    const open = (config: Parameters<typeof planSweep>[0]): SweepFolder =>
      new SweepFolder(join(directory, 'out'), planSweep(config, registry).document);
    expect(() => open(small)).toThrow(/^SWEEP_FOLDER_TAKEN: .*\(twenty, 20 runs\)/);
    writeFileSync(join(directory, 'out', 'sweep.lock'), JSON.stringify({ pid: 1, host: 'elsewhere' }));
    expect(() => open(config)).toThrow(/^SWEEP_FOLDER_IN_USE: .* process 1 on elsewhere/);
    rmSync(join(directory, 'out', 'sweep.lock'));
  });

  it('refuses a folder with lines that are none of its own', () => {
    appendFileSync(join(directory, 'out', 'results.ndjson'), '{"schema":"mmulab.result.v1"}\n');
    expect(() => new SweepFolder(join(directory, 'out'), planSweep(config, registry).document)).toThrow(/^RESULT_MALFORMED: .*results.ndjson:21:/);
  });
});

describe('equal runs', () => {
  it('of one sweep are performed once', async () => {
    const directory = scratch();
    const diary = scratch();
    const config = { workload: { name: 'mortal', options: { ms: 30, diary } }, vary: { number: [1, 1, 2, 1], 'host.sockets': [1, 1] } };
    expect(await runLocally(config, { directory })).toMatchObject({ done: 8, performed: 2, reused: 6 });
    expect(timesPerformed(diary)).toEqual({ 1: 1, 2: 1 });
    expect(new Set(results(directory).map(line => line.sweep.key)).size).toBe(2);
  });

  it('with the counters of each vCPU are others', async () => {
    const directory = scratch();
    await runLocally(small, { directory });
    expect(await runLocally(small, { directory, out: 'vcpus', perVcpu: true })).toMatchObject({ reused: 0, performed: 1 });
    expect([results(directory), results(directory, 'vcpus')].map(([line]) => line?.phases[0]?.vcpus.length)).toEqual([0, 1]);
  });
});

describe('a run that dies', () => {
  it.each([
    ['exit', 'SWEEP_RUN_DIED', /code 7/],
    ['kill', 'SWEEP_RUN_DIED', /SIGKILL/],
    ['throw', 'PLUGIN_FAILED', /no such thing/],
    ['refuse', 'MORTAL_REFUSED', /^not this one$/],
  ])('by %s is listed with its error; the 11 others are done', async (fate, code, message) => {
    const directory = scratch();
    const zip = { fate: ['live', 'live', fate, ...Array<string>(9).fill('live')], number: '0..11' };
    expect(await runLocally({ workload: { name: 'mortal' }, zip }, { directory })).toMatchObject({ done: 11, failed: 1 });
    const [failure] = failures(directory);
    expect(failure).toMatchObject({ run: 2, settings: { fate, number: 2 }, code });
    expect(failure?.message).toMatch(message);
  });

  it('of time is ended after --timeout', async () => {
    const directory = scratch();
    const config = { workload: { name: 'mortal' }, vary: { fate: ['live', 'endless'] } };
    expect(await runLocally(config, { directory, timeoutSeconds: 1 })).toMatchObject({ done: 1, failed: 1 });
    expect(failures(directory)).toMatchObject([{ run: 1, code: 'SWEEP_RUN_TIMEOUT' }]);
  });

  it('because its combination is refused is listed too, and tried again by the next start', async () => {
    const directory = scratch();
    const config = { ...small, vary: { backend: ['x86-tdp', 'x86-shadow'], tdp_mmu: ['Y', 'N'] } };
    expect(await runLocally(config, { directory })).toMatchObject({ done: 3, failed: 1, performed: 3 });
    expect(await runLocally(config, { directory })).toMatchObject({ done: 3, failed: 1, performed: 0 });
    expect(failures(directory)).toMatchObject([{ run: 1, code: 'OPTION_BACKEND_PAIR', attempts: 0 }]);
  });
});

describe('an interrupted sweep', () => {
  it('loses nothing that was finished, and the next start performs the rest only', async () => {
    const directory = scratch();
    const diary = scratch();
    const config = { workload: { name: 'mortal', options: { ms: 5, diary } }, vary: { number: '0..39' } };
    const interrupt = new AbortController();
    const onProgress = ({ done }: { readonly done: number }): void => void (done >= 15 && interrupt.abort());
    const first = await runLocally(config, { directory, signal: interrupt.signal, onProgress });
    expect(first.done).toBeLessThan(40);
    // One more may have come in while the workers were being ended.
    const kept = results(directory).length;
    expect(kept).toBeGreaterThanOrEqual(first.done);
    expect(await runLocally(config, { directory })).toMatchObject({ done: 40, performed: 40 - kept });
    // The runs that were being performed, or waited in a worker, are performed again: at most two per worker.
    const performed = Object.values(timesPerformed(diary)).reduce((sum, count) => sum + count, 0);
    expect(performed).toBeLessThanOrEqual(44);
  });
});

describe('thresholds', () => {
  it('that are not met are in the journal, also of results known before', async () => {
    const directory = scratch();
    const config = { ...small, vary, thresholds: { 'totals.counters.page_fault': '<= 5', 'totals.counters.exit': '>= 1' } };
    await runLocally(config, { directory });
    const unmet = linesOf(directory, 'journal.ndjson').filter(line => line.includes('"unmet"'));
    const folder = new SweepFolder(join(directory, 'out'), planSweep(config, registry).document);
    expect(folder.unmetRuns).toBe(unmet.length);
    folder.close();
    expect(unmet).toHaveLength(20);
  });

  it('of what is measured are refused', () => {
    expect(() => planSweep({ ...small, thresholds: { wallMs: '<= 5' } }, registry)).toThrow(/^SWEEP_MEASURED_THRESHOLD: thresholds.wallMs/);
  });
});

describe('a plan', () => {
  it('of a million runs is checked value by value', () => {
    const { document } = planSweep(
      { ...small, vary: { write_percent: '1..100', seed: '1..1000', kernel: Array(10).fill('6.1.192') as string[] } },
      registry,
    );
    expect(document.runs).toBe(1e6);
  });

  it.each<[string, Record<string, unknown[] | string>, RegExp]>([
    ['a value that is out of range', { vcpus: '1..4', write_percent: '1..101' }, /^CONFIG_OUT_OF_RANGE: .*101/],
    ['an unknown option', { vcpu: [1] }, /^CONFIG_UNKNOWN_OPTION: vcpu/],
    ['a value of no kind', { eager_page_split: ['Y', 'maybe'] }, /^CONFIG_WRONG_TYPE: .*"maybe"/],
  ])('with %s is refused before anything runs', (_what, axes, message) => {
    expect(() => planSweep({ ...small, vary: axes }, registry)).toThrow(message);
  });

  it('takes a value that only some combinations refuse', () => {
    expect(planSweep({ ...small, vary: { backend: ['x86-tdp', 'x86-shadow'], tdp_mmu: ['N', 'Y'] } }, registry).document.runs).toBe(4);
  });
});

describe('a store that cannot be written', () => {
  it('ends the sweep with a typed error; what it had stays', async () => {
    const directory = scratch();
    await runLocally({ ...small, vary: { write_percent: [10] } }, { directory, out: 'first' });
    const store = new ResultStore(join(directory, 'file'));
    writeFileSync(join(directory, 'file'), '');
    expect(() => store.write('ab'.repeat(20), '{}')).toThrow(/^FILE_UNWRITABLE: .*file/);
    rmSync(join(directory, 'results'), { recursive: true });
    writeFileSync(join(directory, 'results'), '');
    await expect(runLocally({ ...small, vary: { write_percent: [10] } }, { directory })).rejects.toThrow(/^FILE_UNWRITABLE: /);
    expect(results(directory, 'first')).toHaveLength(1);
    expect(results(directory)).toHaveLength(0);
  });
});
