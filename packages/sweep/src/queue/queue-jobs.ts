/**
 * What travels over the queue. A job is data: the resolved config of a run and what it is called; a result comes back compressed. Both ends check what they
 * are handed, whoever else can write to the server.
 */
import { resolveRuns, resolvedConfig, type Registry, type ResolvedRun } from '@mmulab/runner';
import { gunzipSync, gzipSync } from 'node:zlib';
import { malformedResult, problemOf, queueOrder } from '../errors';
import type { Measured } from '../kept-result';
import type { RunFailure, RunOrder, RunSuccess } from '../run-executor';
import { RunKeys, plainRun } from '../run-key';
import type { SweepDocument } from '../sweep-folder';

/** A run to be performed. */
export interface JobData {
  readonly key: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** What a worker gives back. */
export interface JobResult {
  /** The kept text of the result, gzip in base64. */
  readonly result: string;
  readonly measured: Measured;
  readonly by: string;
}

/** BullMQ's name of the queue of a sweep. */
export function queueName(sweep: string): string {
  return `runs-${sweep}`;
}

export function jobOf({ key, run }: RunOrder): JobData {
  return { key, config: resolvedConfig(run) };
}

/**
 * The run a job asks for.
 * @throws QUEUE_ORDER when it asks for none, and what is wrong with its config
 */
export function orderOf(data: unknown, { identity, perVcpu }: SweepDocument, registry: Registry): RunOrder {
  const { key, config } = (data ?? {}) as Partial<JobData>;
  if (typeof key !== 'string' || typeof config !== 'object' || config === null) throw queueOrder('expected a key and a config');
  const run: ResolvedRun | undefined = resolveRuns(config, registry)[0];
  if (run === undefined || new RunKeys(identity, perVcpu).of(run) !== key) throw queueOrder(`its config has not the key ${key}`);
  return { key, run: plainRun(run), perVcpu };
}

export function packResult({ text, measured, by }: RunSuccess): JobResult {
  return { result: gzipSync(text).toString('base64'), measured, by };
}

/** @throws RESULT_MALFORMED */
export function unpackResult(value: unknown): Pick<RunSuccess, 'text' | 'measured' | 'by'> {
  const { result, measured, by } = (value ?? {}) as Partial<JobResult>;
  const isMeasured = typeof measured?.wallMs === 'number' && typeof measured.simulatorBytes === 'number';
  if (typeof result !== 'string' || typeof by !== 'string' || !isMeasured) throw malformedResult('queue', 'expected result, measured and by');
  try {
    return { text: gunzipSync(Buffer.from(result, 'base64')).toString('utf8'), measured, by };
  } catch (error) {
    throw malformedResult('queue', problemOf(error));
  }
}

/** A failure as the reason of a failed job. */
export function packFailure({ code, message }: Pick<RunFailure, 'code' | 'message'>): string {
  return JSON.stringify({ code, message });
}

/** What a failed job says; what BullMQ itself says of it has no code. */
export function unpackFailure(reason: string): Pick<RunFailure, 'code' | 'message'> {
  try {
    const { code, message } = JSON.parse(reason) as Partial<RunFailure>;
    if (typeof code === 'string' && typeof message === 'string') return { code, message };
  } catch {
    // Not written by a worker of ours.
  }
  return { code: 'QUEUE_JOB_FAILED', message: reason };
}
