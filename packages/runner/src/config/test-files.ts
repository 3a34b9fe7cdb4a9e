/**
 * KVM Selftest Runner files: one command line of a test program each, and folders of them.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileUnreadable, testFileCommands } from '../errors';
import { readTextFile } from '../files';
import { splitWords, testName } from './command-line';

/**
 * Reads a KVM Selftest Runner file: one command line; empty lines do not count, nor does what follows a `#` where a word could begin.
 * @returns the command line in words, the directory of the program left out
 * @throws FILE_NOT_FOUND, TEST_FILE_COMMANDS unless there is exactly one command line
 */
export function readTestFile(path: string): readonly string[] {
  const lines = readTextFile(path, 'a .test file with one command line')
    .split(/\r?\n/)
    .map(line => splitWords(line, part => part.startsWith('#')))
    .filter(words => words.length > 0);
  const [line] = lines;
  if (line === undefined || lines.length > 1) throw testFileCommands(path, lines.length);
  const [program = '', ...flags] = line;
  return [testName(program), ...flags];
}

/**
 * The KVM Selftest Runner files of a folder and the folders in it, in the order of their paths.
 * @throws FILE_UNREADABLE when there is none
 */
export function testFilesIn(folder: string): readonly string[] {
  const paths = namesIn(folder)
    .filter(name => name.endsWith('.test'))
    .map(name => join(folder, name))
    .filter(path => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
  if (paths.length === 0)
    throw fileUnreadable(folder, 'is a directory with no .test file in it or below; expected a config file, a .test file or a folder of those');
  return paths.sort();
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    throw fileUnreadable(folder, (error as Error).message);
  }
}
