/**
 * Everything a sweep refuses, sorted by code, one message written once.
 */
import { MmulabError, suggestName } from '@mmulab/api';

const usage = (code: string, message: string): MmulabError => new MmulabError(code, message);

/** What went wrong, in one line, whatever was thrown. */
export function problemOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

/** A file that cannot be written: no room, no right, no such place. What was written before it stays. */
export const unwritable = (path: string, problem: string): MmulabError => usage('FILE_UNWRITABLE', `${path}: ${problem}`);

export const malformedLine = (path: string, line: number, problem: string): MmulabError => usage('RESULT_MALFORMED', `${path}:${line}: ${problem}`);

/** A result that a run gave back does not look like one. */
export const malformedResult = (place: string, problem: string): MmulabError => usage('RESULT_MALFORMED', `${place}: ${problem}`);

export const notASweep = (path: string, problem: string): MmulabError =>
  usage('SWEEP_NO_SWEEP', `${path}: ${problem}; expected the folder of a sweep, with its sweep.json`);

export const folderInUse = (path: string, pid: number, host: string): MmulabError =>
  usage('SWEEP_FOLDER_IN_USE', `${path}: process ${pid} on ${host} is writing it; wait for it, or give another --out`);

export const folderTaken = (path: string, what: string): MmulabError =>
  usage('SWEEP_FOLDER_TAKEN', `${path}: holds another sweep (${what}); give another --out`);

export const measuredThreshold = (path: string): MmulabError =>
  usage(
    'SWEEP_MEASURED_THRESHOLD',
    `thresholds.${path}: measured anew in every run, and results of a sweep may come from an earlier one; expected a counter or memory.tableBytesReal`,
  );

/** The process that performed a run ended, or was ended, before the run did. */
export const runDied = (how: string): MmulabError => new MmulabError('SWEEP_RUN_DIED', `the process of the run ended (${how})`, 'failed');

export const runTimedOut = (seconds: number): MmulabError =>
  new MmulabError('SWEEP_RUN_TIMEOUT', `the run was ended after ${seconds} s (--timeout)`, 'failed');

/** A worker process that does not even start cannot run anything. */
export const workerStart = (problem: string): MmulabError => usage('SWEEP_WORKER_START', `a worker process did not start: ${problem}`);

export const analysisUnknownAxis = (option: string, name: string, axes: readonly string[]): MmulabError =>
  usage('ANALYSIS_UNKNOWN_AXIS', `${option} ${name}: nothing that varies in these results${suggestName(name, axes)}`);
