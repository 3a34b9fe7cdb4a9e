/**
 * The command as a process: exit codes, interrupts, closed pipes, speed.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';

const BIN = join(__dirname, '..', 'bin', 'mmulab.js');
const faulty = resolve(__dirname, 'fixtures/faulty');

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

const run = (...argv: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [BIN, ...argv], { encoding: 'utf8' });

describe('the process', () => {
  it('ends with the code of the command', () => {
    expect(run('run', '--', 'dirty_log_perf_test', '-b', '4M').status).toBe(0);
    expect(run('run', 'no/such.yaml').status).toBe(2);
    expect(run('rum').status).toBe(2);
    expect(run('run', '--plugin', faulty, '--', 'late')).toMatchObject({ status: 2, stderr: expect.stringContaining('PLUGIN_FAILED') as string });
  });

  it('writes results to stdout and everything else to stderr', () => {
    const { stdout, stderr } = run('run', '--format', 'json', '--kernel', '9.1', '--', 'dirty_log_perf_test', '-b', '4M');
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'mmulab.result.v1' });
    expect(stderr).toMatch(/^note: /);
    expect(stderr).not.toContain('░');
  });

  it.each(['', '1'])('writes no escape sequences into a pipe, with CI=%j', CI => {
    const { FORCE_COLOR: _forced, ...env } = process.env;
    const plain = (...argv: string[]): string => spawnSync(process.execPath, [BIN, ...argv], { encoding: 'utf8', env: { ...env, CI } }).stdout;
    expect(plain('run', '--', 'dirty_log_perf_test', '-b', '4M')).not.toContain('\u001b');
    expect(plain('list')).not.toContain('\u001b');
  });

  it('ends with 130 when it is interrupted in the middle of a computation', async () => {
    const child = start('run', '--plugin', faulty, '--', 'endless');
    const end = ended(child);
    child.stderr?.once('data', () => child.kill('SIGINT'));
    expect(await end).toEqual({ code: 130, signal: null, err: 'endless\n' });
  });

  it.each([
    ['a command that simulates', ['run', '--format', 'json', '--', 'dirty_log_perf_test', '-v', '64', '-b', '1M', '-i', '9']],
    ['a command that does not', ['list', 'events', '--format', 'json']],
  ])('ends quietly with 0 when whoever reads %s has gone', async (_what, argv) => {
    const child = start(...argv);
    child.stdout?.destroy();
    expect(await ended(child)).toEqual({ code: 0, signal: null, err: '' });
  });
});
