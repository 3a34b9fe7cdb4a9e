/**
 * `explore` and `playground`: what is written where, what is refused, and what stays when it is.
 */
import { get } from 'node:http';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';
import { runAnyCommand } from './program';

const TEST = ['--', 'execute_perf_test', '-b', '2M'];

/** Runs a command that may wait. @param heard told of what it prints */
async function perform(
  argv: readonly string[],
  interrupted?: AbortSignal,
  heard?: (text: string) => void,
): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const terminal = {
    columns: 200,
    color: false,
    out: (text: string): void => {
      out += text;
      heard?.(text);
    },
    err: (text: string): void => void (err += text),
    progress: (): void => undefined,
  };
  const code = await runAnyCommand(argv, terminal, interrupted);
  return { code, out, err };
}

const dataIn = (path: string): unknown => JSON.parse(/id="mmulab-data">(.*?)<\/script>/s.exec(readFileSync(path, 'utf8'))?.[1] ?? '');
const fetched = (url: string): Promise<string> =>
  new Promise((done, failed) => {
    get(url, response => {
      let text = '';
      response.on('data', chunk => (text += String(chunk))).on('end', () => done(text));
    }).on('error', failed);
  });

describe('explore', () => {
  it('writes a page with the run, its settings as far as they are its own, and links to the sources beside it', async () => {
    const path = join(scratchDirectory(), 'page.html');
    expect(await perform(['explore', '--kernel', '6.1.192', '--set', 'huge_page_fault=split', '--html', path, ...TEST])).toEqual({
      code: 0,
      out: `wrote ${path}\n`,
      err: '',
    });
    expect(dataIn(path)).toMatchObject({
      schema: 'mmulab.playground.v1',
      lessons: false,
      runs: [{ backend: 'x86-tdp', kernel: '6.1.192', options: { huge_page_fault: 'split' }, workload: 'execute_perf_test' }],
      sources: expect.stringMatching(/^(\.\.\/)+.*packages$/) as string,
    });
    expect(readFileSync(path, 'utf8').length).toBeLessThan(3_000_000);
  });

  it('takes two runs into lockstep', async () => {
    const path = join(scratchDirectory(), 'page.html');
    await perform(['explore', '--vary', 'huge_page_fault=zap,split', '--html', path, ...TEST]);
    expect((dataIn(path) as { runs: unknown[] }).runs).toHaveLength(2);
  });

  it('serves the page on loopback until it is interrupted', async () => {
    const path = join(scratchDirectory(), 'page.html');
    const interrupt = new AbortController();
    let served = Promise.resolve('');
    const heard = (text: string): void => {
      if (!text.startsWith('http://127.0.0.1:')) return;
      served = fetched(text.trim());
      void served.finally(() => interrupt.abort('SIGINT'));
    };
    const { code } = await perform(['explore', '--serve', '--html', path, ...TEST], interrupt.signal, heard);
    expect([code, await served]).toEqual([0, readFileSync(path, 'utf8')]);
  });

  it.each([
    ['three runs', ['--vary', 'vcpus=1,2,3', ...TEST], 'LAB_TOO_MANY_RUNS: the config means 3 runs'],
    ['a run of two thousand million iterations', ['--', 'dirty_log_perf_test', '-i', '2147483647', '-b', '2M'], 'LAB_TOO_LARGE: '],
    ['a saved result', [scratchFile('result.json', '{"schema":"mmulab.result.v0","phases":[]}')], 'CONFIG_OTHER_DOCUMENT: '],
    ['nothing', [], 'CLI_NOTHING_TO_RUN: '],
  ])('refuses %s, and leaves what was there', async (_what, argv, message) => {
    const directory = scratchDirectory();
    const path = join(directory, 'page.html');
    writeFileSync(path, 'old');
    const { code, err, out } = await perform(['explore', '--html', path, ...argv]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect([readFileSync(path, 'utf8'), readdirSync(directory)]).toEqual(['old', ['page.html']]);
  });

  it('refuses a path that cannot be written to', async () => {
    const { code, err } = await perform(['explore', '--html', join(scratchDirectory(), 'no', 'page.html'), ...TEST]);
    expect(code).toBe(2);
    expect(err).toContain('FILE_UNWRITABLE');
  });

  it('refuses a run of a plugin that is not in the page', async () => {
    const plugin = join(__dirname, 'fixtures/faulty');
    const { code, err } = await perform(['explore', '--plugin', plugin, '--html', join(scratchDirectory(), 'p.html'), ...TEST]);
    expect(code).toBe(2);
    expect(err).toContain('CLI_NOT_IN_PAGE');
  });
});

describe('playground', () => {
  it('writes the page with the lessons', async () => {
    const path = join(scratchDirectory(), 'page.html');
    expect((await perform(['playground', '--html', path])).code).toBe(0);
    expect(dataIn(path)).toMatchObject({ lessons: true, runs: [{ options: { nx_huge_pages: 'Y' } }, {}] });
  });

  it('takes no operands', () => {
    expect(record('playground', 'x.yaml').code).toBe(2);
  });
});
