/**
 * `--out DIR` and `init`: what is there before, during and after.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';

const SMALL = ['dirty_log_perf_test', '-b', '4M'];
const TWO = 'name: two\nworkload: dirty_log_perf_test -b 4M\nvary: {vcpus: [1, 2]}\n';

describe('--out', () => {
  it.each([
    ['a file in its place', (directory: string) => writeFileSync(directory, ''), 'is no directory'],
    [
      'a directory in place of a result',
      (directory: string) => mkdirSync(join(directory, '2-two-vcpus=2.json'), { recursive: true }),
      'is a directory',
    ],
    ['a read-only result', readOnlyResult, 'is read-only'],
  ])('with %s is refused before anything runs', (_what, prepare, problem) => {
    const directory = join(scratchDirectory(), 'out');
    prepare(directory);
    const { code, err, progress } = record('run', '--out', directory, scratchFile('two.yaml', TWO));
    expect([code, progress]).toEqual([2, [undefined]]);
    expect(err).toContain('FILE_UNWRITABLE');
    expect(err).toContain(problem);
  });

  it('makes no directory for a run that is refused', () => {
    const directory = join(scratchDirectory(), 'out');
    expect(record('run', '--out', directory, '--set', 'bytes=5', '--', ...SMALL).code).toBe(2);
    expect(existsSync(directory)).toBe(false);
  });

  it('replaces files of the same names, and leaves nothing beside them', () => {
    const directory = join(scratchDirectory(), 'out');
    const config = scratchFile('two.yaml', TWO);
    record('run', '--out', directory, config);
    const first = join(directory, '1-two-vcpus=1.json');
    writeFileSync(first, 'old');
    expect(record('run', '--out', directory, config).code).toBe(0);
    expect(JSON.parse(readFileSync(first, 'utf8'))).toMatchObject({
      name: 'two (vcpus=1)',
      phases: [{ vcpus: [{}] }, {}, {}, {}, {}, {}, {}, {}, {}, {}],
    });
    expect(readdirSync(directory)).toHaveLength(4);
  });

  it('names a few files and counts many', () => {
    const directory = join(scratchDirectory(), 'out');
    const many = scratchFile('many.yaml', 'workload: cr0_wp_churn -n 1 -w 1 -t 1\nvary: {seed: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n');
    expect(record('run', '--out', directory, many).err).toContain(`wrote 18 files into ${directory}\n`);
  });
});

function readOnlyResult(directory: string): void {
  mkdirSync(directory);
  writeFileSync(join(directory, '1-two-vcpus=1.csv'), 'old');
  chmodSync(join(directory, '1-two-vcpus=1.csv'), 0o444);
}

describe('init', () => {
  it('writes over nothing but with --force, and over nothing read-only at all', () => {
    const file = scratchFile('mmulab.yaml', 'mine');
    expect(record('init', file)).toMatchObject({ code: 2, err: expect.stringContaining('CLI_FILE_EXISTS') as string });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    chmodSync(file, 0o444);
    expect(record('init', '--force', file)).toMatchObject({ code: 2, err: expect.stringContaining('is read-only') as string });
    chmodSync(file, 0o644);
    expect(record('init', '--force', file).code).toBe(0);
    expect(readdirSync(dirname(file))).toEqual(['mmulab.yaml']);
  });
});
