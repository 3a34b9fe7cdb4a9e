/**
 * Output that cannot be written, interrupts, and a directory that is gone: what the process makes of them.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmdirSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { scratchDirectory, scratchFile } from './fixtures/recorder';

const BIN = join(__dirname, '..', 'bin', 'mmulab.js');
const faulty = resolve(__dirname, 'fixtures/faulty');
const ENDLESS = ['--plugin', faulty, scratchFile('endless.test', 'endless\n')];
const ARM64 = ['--backend', 'arm64-stage2'];
const LONG = ['--', 'dirty_log_perf_test', '-b', '1M', '-i', '2147483647'];

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly err: string;
}

function start(...argv: string[]): ChildProcess {
  return spawn(process.execPath, [BIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
}

function ended(child: ChildProcess): Promise<Ended> {
  let err = '';
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return new Promise(done => child.on('close', (code, signal) => done({ code, signal, err })));
}

/** Runs a command with its output into a file or device. */
function into(target: string, argv: readonly string[]): { readonly code: number | null; readonly err: string } {
  const fd = openSync(target, 'w');
  const { status, stderr } = spawnSync(process.execPath, [BIN, ...argv], { stdio: ['ignore', fd, 'pipe'], encoding: 'utf8' });
  closeSync(fd);
  return { code: status, err: stderr };
}

// Commands are started as processes, on machines that may be busy.
jest.setTimeout(60_000);

/** Waits until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !isSo(); tries++) await new Promise(done => setTimeout(done, 25));
}

describe('a full disk under the standard output', () => {
  it.each([
    ['run', ['run', '--', 'dirty_log_perf_test', '-b', '4M']],
    ['run --format json', ['run', '--format', 'json', '--', 'dirty_log_perf_test', '-b', '4M']],
    ['list', ['list', 'events']],
    ['validate', ['validate', scratchFile('one.yaml', 'workload: dirty_log_perf_test -b 4M\n')]],
    ['--help', ['--help']],
  ])('ends %s with 2', (_command, argv) => {
    expect(into('/dev/full', argv)).toEqual({ code: 2, err: 'mmulab: OUTPUT_UNWRITABLE: standard output: no space left on device\n' });
  });

  it('that takes the first 8 KiB only does, too', () => {
    const limited = `ulimit -f 8; trap '' XFSZ; exec "$0" "$@" > ${join(scratchDirectory(), 'out.json')}`;
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', limited, process.execPath, BIN, 'run', '--format', 'json', '--', 'dirty_log_perf_test', '-b', '4M', '-v', '8'],
      { encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([2, 'mmulab: OUTPUT_UNWRITABLE: standard output: file too large\n']);
  });
});

describe('output', () => {
  it('into a file is that into a pipe, 1.6 MB of it', () => {
    const argv = ['run', '--format', 'csv', '--all', '--seed', '1', '--', 'dirty_log_perf_test', '-v', '64', '-b', '64K', '-i', '2'];
    const file = join(scratchDirectory(), 'out.csv');
    expect(into(file, argv).code).toBe(0);
    const { stdout } = spawnSync(process.execPath, [BIN, ...argv], { encoding: 'utf8', maxBuffer: 2 ** 28 });
    expect(readFileSync(file, 'utf8')).toBe(stdout);
    expect(stdout.length).toBeGreaterThan(1_500_000);
  });

  it('keeps the order of notes and results in one file', () => {
    const file = join(scratchDirectory(), 'all.txt');
    const fd = openSync(file, 'w');
    const argv = ['run', '--kernel', '9.1', '--', 'dirty_log_perf_test', '-b', '4M'];
    spawnSync(process.execPath, [BIN, ...argv], { stdio: ['ignore', fd, fd] });
    closeSync(fd);
    expect(readFileSync(file, 'utf8')).toMatch(/^note: .*\ndirty_log_perf_test\n/);
  });
});

describe('an interrupt', () => {
  it.each([
    ['validate', ['validate', ...ENDLESS]],
    ['run', ['run', ...ENDLESS]],
    ['compare', ['compare', ...ENDLESS]],
  ])('ends %s with 130', async (_command, argv) => {
    const child = start(...argv);
    const end = ended(child);
    child.stderr?.once('data', () => child.kill('SIGINT'));
    expect(await end).toMatchObject({ code: 130, signal: null });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('(%s) leaves no file that looks whole, and none beside it: %i', async (signal, code) => {
    const file = scratchFile('run.log', 'old');
    const child = start('run', ...ARM64, '--export', `casemate=${file}`, ...LONG);
    const end = ended(child);
    await until(() => readdirSync(dirname(file)).length === 2);
    expect(readdirSync(dirname(file))).toEqual([expect.stringMatching(/^\.mmulab-.*\.tmp$/), 'run.log']);
    child.kill(signal);
    expect(await end).toMatchObject({ code, signal: null });
    expect([readFileSync(file, 'utf8'), readdirSync(dirname(file))]).toEqual(['old', ['run.log']]);
  });

  it('is heard while the reader of a pipe takes its time', async () => {
    const child = start('run', '--format', 'csv', '--all', '--', 'dirty_log_perf_test', '-v', '64', '-b', '64K', '-i', '9');
    const end = ended(child);
    child.stdout?.once('readable', () => child.kill('SIGINT'));
    // Nobody reads on before the process has ended.
    await new Promise(done => child.once('exit', done));
    child.stdout?.resume();
    expect(await end).toMatchObject({ code: 130, signal: null });
  });

  it('is heard while an exported trace waits for somebody to read its pipe', async () => {
    const pipe = join(scratchDirectory(), 'pipe');
    spawnSync('mkfifo', [pipe]);
    const child = start('run', ...ARM64, '--export', `casemate=${pipe}`, '--', 'dirty_log_perf_test', '-b', '1M');
    const end = ended(child);
    await new Promise(done => setTimeout(done, 5000));
    expect([child.exitCode, child.kill('SIGINT')]).toEqual([null, true]);
    expect(await end).toMatchObject({ code: 130 });
    expect(statSync(pipe).isFIFO()).toBe(true);
  });
});

describe('a run of 400 iterations at 64 vCPUs, shown as a table', () => {
  it('takes at most 200 MiB', () => {
    // Some 110 MiB where the collector comes in time; with all vCPUs' counts of all phases kept as objects it was 400.
    const config = scratchFile(
      'long.yaml',
      "workload: dirty_log_perf_test -v 64 -b 1M -i 400\nthresholds: {memory.simulatorBytes: '<= 209715200'}\n",
    );
    expect(into('/dev/null', ['run', config])).toEqual({ code: 0, err: '' });
  });
});

describe('a run whose results fit into no memory', () => {
  it('ends with 2 and says what to do', () => {
    const argv = ['run', '--format', 'json', '--', 'dirty_log_perf_test', '-v', '64', '-b', '64K', '-i', '2147483647'];
    const env = { ...process.env, NODE_OPTIONS: '--max-old-space-size=32' };
    const { status, stderr } = spawnSync(process.execPath, [BIN, ...argv], { env, encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, expect.stringMatching(/mmulab: RUN_OUT_OF_MEMORY: .*--max-old-space-size=MEGABYTES\)\n$/)]);
  });
});

describe('a directory that is gone', () => {
  it.each([
    ['run', ['run', '--', 'dirty_log_perf_test', '-b', '4M'], 'CLI_NO_DIRECTORY'],
    ['validate', ['validate', 'x.yaml'], 'CLI_NO_DIRECTORY'],
    ['compare', ['compare', 'a', 'b'], 'CLI_NO_DIRECTORY'],
    ['verify', ['verify'], 'CLI_NO_DIRECTORY'],
    ['list', ['list'], 'CLI_NO_DIRECTORY'],
    ['init', ['init'], 'FILE_UNWRITABLE'],
  ])('ends %s with 2', (_command, argv, code) => {
    const directory = join(scratchDirectory(), 'gone');
    mkdirSync(directory);
    const { status, stderr } = spawnSync('sh', ['-c', 'rmdir "$PWD"; exec "$0" "$@"', process.execPath, BIN, ...argv], {
      cwd: directory,
      encoding: 'utf8',
    });
    expect([status, stderr.startsWith(`mmulab: ${code}: `)]).toEqual([2, true]);
    if (existsSync(directory)) rmdirSync(directory);
  });
});

describe('--export', () => {
  const trace = (file: string, ...argv: string[]): { readonly code: number | null; readonly err: string } =>
    into('/dev/null', ['run', ...ARM64, '--export', `casemate=${file}`, ...argv, '--', 'kvm_page_table_test', '-v', '1', '-b', '2M']);

  it('keeps a file, a link and a device when the run is refused or fails', () => {
    const file = scratchFile('run.log', 'old');
    const link = join(dirname(file), 'link');
    symlinkSync('run.log', link);
    for (const target of [file, link, '/dev/null']) expect(trace(target, '--vcpus', '4').code).toBe(2);
    expect([readFileSync(file, 'utf8'), readFileSync(link, 'utf8'), statSync('/dev/null').isCharacterDevice()]).toEqual(['old', 'old', true]);
  });

  it('into a full device says so, and the device stays', () => {
    const { code, err } = trace('/dev/full');
    expect([code, err, statSync('/dev/full').isCharacterDevice()]).toEqual([
      2,
      'mmulab: FILE_UNWRITABLE: /dev/full: no space left on device\n',
      true,
    ]);
  });

  it('goes to the standard output by its name, before the results', () => {
    const file = join(scratchDirectory(), 'both.txt');
    expect(into(file, ['run', ...ARM64, '--export', 'casemate=/dev/stdout', '--', 'kvm_page_table_test', '-v', '1', '-b', '2M']).code).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^\(/);
    expect(text).toContain('\nkvm_page_table_test\n');
  });
});
