/**
 * The folder of a sweep: what it is (`sweep.json`), the results so far (`results.ndjson`), the runs that failed (`failed.ndjson`), and what was measured
 * (`journal.ndjson`). All of them can be read while the sweep runs.
 *
 * A run's line is written once its result is in the store, the journal's before the result's. Whatever ends the process in between, the next start finds a run
 * that is not there yet, and takes its result from the store.
 */
import { writeWithDirectory, type RawConfig, type ThresholdFailure } from '@mmulab/runner';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { folderInUse, folderTaken, malformedLine, notASweep, problemOf, unwritable } from './errors';
import { identityDifferences, type Identity } from './identity';
import type { Measured, SweepPlace } from './kept-result';
import { LineFile } from './line-file';
import { isAlive } from './processes';

export const SWEEP_SCHEMA = 'mmulab.sweep.v1';

/** What a sweep is: enough to go on with it anywhere. */
export interface SweepDocument {
  readonly schema: typeof SWEEP_SCHEMA;
  /** The same for the same config, packages and detail. */
  readonly id: string;
  readonly name: string;
  readonly runs: number;
  readonly axes: readonly { readonly keys: readonly string[]; readonly length: number }[];
  readonly config: RawConfig;
  readonly perVcpu: boolean;
  readonly identity: Identity;
}

/** A run that failed, as a line of `failed.ndjson`. */
export interface FailedRun {
  readonly run: number;
  readonly settings: SweepPlace['settings'];
  /** Absent when the run could not even be resolved. */
  readonly key?: string;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
}

/** Where a result came from, as a line of `journal.ndjson`. */
export interface JournalEntry {
  readonly run: number;
  readonly key: string;
  /** Absent when an earlier run's result was taken. */
  readonly measured?: Measured;
  /** The process that performed it. */
  readonly by?: string;
  readonly attempts?: number;
  readonly unmet?: readonly ThresholdFailure[];
}

export const RESULTS_FILE = 'results.ndjson';
export const FAILED_FILE = 'failed.ndjson';
const SWEEP_FILE = 'sweep.json';
const JOURNAL_FILE = 'journal.ndjson';
const LOCK_FILE = 'sweep.lock';

const PLACE = /^\{"sweep":\{"run":(\d+),/;
const PLACE_BYTES = 40;

/** A sweep's folder, open for writing. */
export class SweepFolder {
  private readonly kept: Uint8Array;
  private readonly failedLines = new Map<number, string>();
  private readonly unmet = new Set<number>();
  private readonly results: LineFile;
  private readonly journal: LineFile;
  private readonly failed: LineFile;
  private count = 0;

  /**
   * Opens a folder for a sweep: a new one, or one in which the sweep has begun.
   * @throws SWEEP_FOLDER_TAKEN when another sweep is in it, SWEEP_FOLDER_IN_USE while another process writes it, FILE_UNWRITABLE, RESULT_MALFORMED
   */
  constructor(
    readonly directory: string,
    document: SweepDocument,
  ) {
    this.kept = new Uint8Array(Math.ceil(document.runs / 8));
    makeFolder(directory);
    checkSame(directory, document);
    lockFolder(directory);
    try {
      if (!existsSync(this.path(SWEEP_FILE))) writeWithDirectory(this.path(SWEEP_FILE), `${JSON.stringify(document, undefined, 2)}\n`);
      this.results = LineFile.open(this.path(RESULTS_FILE), (head, line) => this.markKept(head, line), PLACE_BYTES);
      this.journal = LineFile.open(this.path(JOURNAL_FILE), line => this.readJournal(line));
      this.failed = LineFile.open(this.path(FAILED_FILE), (line, number) => this.readFailed(line, number));
    } catch (error) {
      unlockFolder(directory);
      throw error;
    }
  }

  /** Runs whose results are here. */
  get done(): number {
    return this.count;
  }

  /** Runs that failed and have not succeeded since. */
  get failures(): number {
    return this.failedLines.size;
  }

  /** Runs that do not meet a threshold. */
  get unmetRuns(): number {
    return this.unmet.size;
  }

  /** The first of the runs that failed. */
  failedRuns(limit: number): readonly FailedRun[] {
    return [...this.failedLines.values()].slice(0, limit).map(line => JSON.parse(line) as FailedRun);
  }

  has(run: number): boolean {
    return ((this.kept[run >> 3] ?? 0) & (1 << (run & 7))) !== 0;
  }

  /** Adds a result. @param line as `sweepLine` writes it @throws FILE_UNWRITABLE; the run is not there then */
  add(entry: JournalEntry, line: string): void {
    if (this.has(entry.run)) return;
    this.journal.append(JSON.stringify(entry));
    this.results.append(line);
    if (entry.unmet !== undefined) this.unmet.add(entry.run);
    this.mark(entry.run);
    this.failedLines.delete(entry.run);
  }

  /** Lists a run that failed. */
  addFailed(failed: FailedRun): void {
    const line = JSON.stringify(failed);
    this.failedLines.set(failed.run, line);
    this.failed.append(line);
  }

  /** Leaves the list of failed runs with those in it that are still failed, and gives the folder free. */
  close(): void {
    for (const file of [this.results, this.journal, this.failed]) file.close();
    try {
      writeWithDirectory(this.path(FAILED_FILE), [...this.failedLines.values()].map(line => `${line}\n`).join(''));
    } finally {
      unlockFolder(this.directory);
    }
  }

  private path(name: string): string {
    return join(this.directory, name);
  }

  private markKept(head: string, line: number): void {
    const run = Number(PLACE.exec(head)?.[1]);
    if (!(run < this.kept.length * 8)) throw malformedLine(this.path(RESULTS_FILE), line, 'is no result of this sweep');
    if (!this.has(run)) this.mark(run);
  }

  private mark(run: number): void {
    this.kept[run >> 3] = (this.kept[run >> 3] ?? 0) | (1 << (run & 7));
    this.count++;
  }

  private readJournal(line: string): void {
    if (line.includes('"unmet"')) this.unmet.add((JSON.parse(line) as JournalEntry).run);
  }

  private readFailed(line: string, number: number): void {
    try {
      const { run } = JSON.parse(line) as FailedRun;
      if (!this.has(run)) this.failedLines.set(run, line);
    } catch (error) {
      throw malformedLine(this.path(FAILED_FILE), number, problemOf(error));
    }
  }
}

/**
 * Reads what the sweep of a folder is.
 * @throws SWEEP_NO_SWEEP when there is none
 */
export function readSweepDocument(directory: string): SweepDocument {
  const path = join(directory, SWEEP_FILE);
  let document: SweepDocument;
  try {
    document = JSON.parse(readFileSync(path, 'utf8')) as SweepDocument;
  } catch (error) {
    throw notASweep(directory, problemOf(error));
  }
  if ((document as Partial<SweepDocument> | null)?.schema !== SWEEP_SCHEMA)
    throw notASweep(directory, `${SWEEP_FILE} has not the schema ${SWEEP_SCHEMA}`);
  return document;
}

function makeFolder(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw unwritable(directory, problemOf(error));
  }
}

function checkSame(directory: string, { id, identity }: SweepDocument): void {
  if (!existsSync(join(directory, SWEEP_FILE))) return;
  const there = readSweepDocument(directory);
  if (there.id === id) return;
  const differences = identityDifferences(identity, there.identity);
  throw folderTaken(directory, differences.length === 0 ? `${there.name}, ${there.runs} runs` : differences.join('; '));
}

/** A lock of a process that is no more, or of this machine's life before, is taken over. */
function lockFolder(directory: string): void {
  const path = join(directory, LOCK_FILE);
  const own = JSON.stringify({ pid: process.pid, host: hostname() });
  try {
    writeFileSync(path, own, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, problemOf(error));
    const { pid, host } = readLock(path);
    if (host !== hostname() || isAlive(pid)) throw folderInUse(directory, pid, host);
    writeWithDirectory(path, own);
  }
}

function readLock(path: string): { readonly pid: number; readonly host: string } {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { readonly pid: number; readonly host: string };
  } catch {
    return { pid: 0, host: hostname() };
  }
}

function unlockFolder(directory: string): void {
  rmSync(join(directory, LOCK_FILE), { force: true });
}
