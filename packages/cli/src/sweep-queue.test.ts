/**
 * Sweeps over a queue, with a real Redis server and real processes.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startCommand, until, type Ended } from './fixtures/processes';
import { scratchDirectory } from './fixtures/recorder';
import { PASSWORD, RedisServer, hasRedis } from './fixtures/redis';

const MORTAL = resolve(__dirname, '../../sweep/src/fixtures/mortal');
const RUNS = 500;
const CONFIG = `
name: five hundred
workload: dirty_log_perf_test -v 1 -b 64K -s anonymous -g
vary: { write_percent: 1..100, seed: 1..5 }
`;

jest.setTimeout(180_000);

/** A directory with a config in it. */
function place(config = CONFIG): string {
  const directory = scratchDirectory();
  writeFileSync(join(directory, 'sweep.yaml'), config);
  return directory;
}

const text = (...path: string[]): string => (existsSync(join(...path)) ? readFileSync(join(...path), 'utf8') : '');
const lines = (...path: string[]): string[] =>
  text(...path)
    .split('\n')
    .filter(line => line !== '')
    .sort();
const run = (directory: string, ...argv: string[]): Promise<Ended> => startCommand(directory, ...argv).ended;

const withRedis = hasRedis ? describe : describe.skip;

withRedis(`a queue${hasRedis ? '' : ' (skipped: there is no redis-server on the PATH; on Debian, apt-get install redis-server)'}`, () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  it('gives 500 results once each, with the bytes of a local sweep, though a worker is killed and the server restarted', async () => {
    const directory = place();
    const local = run(directory, 'sweep', 'sweep.yaml', '--out', 'local', '--store', 'local-results');
    const workers = [1, 2].map(() => startCommand(directory, 'worker', '--queue', redis.url, '--concurrency', '1', '--lease', '2'));
    const sweep = startCommand(directory, 'sweep', 'sweep.yaml', '--queue', redis.url, '--out', 'queued', '--store', 'queued-results');
    const done = (): number => lines(directory, 'queued', 'results.ndjson').length;
    await until(() => done() >= 100);
    workers[0]?.child.kill('SIGKILL');
    await until(() => done() >= 250);
    await redis.stop();
    await redis.start();
    const ended = await sweep.ended;
    expect(ended).toMatchObject({ code: 0, out: '500 of 500 runs done: queued/results.ndjson\n' });
    expect(ended.err).toContain('is back');
    workers[1]?.child.kill('SIGINT');
    const ends = await Promise.all([...workers.map(worker => worker.ended), local]);
    expect(ends.map(({ code, signal }) => code ?? signal)).toEqual(['SIGKILL', 0, 0]);
    const queued = lines(directory, 'queued', 'results.ndjson');
    expect(queued).toHaveLength(RUNS);
    expect(queued).toEqual(lines(directory, 'local', 'results.ndjson'));
    expect([ended, ...ends].map(({ out, err }) => out + err).join('')).not.toContain(PASSWORD);
  });

  it('is left with Ctrl-C, worked on meanwhile, and gone on with from its number', async () => {
    const directory = place(`workload: { name: mortal, options: { ms: 20 } }\nvary: { number: 1..60 }\nplugins: [${MORTAL}]\n`);
    const worker = startCommand(directory, 'worker', '--queue', redis.url, '--concurrency', '2', '--plugin', MORTAL);
    const first = startCommand(directory, 'sweep', 'sweep.yaml', '--queue', redis.url, '--out', 'out');
    await until(() => lines(directory, 'out', 'results.ndjson').length >= 10);
    first.child.kill('SIGINT');
    const left = await first.ended;
    expect(left.code).toBe(130);
    const before = lines(directory, 'out', 'results.ndjson').length;
    expect(before).toBeLessThan(60);
    const [, id = ''] = /--attach (\w+)/.exec(left.err) ?? [];
    const ended = await run(directory, 'sweep', '--queue', redis.url, '--attach', id, '--out', 'out', '--plugin', MORTAL);
    worker.child.kill('SIGTERM');
    expect(ended).toMatchObject({ code: 0, out: '60 of 60 runs done: out/results.ndjson\n' });
    expect(lines(directory, 'out', 'results.ndjson').length).toBe(60);
    // What was in the queue was not asked for again.
    expect((await worker.ended).out).toBe('60 runs performed\n');
    expect(await run(directory, 'sweep', '--queue', redis.url, '--attach', id)).toMatchObject({ code: 2 });
  });

  it('lists the runs that fail, after 2 attempts where a process died, and gives the others', async () => {
    const directory = place(`workload: mortal\nzip: { number: 0..5, fate: [live, kill, live, refuse, throw, live] }\nplugins: [${MORTAL}]\n`);
    const worker = startCommand(directory, 'worker', '--queue', redis.url, '--concurrency', '2', '--plugin', MORTAL);
    const ended = await run(directory, 'sweep', 'sweep.yaml', '--queue', redis.url, '--out', 'out', '--attempts', '2');
    worker.child.kill('SIGTERM');
    await worker.ended;
    expect(ended).toMatchObject({ code: 1, out: '3 of 6 runs done, 3 failed: out/results.ndjson\n' });
    expect(lines(directory, 'out', 'failed.ndjson').map(line => JSON.parse(line) as unknown)).toMatchObject([
      { run: 1, code: 'SWEEP_RUN_DIED', attempts: 2 },
      { run: 3, code: 'MORTAL_REFUSED', message: 'not this one', attempts: 1 },
      { run: 4, code: 'PLUGIN_FAILED', message: expect.stringContaining('no such thing') as string, attempts: 1 },
    ]);
  });

  it('refuses a worker with other packages, by name', async () => {
    const directory = place();
    const sweep = startCommand(directory, 'sweep', 'sweep.yaml', '--queue', redis.url, '--out', 'out');
    await until(() => existsSync(join(directory, 'out', 'sweep.json')));
    await new Promise(resolve => setTimeout(resolve, 300));
    const { code, err } = await run(directory, 'worker', '--queue', redis.url, '--plugin', MORTAL);
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringMatching(/mmulab: QUEUE_MISMATCH: .*mmulab-plugin-mortal is 0\.1\.0\+\w+ here and not installed there/) as string,
    });
    const other = await run(directory, 'sweep', 'sweep.yaml', '--queue', redis.url, '--out', 'other');
    expect(other).toMatchObject({ code: 2, err: expect.stringMatching(/QUEUE_SWEEP_ATTACHED: sweep \w+: process \d+/) as string });
    sweep.child.kill('SIGINT');
    expect(await sweep.ended).toMatchObject({ code: 130 });
  });

  it('that is away holds neither a sweep nor a worker back from ending', async () => {
    const server = await RedisServer.start();
    const directory = place(`workload: { name: mortal, options: { ms: 50 } }\nvary: { number: 1..500 }\nplugins: [${MORTAL}]\n`);
    const worker = startCommand(directory, 'worker', '--queue', server.url, '--concurrency', '1', '--plugin', MORTAL);
    const sweep = startCommand(directory, 'sweep', 'sweep.yaml', '--queue', server.url, '--out', 'out');
    await until(() => lines(directory, 'out', 'results.ndjson').length >= 5);
    await server.stop();
    await new Promise(resolve => setTimeout(resolve, 500));
    sweep.child.kill('SIGINT');
    worker.child.kill('SIGINT');
    expect(await sweep.ended).toMatchObject({ code: 130 });
    expect(await worker.ended).toMatchObject({ code: 0 });
  });

  it.each([
    ['a wrong password', (port: number) => `redis://:wrong@127.0.0.1:${port}`, 'QUEUE_AUTH'],
    ['no password', (port: number) => `redis://127.0.0.1:${port}`, 'QUEUE_AUTH'],
    ['a server that is not there', () => `redis://:${PASSWORD}@127.0.0.1:1`, 'QUEUE_UNREACHABLE'],
    ['no address', () => `http://:${PASSWORD}@127.0.0.1`, 'QUEUE_URL'],
  ])('with %s ends with a typed error and says no password', async (_what, url, code) => {
    const directory = place();
    for (const command of [['sweep', 'sweep.yaml'], ['worker']]) {
      const ended = await run(directory, ...command, '--queue', url(redis.port));
      expect(ended).toMatchObject({ code: 2, out: '' });
      expect(ended.err).toMatch(new RegExp(`^mmulab: ${code}: `));
      expect(ended.err).not.toMatch(/wrong@|not-in-any/);
    }
  });
});
