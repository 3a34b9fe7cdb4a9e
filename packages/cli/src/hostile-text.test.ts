/**
 * Names and values that do something where they are shown: control characters in a terminal, formulas in a spreadsheet, a screen full of digits.
 */
import { record, scratchFile } from './fixtures/recorder';

const ESC = '\u001b';
const RED = `${ESC}[31mred`;
const SMALL = ['--phases', 'populate', '--counters', 'exit', '--', 'dirty_log_perf_test', '-b', '4M'];
// eslint-disable-next-line no-control-regex -- what must not be there
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;

describe('control characters', () => {
  it.each(['table', 'markdown', 'csv', 'selftest', 'json'])('in a name are spelt: %s', format => {
    const { code, out } = record('run', '--format', format, '--set', `name=${RED}\u009b31m\u202ex`, ...SMALL);
    expect(code).toBe(0);
    expect(out).not.toMatch(OBEYED);
    if (format === 'json') expect(JSON.parse(out)).toMatchObject({ name: `${RED}\u009b31m\u202ex` });
    // Markdown has a backslash in front of each of ours.
    else expect(out.replace(/\\(?=[\\[])/g, '')).toContain('\\x1b[31mred\\x9b31m\\u202ex');
  });

  it('in a comparison are spelt', () => {
    const config = scratchFile('two.yaml', `vary: {name: ["a\\e[31m", "b\\e[32m"]}\nworkload: dirty_log_perf_test -b 4M\n`);
    for (const format of ['table', 'markdown', 'csv']) expect(record('compare', '--format', format, config).out).not.toMatch(OBEYED);
  });

  it('in arguments, notes, progress and what validate and init print are spelt', () => {
    const config = scratchFile(`${RED}.yaml`, 'backend: {name: x86-tdp, kernel: 9.1}\nworkload: dirty_log_perf_test -b 4M\n');
    const { out, err } = record('validate', config);
    expect([OBEYED.test(out), OBEYED.test(err), out.includes('\\x1b[31mred.yaml: valid')]).toEqual([false, false, true]);
    expect(record('explain', RED)).toMatchObject({ code: 2, err: expect.stringContaining('\\x1b[31mred') as string });
    expect(record('init', scratchFile(`${RED}.yml`, ''), '--force').out).not.toMatch(OBEYED);
    const { progress } = record('run', '--set', `name=${RED}`, ...SMALL);
    expect(progress.some(state => OBEYED.test(state?.label ?? ''))).toBe(false);
  });
});

describe('formulas', () => {
  it.each(['=1+1', '+1+1', '-1+1', '@SUM(A1)', '＝1', '=HYPERLINK("http://x")'])('in a name have an apostrophe in front: %s', name => {
    const { out } = record('run', '--format', 'csv', '--set', `name=${name}`, ...SMALL);
    const [, row = ''] = out.split('\n');
    expect(row.replaceAll('""', '"')).toMatch(/^1,"?'/);
    expect(row.replaceAll('""', '"')).toContain(`'${name}`);
  });

  it.each(['-5', '+1.5e3', 'a=b', '-'])('are no such thing: %s', name => {
    expect(record('run', '--format', 'csv', '--set', `name="${name}"`, ...SMALL).out).not.toContain("'");
  });
});

describe('a value of 100,000 letters', () => {
  const long = 'x'.repeat(100_000);

  it.each([
    ['a command', [long]],
    ['a file', ['run', long]],
    ['a saved result', ['compare', long, long]],
    ['a name to explain', ['explain', long]],
    ['an option', ['run', '--set', `bytes=${long}`, ...SMALL]],
    ['a key', ['run', '--set', `${long}=1`, ...SMALL]],
    ['a backend', ['run', '--backend', long, ...SMALL]],
    ['a flag', ['run', '--', 'dirty_log_perf_test', `-${long}`]],
    ['a value of a flag', ['run', '--', 'dirty_log_perf_test', '-s', long]],
    ['words', ['run', '--set', `bytes=${'x '.repeat(50_000)}`, ...SMALL]],
  ])('is cut in a message: %s', (_what, argv) => {
    const { code, err } = record(...argv);
    expect([code, err.length < 4200]).toEqual([2, true]);
  });
});
