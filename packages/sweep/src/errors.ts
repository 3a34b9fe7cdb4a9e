/**
 * Everything a sweep refuses, sorted by code, one message written once.
 */
import { MmulabError, suggestName } from '@mmulab/api';

const usage = (code: string, message: string): MmulabError => new MmulabError(code, message);

/** What went wrong, in one line, whatever was thrown. */
export function problemOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

export const analysisNeedsAxis = (option: string, what: string): MmulabError =>
  usage('ANALYSIS_NEEDS_AXIS', `${option}: expected a second axis in these results ${what}`);

export const analysisNoValue = (name: string, suggestion: string): MmulabError =>
  usage('ANALYSIS_NO_VALUE', `--value ${name}: in none of these results${suggestion}`);

export const analysisUnknownAxis = (option: string, name: string, suggestion: string): MmulabError =>
  usage('ANALYSIS_UNKNOWN_AXIS', `${option} ${name}: nothing that differs in these results${suggestion}`);

export const analysisUnknownStatistic = (name: string, suggestion: string): MmulabError =>
  usage('ANALYSIS_UNKNOWN_STATISTIC', `--stat ${name}: not a statistic${suggestion}`);

/** A file that cannot be written: no room, no right, no such place. What was written before it stays. */
export const unwritable = (path: string, problem: string): MmulabError => usage('FILE_UNWRITABLE', `${path}: ${problem}`);

export const malformedLine = (path: string, line: number, problem: string): MmulabError => usage('RESULT_MALFORMED', `${path}:${line}: ${problem}`);

/** A result that a run gave back does not look like one. */
export const malformedResult = (place: string, problem: string): MmulabError => usage('RESULT_MALFORMED', `${place}: ${problem}`);

export const queueAuth = (queue: string, problem: string): MmulabError =>
  usage('QUEUE_AUTH', `${queue}: the server refuses the password: ${problem}; expected redis://[USER:]PASSWORD@HOST, or MMULAB_QUEUE_PASSWORD`);

/** The server answers, but will not do what is asked: no memory left, no right to a command. */
export const queueFailed = (queue: string, problem: string): MmulabError => usage('QUEUE_FAILED', `${queue}: ${problem}`);

export const queueMismatch = (what: string, differences: readonly string[]): MmulabError =>
  usage('QUEUE_MISMATCH', `${what} is made with other packages: ${differences.join('; ')}`);

export const queueNoSweep = (queue: string, id: string, open: readonly string[]): MmulabError =>
  usage('QUEUE_NO_SWEEP', `--attach ${id}: no open sweep of ${queue}${suggestName(id, open)}`);

export const queueOrder = (problem: string): MmulabError => usage('QUEUE_ORDER', `what the queue asks for is no run of this sweep: ${problem}`);

export const queueSweepAttached = (id: string, pid: number, host: string): MmulabError =>
  usage('QUEUE_SWEEP_ATTACHED', `sweep ${id}: process ${pid} on ${host} is collecting its results; end it, or wait for it`);

export const queueUnreachable = (queue: string, problem: string): MmulabError =>
  usage('QUEUE_UNREACHABLE', `${queue}: ${problem}; expected a Redis server there`);

export const queueUrl = (url: string): MmulabError =>
  usage('QUEUE_URL', `${url}: expected redis://[[USER:]PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS`);

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
