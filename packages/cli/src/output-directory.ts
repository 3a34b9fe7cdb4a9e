/**
 * `--out DIR`: every result as JSON and CSV, under a name made from the run's. Each is written when its run is over, so that what was computed is there
 * whatever becomes of the runs that follow.
 */
import type { RunResult } from '@mmulab/api';
import { renderParts, resultsReport, type View } from '@mmulab/report';
import { checkOutputDirectory, findTarget, makeOutputDirectory, writeOutputFile, type ResolvedRun } from '@mmulab/runner';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Longest file name made from a run's name, without its ending. */
const MAX_NAME = 100;
const FORMATS = ['json', 'csv'];

/** A directory that results go into. */
export class OutputDirectory {
  private readonly names: readonly string[];
  /** Paths that have been written. */
  readonly written: string[] = [];

  /**
   * Checks that the results of all runs can be written, before any of them begins. Makes nothing.
   * @throws FILE_UNWRITABLE
   */
  constructor(
    private readonly directory: string,
    runs: readonly Pick<ResolvedRun, 'name' | 'variation'>[],
    private readonly view: View,
  ) {
    this.names = fileNames(runs.map(({ name, variation }) => (variation === '' ? name : `${name} (${variation})`)));
    checkOutputDirectory(directory);
    if (existsSync(directory)) for (let run = 0; run < runs.length; run++) for (const path of this.pathsOf(run)) findTarget(path);
  }

  /** Writes the result of one run. Files of the same names are replaced. @throws FILE_UNWRITABLE */
  write(result: RunResult, run: number): void {
    makeOutputDirectory(this.directory);
    const report = resultsReport([result]);
    this.pathsOf(run).forEach((path, index) => {
      writeOutputFile(path, renderParts(report, FORMATS[index] ?? '', this.view));
      this.written.push(path);
    });
  }

  private pathsOf(run: number): readonly string[] {
    return FORMATS.map(format => join(this.directory, `${this.names[run] ?? String(run)}.${format}`));
  }
}

/** One name per run: lower case, words joined by hyphens; of several, their number in front keeps their order and makes them unique. */
function fileNames(names: readonly string[]): string[] {
  const width = String(names.length).length;
  return names.map((name, index) => {
    const words = name.toLowerCase().match(/[a-z0-9_.=]+/g) ?? [];
    const base = words.join('-').slice(0, MAX_NAME);
    const number = names.length === 1 ? [] : [String(index + 1).padStart(width, '0')];
    return [...number, ...(base.replace(/^\.+/, '') === '' ? ['result'] : [base.replace(/^\.+/, '')])].join('-');
  });
}
