/**
 * A worker's side of the queue: takes runs of every open sweep that is made with the same packages, performs them on the cores of this machine, gives back
 * their results.
 *
 * The server lends a run for a while, and the loan is renewed while its process works. When this process is killed its loans run out, and others take the runs.
 */
import type * as BullMq from 'bullmq';
import type { Job, Worker } from 'bullmq';
import { isMmulabError } from '@mmulab/api';
import type { Registry } from '@mmulab/runner';
import { hostname } from 'node:os';
import { problemOf, queueMismatch } from '../errors';
import { identityDifferences, identityOf, type Identity } from '../identity';
import type { RunExecutor, RunFailure } from '../run-executor';
import type { SweepDocument } from '../sweep-folder';
import { QUEUE_PREFIX, patientOptions, type QueueConnection } from './queue-connection';
import { orderOf, packFailure, packResult, queueName, type JobData, type JobResult } from './queue-jobs';

/** How a worker works. */
export interface WorkerSettings {
  /** Runs at a time. */
  readonly concurrency: number;
  /** Seconds after which the runs of a worker that is no more are given to others. */
  readonly leaseSeconds: number;
  /** End when no sweep has been open for so many seconds; never without it. */
  readonly idleSeconds?: number | undefined;
}

/** What a worker has to say. */
export interface WorkerEvents {
  onNote(note: string): void;
  onRun(done: number, failed: number): void;
}

const LOOK_MS = 500;
/** A run whose workers die again and again is not tried for ever. */
const MAX_LOANS = 10;
/** Failures that another attempt may mend; the others would fail again. */
const MENDABLE = ['SWEEP_RUN_DIED'];

/** Serves the sweeps of a queue. */
export class QueueWorkers {
  private readonly serving = new Map<string, Worker<JobData, JobResult>>();
  private readonly refused = new Set<string>();
  private readonly identity: Identity;
  private done = 0;
  private failed = 0;

  constructor(
    private readonly connection: QueueConnection,
    private readonly executor: RunExecutor,
    private readonly registry: Registry,
    private readonly settings: WorkerSettings,
    private readonly events: WorkerEvents,
  ) {
    this.identity = identityOf(registry);
  }

  /**
   * Works until it is told to stop; runs that have begun are finished then.
   * @throws QUEUE_MISMATCH when there are sweeps and none is made with the packages of this worker
   */
  async serve(signal: AbortSignal): Promise<void> {
    let idleSinceMs = performance.now();
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const sweeps = await unlessAborted(this.connection.openSweeps(), signal);
      if (sweeps === undefined) break;
      for (const document of sweeps.values()) this.look(document);
      for (const id of [...this.serving.keys()].filter(one => !sweeps.has(one))) await this.leave(id);
      if (isFirst && this.serving.size === 0) this.refuse(sweeps);
      if (this.serving.size > 0) idleSinceMs = performance.now();
      const { idleSeconds = Infinity } = this.settings;
      if (performance.now() - idleSinceMs > idleSeconds * 1000) break;
      await pause(LOOK_MS, signal);
    }
    for (const id of [...this.serving.keys()]) await this.leave(id);
  }

  private look(document: SweepDocument): void {
    const { id, name, identity } = document;
    if (this.serving.has(id) || this.refused.has(id)) return;
    const differences = identityDifferences(this.identity, identity);
    if (differences.length === 0) {
      this.serving.set(id, this.start(document));
      this.events.onNote(`sweep ${id}: ${name}`);
      return;
    }
    this.refused.add(id);
    this.events.onNote(`sweep ${id} is not served: ${differences.join('; ')}`);
  }

  /** Sweeps, but none for this worker: it was started with the wrong packages. */
  private refuse(sweeps: ReadonlyMap<string, SweepDocument>): void {
    const [document] = sweeps.values();
    if (document !== undefined) throw queueMismatch(`sweep ${document.id}`, identityDifferences(this.identity, document.identity));
  }

  private start(document: SweepDocument): Worker<JobData, JobResult> {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- whoever has no queue loads none
    const { UnrecoverableError, Worker: BullWorker } = require('bullmq') as typeof BullMq;
    const { concurrency, leaseSeconds } = this.settings;
    const fail = (failure: Pick<RunFailure, 'code' | 'message'>): Error => {
      const reason = packFailure(failure);
      return MENDABLE.includes(failure.code) ? new Error(reason) : new UnrecoverableError(reason);
    };
    const worker = new BullWorker<JobData, JobResult>(queueName(document.id), job => this.perform(job, document, fail), {
      connection: patientOptions(this.connection.address),
      prefix: QUEUE_PREFIX,
      // One more than are performed: the next is here when one ends, and nobody waits for the server.
      concurrency: concurrency + 1,
      lockDuration: leaseSeconds * 1000,
      stalledInterval: leaseSeconds * 500,
      maxStalledCount: MAX_LOANS,
    });
    worker.on('error', () => undefined);
    worker.on('failed', () => this.events.onRun(this.done, ++this.failed));
    worker.on('completed', () => this.events.onRun(++this.done, this.failed));
    return worker;
  }

  private async perform(
    job: Job<JobData, JobResult>,
    document: SweepDocument,
    fail: (failure: Pick<RunFailure, 'code' | 'message'>) => Error,
  ): Promise<JobResult> {
    let order;
    try {
      order = orderOf(job.data, document, this.registry);
    } catch (error) {
      const code = isMmulabError(error) ? error.code : 'INTERNAL';
      throw fail({ code, message: problemOf(error).replace(`${code}: `, '') });
    }
    const outcome = await this.executor.perform(order);
    if ('lost' in outcome) throw fail({ code: 'SWEEP_RUN_DIED', message: 'the run was lost' });
    if (!('text' in outcome)) throw fail(outcome);
    return packResult({ ...outcome, by: `${hostname()}:${process.pid}` });
  }

  private async leave(id: string): Promise<void> {
    const worker = this.serving.get(id);
    this.serving.delete(id);
    // A server that is away would never be told: the runs go to others when their lease is over.
    await worker?.close(this.connection.isAway);
  }
}

/** @returns undefined when the signal comes first */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    signal.addEventListener('abort', end, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
