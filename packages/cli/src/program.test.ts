/**
 * What the command answers before it does anything: help, versions, and usage that is wrong.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from './command-entry';
import { record } from './fixtures/recorder';

const manifest = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { readonly version: string };

describe('help', () => {
  it('lists every command on stdout and ends with 0', () => {
    const { code, out, err } = record('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const { name, summary } of COMMANDS) expect(out).toMatch(new RegExp(`^ +${name} +${summary.slice(0, 20)}`, 'm'));
  });

  it.each(COMMANDS.map(command => command.name))('of %s names its options', name => {
    const direct = record(name, '--help');
    expect(direct.code).toBe(0);
    expect(direct.out).toMatch(new RegExp(`^Usage: mmulab ${name}`));
    expect(record('help', name).out).toBe(direct.out);
  });

  it('goes to stderr with code 2 when nothing was asked', () => {
    const { code, out, err } = record();
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Usage: mmulab');
  });

  it('shows no empty defaults', () => {
    expect(record('run', '--help').out).not.toMatch(/default: (\[\]|false)/);
  });
});

describe('the version', () => {
  it('is that of the package', () => {
    expect(record('--version')).toMatchObject({ code: 0, out: `${manifest.version}\n` });
  });
});

describe('wrong usage ends with 2 and says what was expected', () => {
  it.each<[string, string[], string, RegExp]>([
    ['an unknown command', ['rum'], 'CLI_UNKNOWN_COMMAND', /did you mean run\?/],
    ['a test in place of a command', ['./execute_perf_test', '-v', '2'], 'CLI_UNKNOWN_COMMAND', /mmulab run -- \.\/execute_perf_test -v 2/],
    ['a command of a later version', ['qqqqqqqq'], 'CLI_UNKNOWN_COMMAND', /known: .*compare, explain, .*validate, verify/],
    ['an unknown option', ['run', '--formt', 'json', 'x.yaml'], 'CLI_USAGE', /--formt.*Did you mean --format/],
    ['a test without -- before it', ['run', 'dirty_log_perf_test', '-v', '2'], 'CLI_USAGE', /'-v'; flags of a test stand after --/],
    ['an option without its value', ['run', '--format'], 'CLI_USAGE', /--format/],
    ['an unknown format', ['run', '--format', 'jsn', 'x.yaml'], 'REPORT_UNKNOWN_FORMAT', /did you mean json\?/],
    ['nothing to run', ['run'], 'CLI_NOTHING_TO_RUN', /expected a config/],
    ['an empty command line', ['run', '--'], 'CLI_NOTHING_TO_RUN', /expected a config/],
    ['a file beside a command line', ['run', 'a.yaml', '--', 'dirty_log_perf_test'], 'CLI_TOO_MANY_SOURCES', /not both/],
    ['a command line where none is taken', ['list', '--', 'x'], 'CLI_UNEXPECTED_COMMAND_LINE', /nothing after --/],
    ['--set without a value', ['run', '--set', 'kernel', '--', 'x'], 'CLI_BAD_SETTING', /expected key=value/],
    ['--set without a key', ['run', '--set', '=6.1', '--', 'x'], 'CLI_BAD_SETTING', /expected key=value/],
    ['an argument too many', ['init', 'a', 'b'], 'CLI_USAGE', /too many arguments/],
    ['a missing argument', ['explain'], 'CLI_USAGE', /missing required argument 'name'/],
  ])('%s', (_what, argv, code, message) => {
    const recording = record(...argv);
    expect({ code: recording.code, out: recording.out }).toEqual({ code: 2, out: '' });
    expect(recording.err).toMatch(new RegExp(`^mmulab: ${code}: `));
    expect(recording.err).toMatch(message);
    expect(recording.err).not.toContain('    at ');
  });
});
