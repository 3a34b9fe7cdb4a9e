/**
 * `--out DIR`: every result as JSON and CSV, under a name made from the run's.
 */
import type { RunResult } from '@mmulab/api';
import { renderReport, resultsReport, type View } from '@mmulab/report';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unwritable } from './errors';

/** Longest file name made from a run's name, without its ending. */
const MAX_NAME = 100;

/** Makes a directory for results, before anything runs. Throws `FILE_UNWRITABLE`. */
export function makeDirectory(directory: string): void {
  writing(directory, () => mkdirSync(directory, { recursive: true }));
}

/**
 * Writes results into a directory that is there. Files of the same names are written over.
 * @returns the paths written. Throws `FILE_UNWRITABLE`.
 */
export function writeResults(directory: string, results: readonly RunResult[], view: View): readonly string[] {
  const names = fileNames(results);
  return results.flatMap((result, index) =>
    ['json', 'csv'].map(format => {
      const path = join(directory, `${names[index] ?? String(index)}.${format}`);
      writing(path, () => writeFileSync(path, renderReport(resultsReport([result]), format, view)));
      return path;
    }),
  );
}

function writing(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw unwritable(path, error instanceof Error ? error.message : String(error));
  }
}

/** One name per result: lower case, words joined by hyphens; of several, their number in front keeps their order and makes them unique. */
function fileNames(results: readonly RunResult[]): string[] {
  const width = String(results.length).length;
  return results.map(({ name }, index) => {
    const words = name.toLowerCase().match(/[a-z0-9_.=]+/g) ?? [];
    const base = words.join('-').slice(0, MAX_NAME);
    const number = results.length === 1 ? [] : [String(index + 1).padStart(width, '0')];
    return [...number, ...(base.replace(/^\.+/, '') === '' ? ['result'] : [base.replace(/^\.+/, '')])].join('-');
  });
}
