/**
 * Has runs performed by workers behind a queue (BullMQ on Redis).
 *
 * A job is named by the key of its run, so asking twice for a run makes one job, also after this process was left and started again. A worker completes a job
 * in one step of the server, and only while the job is its own: a run that was given to another one has one result. Results stay in the server until they are
 * kept here. Should the server have forgotten jobs (it may lose the last second before a crash), the queue runs empty while runs are missing, and those are
 * asked for again.
 */
import type * as BullMq from 'bullmq';
import type { Job, Queue } from 'bullmq';
import type { RunExecutor, RunOrder, RunOutcome } from '../run-executor';
import type { SweepDocument } from '../sweep-folder';
import type { QueueAddress } from './queue-address';
import { QUEUE_PREFIX, patientOptions, queueError, type QueueConnection } from './queue-connection';
import { jobOf, packFailure, queueName, unpackFailure, unpackResult, type JobData, type JobResult } from './queue-jobs';

/** How runs are asked for. */
export interface QueueOptions {
  /** Runs that are in the queue at a time. */
  readonly ahead: number;
  /** How often a run is tried whose process dies. */
  readonly attempts: number;
  /** Pause before the second attempt; it doubles from attempt to attempt. */
  readonly backoffMs: number;
}

const BATCH = 200;
const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;
/** A queue that has been empty for so long, while runs are missing, has lost them. */
const EMPTY_MS = 3_000;
const STATES = ['wait', 'active', 'delayed', 'prioritized', 'completed', 'failed'] as const;

type RunJob = Job<JobData, JobResult>;

interface Asked {
  readonly end: (outcome: RunOutcome) => void;
  readonly giveUp: (error: Error) => void;
}

/** Performs runs through a queue. */
export class QueueExecutor implements RunExecutor {
  readonly ahead: number;
  private readonly queue: Queue<JobData, JobResult>;
  private readonly asked = new Map<string, Asked>();
  private fresh: RunOrder[] = [];
  private adding: Promise<void> | undefined;
  private isClosed = false;
  private active = 0;
  private readonly polling: Promise<void>;

  constructor(
    private readonly connection: QueueConnection,
    document: SweepDocument,
    private readonly options: QueueOptions,
  ) {
    this.ahead = options.ahead;
    this.queue = openQueue(connection.address, document.id);
    this.polling = this.poll().catch((error: unknown) => this.break(error));
  }

  running(): number {
    return this.active;
  }

  /** Workers that are connected, as far as the server can tell. */
  async workers(): Promise<number> {
    return this.queue.getWorkersCount();
  }

  perform(order: RunOrder): Promise<RunOutcome> {
    return new Promise((end, giveUp) => {
      this.asked.set(order.key, { end, giveUp });
      this.fresh.push(order);
      this.adding ??= this.addFresh().catch((error: unknown) => this.break(error));
    });
  }

  /** Leaves the queue as it is: workers go on with what is in it. */
  async close(): Promise<void> {
    this.isClosed = true;
    // Nothing of what is asked of a server that is away comes back; the jobs that it has stay.
    if (!this.connection.isAway) await Promise.all([this.polling, this.adding]).then(() => this.queue.close());
    else void this.queue.disconnect().catch(() => undefined);
  }

  /** Takes the queue of a sweep out of the server. */
  static async clear({ address }: QueueConnection, sweep: string): Promise<void> {
    const queue = openQueue(address, sweep);
    await queue.obliterate({ force: true }).finally(() => queue.close());
  }

  private async addFresh(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve));
    const { attempts, backoffMs } = this.options;
    const opts = { attempts, backoff: { type: 'exponential', delay: backoffMs }, removeOnComplete: false, removeOnFail: false, stackTraceLimit: 0 };
    while (this.fresh.length > 0 && !this.isClosed) {
      const batch = this.fresh.splice(0, BATCH);
      await this.queue.addBulk(batch.map(order => ({ name: 'run', data: jobOf(order), opts: { ...opts, jobId: order.key } })));
    }
    this.adding = undefined;
  }

  private async poll(): Promise<void> {
    let pauseMs = SHORTEST_PAUSE_MS;
    let emptySinceMs: number | undefined;
    while (!this.isClosed) {
      const found = (await this.collect('completed')) + (await this.collect('failed'));
      pauseMs = found > 0 ? SHORTEST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      if (found === 0) emptySinceMs = (await this.isEmpty()) ? (emptySinceMs ?? performance.now()) : undefined;
      if (emptySinceMs !== undefined && performance.now() - emptySinceMs > EMPTY_MS) {
        this.loseAll();
        emptySinceMs = undefined;
      }
      await new Promise(resolve => setTimeout(resolve, pauseMs));
    }
  }

  /** @returns how many of the jobs that ended so were asked for */
  private async collect(state: 'completed' | 'failed'): Promise<number> {
    let found = 0;
    for (let from = 0; !this.isClosed; from += BATCH) {
      const jobs = (await this.queue.getJobs([state], from, from + BATCH - 1, true)) as readonly (RunJob | undefined)[];
      const ours = jobs.filter(job => job !== undefined && this.end(job, state)).length;
      found += ours;
      // Those that nobody asked for yet stay, and others may be behind them.
      if (jobs.length < BATCH || ours > 0) return found;
    }
    return found;
  }

  private end(job: RunJob, state: 'completed' | 'failed'): boolean {
    const asked = this.asked.get(job.id ?? '');
    if (asked === undefined) return false;
    this.asked.delete(job.id ?? '');
    const kept = async (): Promise<void> => void (await job.remove().catch(() => undefined));
    asked.end({ ...outcomeOf(job, state), kept });
    return true;
  }

  private async isEmpty(): Promise<boolean> {
    const counts = await this.queue.getJobCounts(...STATES);
    this.active = counts['active'] ?? 0;
    return this.asked.size > 0 && this.adding === undefined && Object.values(counts).every(count => count === 0);
  }

  private loseAll(): void {
    const asked = [...this.asked.values()];
    this.asked.clear();
    for (const { end } of asked) end({ lost: true });
  }

  private break(error: unknown): void {
    const known = queueError(error, this.connection.address.name);
    const asked = [...this.asked.values()];
    this.asked.clear();
    for (const { giveUp } of asked) giveUp(known);
  }
}

function openQueue(address: QueueAddress, sweep: string): Queue<JobData, JobResult> {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- whoever has no queue loads none
  const { Queue: BullQueue } = require('bullmq') as typeof BullMq;
  const queue = new BullQueue<JobData, JobResult>(queueName(sweep), { connection: patientOptions(address), prefix: QUEUE_PREFIX });
  // The connection tries again by itself; what it cannot mend comes back from the calls.
  queue.on('error', () => undefined);
  return queue;
}

function outcomeOf(job: RunJob, state: 'completed' | 'failed'): Extract<RunOutcome, { readonly attempts: number }> {
  const attempts = job.attemptsMade;
  if (state === 'failed') return { ...unpackFailure(job.failedReason), attempts };
  try {
    return { ...unpackResult(job.returnvalue), attempts };
  } catch (error) {
    return { ...unpackFailure(packFailure({ code: 'RESULT_MALFORMED', message: error instanceof Error ? error.message : String(error) })), attempts };
  }
}
