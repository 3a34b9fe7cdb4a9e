/**
 * Lists of tests: the selftest runner's tests.json, and its `.test` files, one or a folder of them.
 *
 * Models: the KVM selftest runner's two forms, suites in JSON, and testcases/NAME/*.test with one command line each.
 */
import { parseJson } from '@mmulab/runner';
import { importMalformed, importValue } from './errors';
import type { Format, ImportedCommand, LeftOut, ReadContext, Reading } from './imported';
import { readTestLine } from './test-lines';

const NAME = 'tests.json';
const TEST_KEYS = ['name', 'command'];

/** Suites of tests in JSON. */
export const testsJson: Format = {
  name: NAME,
  expected: 'suites with tests, each with a command',
  isFormat: text => /^\s*[[{]/.test(text) && /"tests"\s*:/.test(text) && /"command"\s*:/.test(text),
  read: (text, file, context) => {
    const parsed = parseJson(text);
    if ('problem' in parsed) throw importMalformed({ file, line: parsed.line }, NAME, parsed.problem);
    const suites: readonly unknown[] = Array.isArray(parsed.value) ? parsed.value : [parsed.value];
    const readings = suites.flatMap((suite, i) => testsOf(suite, `[${i}]`, file).map(test => readTest(test, file, context)));
    return together(readings);
  },
};

/** A `.test` file. */
export const testFile: Format = {
  name: '.test file',
  expected: 'the command line of a test',
  isFormat: (_text, file) => file.endsWith('.test'),
  read: (text, _file, context) =>
    together(text.split(/\r?\n/).flatMap((line, index) => (/^\s*(#|$)/.test(line) ? [] : [readCommand(line.trim(), undefined, index + 1, context)]))),
};

interface Test {
  readonly name: string;
  readonly command: string;
  readonly others: readonly string[];
}

function testsOf(suite: unknown, place: string, file: string): readonly Test[] {
  const { suite: suiteName, tests, ...rest } = mapOf(suite, place, file);
  if (!Array.isArray(tests)) throw importValue({ file }, `${place}.tests`, typeof tests, 'a list of tests');
  const ofSuite = Object.keys(rest);
  return (tests as readonly unknown[]).map((one, i) => {
    const test = mapOf(one, `${place}.tests[${i}]`, file);
    const { name, command } = test;
    if (typeof command !== 'string') throw importValue({ file }, `${place}.tests[${i}].command`, typeof command, 'a command line');
    const others = [...new Set([...ofSuite, ...Object.keys(test).filter(key => !TEST_KEYS.includes(key))])];
    const full = [suiteName, name].filter(part => typeof part === 'string').join('/');
    return { name: full, command, others };
  });
}

function mapOf(value: unknown, place: string, file: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw importValue({ file }, place, typeof value, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

function readTest({ name, command, others }: Test, _file: string, context: ReadContext): Reading {
  const reading = readCommand(command, name, undefined, context);
  const aside: LeftOut[] =
    others.length === 0 ? [] : [{ said: `${name}: ${others.join(', ')}`, why: 'the runner’s own: nothing is set up, and nothing takes time' }];
  return { ...reading, leftOut: [...(reading.leftOut ?? []), ...aside] };
}

function readCommand(command: string, name: string | undefined, line: number | undefined, { tests, cpus }: ReadContext): Reading {
  const read = readTestLine(command, tests, cpus);
  if ('problem' in read) return { leftOut: [{ said: name === undefined ? command : `${name}: ${command}`, why: read.problem, line }] };
  const one: ImportedCommand = { name: name ?? read.words.join(' '), words: read.words, line };
  return {
    commands: [one],
    leftOut: read.cpus ? [{ said: `the number of CPUs in ${one.name}`, why: `${cpus}, as on this machine`, line, decided: true }] : [],
  };
}

/** Several readings as one. */
export function together(readings: readonly Reading[]): Reading {
  return { commands: readings.flatMap(({ commands = [] }) => commands), leftOut: readings.flatMap(({ leftOut = [] }) => leftOut) };
}
