/**
 * Command lines of the test programs, as a config's workload, as arguments of `mmulab run --`, and in .test files.
 */
import { basename } from 'node:path';
import { emptyCommand, testFileCommands, unbalancedQuote } from '../errors';
import { readTextFile } from '../files';
import type { Registry } from '../registry';
import type { RawConfig } from './types';

/**
 * The config that a command line of a test means.
 * @param argv test name (a path in front of it does not matter) and its flags
 * @throws CONFIG_UNKNOWN_WORKLOAD, WORKLOAD_COMMAND when empty, and what the workload says of its flags
 */
export function commandLineConfig(argv: readonly string[], registry: Registry): RawConfig {
  const [program, ...flags] = argv;
  if (program === undefined || program === '') throw emptyCommand();
  const definition = registry.workload(basename(program));
  return { workload: { name: definition.name, options: definition.parseArguments(flags) } };
}

/**
 * Reads a KVM Selftest Runner file: one command line; empty lines and lines that begin with `#` do not count.
 * @returns the command line in words, the directory of the program left out
 * @throws FILE_NOT_FOUND, TEST_FILE_COMMANDS unless there is exactly one command line
 */
export function readTestFile(path: string): readonly string[] {
  const lines = readTextFile(path, 'a .test file with one command line')
    .split(/\r?\n/)
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
  const [line] = lines;
  if (line === undefined || lines.length > 1) throw testFileCommands(path, lines.length);
  const [program = '', ...flags] = splitCommand(line);
  return [basename(program), ...flags];
}

/**
 * Splits a command line into words as a shell does, quotes and backslashes minded, nothing expanded.
 * @throws WORKLOAD_COMMAND when a quote is left open
 */
export function splitCommand(line: string): readonly string[] {
  const words: string[] = [];
  const token = /\s+|"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|([^\s"'\\]+)|(.)/gsy;
  let word: string | undefined;
  for (const [whole, double, single, escaped, plain, stray] of line.matchAll(token)) {
    if (stray !== undefined) throw unbalancedQuote(line);
    const part = double?.replace(/\\(["\\])/g, '$1') ?? single ?? escaped ?? plain;
    if (part !== undefined) word = (word ?? '') + part;
    else if (word !== undefined && /^\s/.test(whole)) {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}
