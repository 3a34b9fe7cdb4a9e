import { parseCommandLine, usageText, type CommandSyntax } from './command-line';
import { crChurnDefinition } from './cr-churn';
import { demandPagingDefinition } from './demand-paging';
import { dirtyLogPerfDefinition } from './dirty-log-perf';
import { executePerfDefinition } from './execute-perf';
import { codeOf } from './fixtures/code-of';

const syntax: CommandSyntax = {
  test: 'some_test',
  flags: [
    { letter: 'v', argument: 'vcpus', option: 'vcpus', doc: 'number of vCPUs' },
    { letter: 'm', argument: 'mode', option: 'mode', once: true, doc: 'mode' },
    { letter: 'o', option: 'overlap', value: true, doc: 'overlap' },
    { letter: 'g', option: 'manual', value: false, doc: 'not manual' },
    { letter: 'r', argument: '0|1', option: 'read', values: { 0: false, 1: true }, doc: 'read' },
    { letter: 'f', argument: 'n', option: 'fraction', family: 'until-6.1', doc: 'fraction' },
    { letter: 'w', argument: 'n', option: 'percent', family: 'since-6.2', doc: 'percent' },
    { letter: 'n', refused: 'not simulated', doc: 'nested' },
  ],
};
const parse = (line: string): unknown => parseCommandLine(syntax, line.split(' ').filter(Boolean));

describe('a command line', () => {
  it('is read as getopt reads it: values apart or attached, switches grouped, a value ending the group', () => {
    expect(parse('-v 2 -o')).toEqual({ vcpus: '2', overlap: true });
    expect(parse('-v2')).toEqual({ vcpus: '2' });
    expect(parse('-ogv 4')).toEqual({ overlap: true, manual: false, vcpus: '4' });
    expect(parse('-ov4')).toEqual({ overlap: true, vcpus: '4' });
    expect(parse('-v -o')).toEqual({ vcpus: '-o' });
  });

  it('ends at --, and may be empty', () => {
    expect(parse('-o --')).toEqual({ overlap: true });
    expect(parse('')).toEqual({});
  });

  it('takes the last of several values', () => {
    expect(parse('-v 2 -v 3')).toEqual({ vcpus: '3' });
  });

  it('tells the tests up to 6.1 and those from 6.2 on by their flags', () => {
    expect(parse('-f 20')).toEqual({ fraction: '20', selftest: 'until-6.1' });
    expect(parse('-w 5')).toEqual({ percent: '5', selftest: 'since-6.2' });
  });

  it.each([
    ['-z', 'COMMAND_UNKNOWN_FLAG'],
    ['--vcpus 2', 'COMMAND_UNKNOWN_FLAG'],
    ['-oz', 'COMMAND_UNKNOWN_FLAG'],
    ['-v', 'COMMAND_MISSING_VALUE'],
    ['-o -v', 'COMMAND_MISSING_VALUE'],
    ['16M', 'COMMAND_STRAY_ARGUMENT'],
    ['-', 'COMMAND_STRAY_ARGUMENT'],
    ['-v 2 3', 'COMMAND_STRAY_ARGUMENT'],
    ['-o -- 3', 'COMMAND_STRAY_ARGUMENT'],
    ['-r 2', 'COMMAND_INVALID_VALUE'],
    ['-r toString', 'COMMAND_INVALID_VALUE'],
    ['-f 20 -w 5', 'COMMAND_CONFLICTING_FLAGS'],
    ['-n', 'COMMAND_NOT_SUPPORTED'],
    ['-m 1 -m 2', 'COMMAND_REPEATED_FLAG'],
    ['-h', 'COMMAND_HELP'],
    ['-oh', 'COMMAND_HELP'],
    ['--help', 'COMMAND_HELP'],
  ])('%s: %s', (line, code) => {
    expect(codeOf(() => parse(line))).toBe(code);
  });

  it('with an unknown flag is answered with the known ones', () => {
    expect(() => parse('-z')).toThrow('some_test: -z: not a flag of this test (known: -f, -g, -h, -m, -n, -o, -r, -v, -w)');
  });
});

describe('the usage text', () => {
  it('names every flag, its value, its generation, and what is not supported', () => {
    expect(usageText(syntax).split('\n')).toEqual([
      'usage: some_test [-h] [-v vcpus] [-m mode] [-o] [-g] [-r 0|1] [-f n] [-w n]',
      ' -h        print this text',
      ' -v vcpus  number of vCPUs',
      ' -m mode   mode',
      ' -o        overlap',
      ' -g        not manual',
      ' -r 0|1    read',
      ' -f n      fraction (tests up to 6.1)',
      ' -w n      percent (tests from 6.2 on)',
      ' -n        nested (not supported: not simulated)',
    ]);
  });
});

describe('the tests', () => {
  it('read the command lines that people use', () => {
    expect(dirtyLogPerfDefinition.parseArguments('-v 2 -b 16M -s anonymous_hugetlb_2mb -g -f 20'.split(' '))).toEqual({
      vcpus: '2',
      bytes: '16M',
      backing: 'anonymous_hugetlb_2mb',
      manual_protect: false,
      write_fraction: '20',
    });
    expect(crChurnDefinition.parseArguments('-m w -n 16 -p 16 -r 1'.split(' '))).toEqual({
      change: 'w',
      changes: '16',
      pages: '16',
      read_only_pages: true,
    });
    expect(demandPagingDefinition.parseArguments(['-u', 'MISSING', '-d100'])).toEqual({ uffd: 'missing', delay_us: '100' });
  });

  it('say of which side they are where the value of a flag does not', () => {
    const selftestOf = (flags: string): unknown => dirtyLogPerfDefinition.parseArguments(flags.split(' '))['selftest'];
    expect(['-w 10', '-w 100', '-f 20', '-f 1', '-g'].map(selftestOf)).toEqual([undefined, 'since-6.2', undefined, 'until-6.1', undefined]);
  });

  it('know their own flags only', () => {
    expect(codeOf(() => executePerfDefinition.parseArguments(['-g']))).toBe('COMMAND_UNKNOWN_FLAG');
  });
});
