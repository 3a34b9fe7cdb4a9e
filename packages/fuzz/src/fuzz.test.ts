/**
 * The fuzzer itself: that it repeats what it did, sees what goes wrong, outlives what does not come back; and its short form.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { campaign } from './campaign';
import { faultOf, KINDS, runCase, type FuzzCase, type Outcome } from './case';
import { caseAt, casesOf, kindOf, repeat } from './cases';

const faulty = resolve(__dirname, '../../cli/src/fixtures/faulty');
const child = resolve(__dirname, 'fixtures/child.js');
const lib = resolve(__dirname, '../lib');

/** Runs a case in an empty directory. */
async function outcomeOf(one: FuzzCase): Promise<Outcome> {
  const before = process.cwd();
  process.chdir(mkdtempSync(join(tmpdir(), 'mmulab-fuzz-test-')));
  try {
    return await runCase(one, 0);
  } finally {
    process.chdir(before);
  }
}

describe.each(KINDS)('a %s', kind => {
  const cases = casesOf(kind);
  const numbers = Array.from({ length: 200 }, (_, index) => index);

  it('follows from seed and number', () => {
    const again = casesOf(kind);
    expect(numbers.map(index => caseAt(again, 5, index))).toEqual(numbers.map(index => caseAt(cases, 5, index)));
    expect(new Set(numbers.map(index => JSON.stringify(caseAt(cases, 5, index)))).size).toBeGreaterThan(150);
    expect(caseAt(cases, 6, 0)).not.toEqual(caseAt(cases, 5, 0));
  });

  it('is the one that is run', async () => {
    const run: FuzzCase[] = [];
    for (const index of numbers) {
      await repeat(cases, 5, index, one => {
        run.push(one);
        return Promise.resolve({ codes: [0], errors: [] });
      });
    }
    expect(run).toEqual(numbers.map(index => caseAt(cases, 5, index)));
  });

  it('writes nowhere but below its directory', () => {
    const words = numbers.flatMap(index => {
      const { files, commands } = caseAt(cases, 5, index);
      return [...Object.keys(files), ...commands.flat()];
    });
    expect(words.filter(word => word.startsWith('/') || word.includes('=/') || word.includes('..'))).toEqual([]);
  });
});

describe('a case', () => {
  it('that ends with 3 is a fault, with the error behind it', () => {
    expect(faultOf(3, 'mmulab: INTERNAL: no such thing\n', 'INTERNAL')).toMatch(/^ended with 3: mmulab: INTERNAL: no such thing/);
    expect(faultOf(2, 'mmulab: CONFIG_MALFORMED: TypeError: x is not a function\n', 'CONFIG_MALFORMED')).toMatch(
      /^told of an error that nobody raised on purpose/,
    );
  });

  it('whose plugin throws is none: the plugin is at fault, and named', async () => {
    const { codes, errors, fault } = await outcomeOf({
      files: { 'one.yaml': `plugins: [${faulty}]\nworkload: broken\n` },
      commands: [['run', 'one.yaml']],
    });
    expect([codes, errors, fault]).toEqual([[2], ['PLUGIN_FAILED'], undefined]);
  });

  it('that is refused with a code is none', async () => {
    const { codes, errors, fault } = await outcomeOf({ files: { 'one.yaml': 'workload: 7\n' }, commands: [['validate', 'one.yaml']] });
    expect({ codes, errors, fault }).toEqual({ codes: [2], errors: ['CONFIG_WRONG_TYPE'], fault: undefined });
  });

  it('that is valid and then refused is a fault', async () => {
    const files = { 'one.yaml': 'backend: x86-tdp\nworkload: demand_paging_test -b 64K\n' };
    const late = ['run', '--format', 'none', 'one.yaml'];
    expect((await outcomeOf({ files, commands: [['validate', 'one.yaml'], late], together: true })).fault).toMatch(
      /^refused, having been found valid: /,
    );
    expect((await outcomeOf({ files, commands: [['validate', 'one.yaml'], late] })).fault).toBeUndefined();
    expect((await outcomeOf({ files, commands: [['validate', 'two.yaml'], late], together: true })).codes).toEqual([2]);
  });

  it('that goes wrong is made smaller as long as it goes wrong in the same way', async () => {
    const cases = casesOf('command');
    const isWrong = ({ commands }: FuzzCase): boolean => commands[0].includes('--set');
    const index =
      Array.from({ length: 500 }, (_, i) => i).find(i => isWrong(caseAt(cases, 1, i)) && caseAt(cases, 1, i).commands[0].length > 6) ?? -1;
    const run = (one: FuzzCase): Promise<Outcome> => Promise.resolve({ codes: [3], errors: [], ...(isWrong(one) ? { fault: 'ended with 3' } : {}) });
    const smallest = await repeat(cases, 1, index, run);
    expect(smallest?.one.commands[0].length).toBeLessThan(caseAt(cases, 1, index).commands[0].length);
    expect(smallest?.one.commands[0]).toContain('--set');
  });
});

describe('a campaign', () => {
  it('goes on behind a case that hangs, one that takes the process with it, and a fault', async () => {
    const findings = await campaign({ seed: 1, kind: 'config', from: 0, to: 6 }, { limitMs: 500, child });
    expect(findings.faults.map(({ index, what }) => [index, what.trim()])).toEqual([
      [1, 'took more than 500 ms'],
      [2, 'took the process with it (exit code 7):'],
      [3, 'ended with 3'],
    ]);
    expect(findings).toMatchObject({ cases: 6, byCode: new Map([[2, 3]]), byError: new Map([['CONFIG_MISSING', 3]]) });
  });

  it('tells faults apart by what went wrong and where', () => {
    const thrown = (at: string): string =>
      `ended with 3: mmulab: INTERNAL: x of ${at}\n    at f (/a/packages/cli/lib/b.js:1:2)\n    at g (/c.js:1:1)`;
    expect(kindOf(thrown('1'))).toBe(kindOf(thrown('2')));
    expect(kindOf(thrown('1'))).toBe('ended with 3 INTERNAL in f (packages/cli/lib/b.js)');
    expect(kindOf('took more than 500 ms')).toBe('took more than the limit');
  });
});

describe('npm run fuzz -- --short', () => {
  it('finds nothing', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(lib, 'main.js'), '--short'], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toMatch(/no faults$/m);
    expect(status).toBe(0);
  }, 180_000);

  it.each([
    ['--only', 'thing:1', '--only thing: expected config, command, record'],
    ['--seed', 'x', '--seed x: expected a whole number'],
    ['--confgs', '1', "Unknown option '--confgs'"],
  ])('ends with 2 on %s %s', (option, value, problem) => {
    const { status, stderr } = spawnSync(process.execPath, [join(lib, 'main.js'), option, value], { encoding: 'utf8' });
    expect([status, stderr.includes(problem)]).toEqual([2, true]);
  });
});
