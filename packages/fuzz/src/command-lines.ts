/**
 * Fuzzed command lines: mmulab's own commands and options, and those of the tests behind `--`.
 *
 * Every option occurs with values that are right for it and with odd ones, without its value, twice, misspelt, and with others that it does not go with. Paths stay below the
 * case's own directory: no absolute ones, and none that lead out of it.
 */
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { FuzzCase } from './case';
import { TRACE } from './records';
import { BACKINGS, ROUNDS, SMALL_SIZES, isSmall, type Vocabulary, type WorkloadWords } from './vocabulary';

const CONFIG = 'backend: x86-tdp\nworkload: dirty_log_perf_test -v 2 -b 64K -s anonymous\n';
const MATRIX = `${CONFIG}vary: { huge_page_fault: [zap, split] }\n`;
const RECORD = `${JSON.stringify({
  schema: 'mmulab.records.v1',
  records: [
    {
      id: 'fuzz/1',
      arch: 'x86',
      backend: 'x86-tdp',
      kernel: '6.1.192',
      options: {},
      host: {},
      command: 'demand_paging_test -v 1 -b 64K -s anonymous',
      workload_options: {},
      exact: true,
      phases: [{ phase: 'guest_execution', counters: { page_fault: 25 } }],
    },
  ],
})}\n`;

/** Files that lie beside every command line. */
const FILES: FuzzCase['files'] = {
  'one.yaml': CONFIG,
  'matrix.yaml': MATRIX,
  'records.json': RECORD,
  'a.test': 'dirty_log_perf_test -v 1 -b 64K -s anonymous\n',
  'empty.yaml': '',
  'text.txt': 'nothing of the kind\n',
  'directory/one.yaml': CONFIG,
  'trace.txt': TRACE,
  'kvm.conf': 'options kvm tdp_mmu=0\n',
  'plain/package.json': '{ "name": "plain" }\n',
};
const OPERANDS = ['one.yaml', 'matrix.yaml', 'a.test', './one.yaml', 'directory/one.yaml'];
const WRONG_OPERANDS = ['kvm.conf', 'empty.yaml', 'text.txt', 'directory', 'records.json', 'none.yaml', '.'];
const ODD_WORDS = [
  '',
  ' ',
  '-',
  '--x',
  '=',
  '=x',
  'x=',
  'a,b',
  ',',
  '-1',
  '1.5',
  'NaN',
  '9'.repeat(25),
  '0x10',
  'é',
  '\u001b[31m',
  '__proto__',
  'constructor',
  'a'.repeat(500),
];
const RUNS = ['run', 'compare', 'validate'];
/** Those that start processes or wait for others are not among them: `worker`, and `sweep` but for its dry run. */
const COMMANDS = [
  ...RUNS,
  'sweep',
  'analyse',
  'replay',
  'record',
  'import',
  'verify',
  'list',
  'explain',
  'init',
  'help',
  'rum',
  'RUN',
  'dirty_log_perf_test',
  '',
];
/** Options without a value, and what looks like one. */
const FLAGS = ['--all', '--quiet', '--no-color', '--force', '-h', '--help', '--version', '-V', '--color', '--al'];
const LISTS = ['backends', 'workloads', 'profiles', 'events', 'models', 'plugins', 'backings', 'backend'];

type Words = Arbitrary<readonly string[]>;

/** Command lines. */
export function commandCases(words: Vocabulary): Arbitrary<FuzzCase> {
  const command = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...RUNS) }, { weight: 1, arbitrary: fc.constantFrom(...COMMANDS) });
  return command.chain(name => {
    const parts = fc.record({
      options: fc.array(ownOption(words, OPTIONS_OF[name] ?? []), { maxLength: 4 }),
      operands: fc.array(mostly(8, OPERANDS, [...WRONG_OPERANDS, ...ODD_WORDS]), { maxLength: 2 }),
      names: fc.array(mostly(8, namesOf(words, name), ODD_WORDS), { maxLength: 3 }),
      test: fc.option(testLine(words), { nil: undefined, freq: 2 }),
    });
    return parts.map(({ options, operands, names, test }) => {
      const own = [name, ...options.flat()];
      if (name === 'run' || name === 'compare') return lineCase(own, test === undefined ? operands : operands.slice(1), test);
      if (name === 'sweep') return lineCase([name, '--dry-run', ...options.flat()], test === undefined ? operands : operands.slice(1), test);
      if (name === 'record') return { files: FILES, commands: [[...own, ...(test === undefined ? [] : ['--', ...test])]] };
      if (name === 'replay') return { files: FILES, commands: [[...own, ...operands.slice(1), 'trace.txt']] };
      if (name === 'verify') return { files: FILES, commands: [[...own, '--quiet', 'records.json']] };
      if (name === 'list' || name === 'explain' || name === 'help') return { files: FILES, commands: [[...own, ...names]] };
      return { files: FILES, commands: [[...own, ...operands, ...(test === undefined || operands.length > 0 ? [] : ['--', ...test])]] };
    });
  });
}

function mostly(weight: number, usual: readonly string[], odd: readonly string[]): Arbitrary<string> {
  return fc.oneof({ weight, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
}

/** What takes longer than milliseconds is checked and not run, as the .test file that it may stand in. */
function lineCase(own: readonly string[], files: readonly string[], test: readonly string[] | undefined): FuzzCase {
  const line = test === undefined ? [] : ['--', ...test];
  if (isSmall([...own, ...line].join(' ').replace(/[,=:]/g, ' '))) return { files: FILES, commands: [[...own, ...files, ...line]] };
  const settings = own.slice(1).filter(word => !/^--(export|out|format|counters|phases|all|quiet)/.test(word));
  return { files: { ...FILES, 'b.test': `${(test ?? []).join(' ')}\n` }, commands: [['validate', ...settings, ...files, 'b.test']] };
}

/** Options by command. */
const SETTINGS = ['--backend', '--kernel', '--vcpus', '--seed', '--set', '--vary', '--plugin', '--import'];
const OUTPUT = ['--format', '--all', '--quiet', '--no-color'];
const OPTIONS_OF: Readonly<Record<string, readonly string[]>> = {
  run: [...SETTINGS, ...OUTPUT, '--counters', '--phases', '--out', '--export', '--export-without'],
  compare: [...SETTINGS, ...OUTPUT, '--counters', '--phases'],
  verify: [...OUTPUT, '--backend', '--plugin'],
  list: [...OUTPUT, '--backend', '--plugin'],
  explain: [...OUTPUT, '--plugin'],
  init: ['--force'],
  sweep: [...SETTINGS, '--quiet', '--out', '--workers', '--timeout', '--per-vcpu', '--ahead'],
  analyse: [...OUTPUT, '--value', '--rows', '--columns', '--stat', '--where', '--break-even', '--growth', '--higher'],
  replay: [...SETTINGS, ...OUTPUT, '--check', '--slot', '--backing'],
  record: ['--read', '--quiet', '--plugin'],
  import: ['--backend', '--kernel', '--quiet', '--plugin'],
  validate: SETTINGS,
};
const VALUE_KEYS = [
  'backend',
  'kernel',
  'vcpus',
  'workload.command',
  'workload.options.bytes',
  'backend.options',
  'vary',
  'name',
  'a.b',
  '__proto__',
];

/** What may stand behind each of mmulab's options. */
function valuesOf(words: Vocabulary): Readonly<Record<string, Arbitrary<string>>> {
  const key = fc.constantFrom(...words.optionNames, ...VALUE_KEYS);
  const value = mostly(5, ['Y', 'N', '1', '2', '4K', '1M', 'zap', 'split', 'x86-tdp', 'true'], ODD_WORDS);
  const pair = (most: number): Arbitrary<string> =>
    fc.tuple(key, fc.array(value, { minLength: 1, maxLength: most })).map(([name, values]) => `${name}=${values.join(',')}`);
  const names = fc.constantFrom(...words.counters.slice(0, 40), 'populate', 'dirty_1', 'total', 'x,y');
  return {
    '--backend': fc.constantFrom(...words.backends.map(({ name }) => name), 'x86'),
    '--kernel': fc.constantFrom(...words.backends.flatMap(({ kernels }) => kernels), '5.15', '6', '99.1', '6.1.192-rc1'),
    '--vcpus': fc.constantFrom('1', '2', '4', '0', '513'),
    '--seed': fc.constantFrom('0', '1', '-1'),
    '--set': pair(1),
    '--vary': pair(3),
    '--format': fc.constantFrom('table', 'json', 'csv', 'markdown', 'selftest', 'xml'),
    '--counters': names,
    '--phases': names,
    '--plugin': fc.constantFrom('./plain', './none', 'plain', '@mmulab/x86', './directory'),
    '--out': fc.constantFrom('out', 'one.yaml', 'directory', 'no/such/place'),
    '--workers': fc.constantFrom('1', '0', '-1', '1.5'),
    '--timeout': fc.constantFrom('1', '0', 'x'),
    '--ahead': fc.constantFrom('1', '0'),
    '--value': fc.constantFrom('page_fault', 'time', 'phases.dirty_1.time', 'memory.tableBytesReal', 'x'),
    '--rows': key,
    '--columns': key,
    '--stat': fc.constantFrom('mean', 'count', 'mode'),
    '--where': pair(1),
    '--break-even': key,
    '--growth': key,
    '--slot': fc.constantFrom('0:1G', '0x100000000:2M@0x7f0000000000', '0:0', '1G', '0:1G@', '9:16T'),
    '--backing': fc.constantFrom(...BACKINGS),
    '--read': fc.constantFrom('directory', 'none', 'one.yaml'),
    '--import': fc.constantFrom('kvm.conf', 'a.test', 'one.yaml', 'none.conf', 'directory'),
    '--export': fc.constantFrom('casemate=run.log', 'casemate=run.log', 'casemate', 'x=y', 'casemate=directory', 'casemate=no/such'),
    '--export-without': fc.constantFrom('no-tlbi', 'no-break', 'no-tlbi:1', 'no-tlbi:99999', 'x'),
  };
}

/** An option of mmulab, most of them of the command's own and with a value that could be right. */
function ownOption(words: Vocabulary, own: readonly string[]): Words {
  const values = valuesOf(words);
  const all = [...Object.keys(values), ...FLAGS];
  const named = (name: string): Words => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return fc.constant([name]);
    const usual = value.map(text => [name, text]);
    const odd = fc.constantFrom(...ODD_WORDS).map(text => [name, text]);
    return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 2, arbitrary: odd }, { weight: 1, arbitrary: fc.constant([name]) });
  };
  const right = fc.constantFrom(...(own.length === 0 ? all : own)).chain(named);
  const other = fc.constantFrom(...all, ...ODD_WORDS).chain(named);
  return fc.oneof({ weight: 15, arbitrary: right }, { weight: 1, arbitrary: other });
}

function namesOf(words: Vocabulary, command: string): readonly string[] {
  if (command === 'list') return LISTS;
  if (command === 'help') return COMMANDS;
  return [...words.optionNames, ...words.counters, ...words.backends.map(({ name }) => name), ...BACKINGS, '6.1.192', 'page_faul'];
}

/** A command line of a test: its name, flags with their values, and what goes wrong with those. */
export function testLine(words: Vocabulary): Words {
  return fc.constantFrom(...words.workloads).chain(workload => {
    const name = fc.oneof(
      { weight: 30, arbitrary: fc.constant(workload.name) },
      { weight: 1, arbitrary: fc.constantFrom(`./${workload.name}`, `${workload.name}x`, '', 'sh') },
    );
    return fc.tuple(name, fc.array(testFlag(workload), { maxLength: 4 }), fc.constantFrom(...SMALL_SIZES)).map(([first, flags, size]) => {
      const takesSize = workload.flags.some(({ letter }) => letter === 'b') && !flags.some(([flag]) => flag.startsWith('-b'));
      return [first, ...flags.flat(), ...(takesSize ? ['-b', size] : [])];
    });
  });
}

const GOOD: Readonly<Record<string, readonly string[]>> = {
  v: ['1', '2', '3'],
  b: SMALL_SIZES,
  s: BACKINGS,
  i: ['2', '3'],
  n: ['1', '16', '64'],
  f: ['1', '20'],
  w: ['0', '50', '100'],
  x: ['1', '2', '3'],
  r: ['1', '2'],
  p: [...ROUNDS, '0', '1M'],
  m: ['P40V48_4K', 'P48V48_4K', '0', '1', '11'],
  M: ['0', '1', '3'],
  u: ['MISSING', 'MINOR'],
  c: ['0', '0,1', '0,1,2,3'],
};
const BAD = [
  '',
  '-1',
  '0',
  '1.5',
  'x',
  '513',
  '16384',
  '2147483647',
  '2147483648',
  '1e9',
  '16T',
  '17T',
  '-v',
  '--',
  '4k',
  '3',
  '5000',
  '1,2,',
  'w'.repeat(99),
  'é',
];

function testFlag({ flags }: WorkloadWords): Words {
  const bad = fc.constantFrom(...BAD);
  const known = fc.constantFrom(...flags).chain(({ letter, takesValue }) => {
    if (!takesValue) return fc.constant([`-${letter}`]);
    const good = fc.constantFrom(...(GOOD[letter] ?? ['1', '2']));
    return fc.oneof(
      { weight: 16, arbitrary: good.map(value => [`-${letter}`, value]) },
      { weight: 2, arbitrary: bad.map(value => [`-${letter}`, value]) },
      { weight: 1, arbitrary: good.map(value => [`-${letter}${value}`]) },
      { weight: 1, arbitrary: fc.constant([`-${letter}`]) },
    );
  });
  const other = fc.constantFrom('-q', '-hv', '--vcpus', '-', '-gv2', 'word', '-b=4K', '-hh');
  return fc.oneof({ weight: 30, arbitrary: known }, { weight: 1, arbitrary: other.map(flag => [flag]) });
}
