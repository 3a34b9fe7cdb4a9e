/**
 * Worker processes on the cores of this machine.
 *
 * Each holds two runs: the one it performs and the next, so that it never waits for an answer. When a process ends before its run has, that run has failed;
 * the other one goes to another worker, and a new process takes the place of the old.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { runDied, runTimedOut, workerStart } from './errors';
import type { RunExecutor, RunOrder, RunOutcome } from './run-executor';
import type { WorkerAnswer, WorkerOrder } from './worker-messages';

/** What workers are started with. */
export interface PoolOptions {
  readonly workers: number;
  /** Plugins they load, and the directory those are looked up from. */
  readonly plugins: readonly string[];
  readonly from: string;
  /** Seconds after which a run is ended; none without it. */
  readonly timeoutSeconds?: number | undefined;
}

/** As built, wherever this file is run from. */
const WORKER = join(dirname(require.resolve('@mmulab/sweep/package.json')), 'lib', 'worker-process.js');

const HELD = 2;
/** Small runs make little garbage, and many workers with large nurseries would need much memory. */
const NODE_OPTIONS = ['--max-semi-space-size=1'];

interface Task {
  readonly order: RunOrder;
  readonly end: (outcome: RunOutcome) => void;
  readonly giveUp: (error: Error) => void;
}

/** One process, and the runs it holds in the order it performs them. */
class PooledWorker {
  readonly tasks: { readonly id: number; readonly task: Task }[] = [];
  isReady = false;
  timer: NodeJS.Timeout | undefined;
  /** Why it was ended by us. */
  endedBecause: Error | undefined;

  constructor(readonly child: ChildProcess) {}

  say(order: WorkerOrder): void {
    // One that is ending takes no more; its exit says what becomes of its runs.
    if (this.child.connected) this.child.send(order, () => undefined);
  }
}

/** Performs runs on worker processes. */
export class WorkerPool implements RunExecutor {
  readonly ahead: number;
  private readonly workers = new Set<PooledWorker>();
  private readonly waiting: Task[] = [];
  private isClosed = false;
  private nextId = 0;

  constructor(private readonly options: PoolOptions) {
    this.ahead = options.workers * HELD;
  }

  running(): number {
    return [...this.workers].filter(worker => worker.tasks.length > 0).length;
  }

  perform(order: RunOrder): Promise<RunOutcome> {
    return new Promise((end, giveUp) => {
      this.waiting.push({ order, end, giveUp });
      this.handOut();
    });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const ends = [...this.workers].map(worker => new Promise<void>(resolve => worker.child.once('exit', () => resolve())));
    for (const worker of this.workers) worker.child.kill('SIGKILL');
    await Promise.all(ends);
  }

  /** Gives waiting runs to whoever holds fewest, and starts workers while there are more runs than those. */
  private handOut(): void {
    while (this.waiting.length > 0 && !this.isClosed) {
      const worker = this.leastBusy();
      if (worker === undefined) return;
      const task = this.waiting.shift();
      if (task === undefined) return;
      const id = this.nextId++;
      worker.tasks.push({ id, task });
      if (worker.tasks.length === 1) this.startTimer(worker);
      worker.say({ kind: 'run', id, ...task.order });
    }
  }

  private leastBusy(): PooledWorker | undefined {
    const [best] = [...this.workers].sort((a, b) => a.tasks.length - b.tasks.length);
    if ((best === undefined || best.tasks.length > 0) && this.workers.size < this.options.workers) return this.startWorker();
    return best !== undefined && best.tasks.length < HELD ? best : undefined;
  }

  private startWorker(): PooledWorker {
    const { plugins, from } = this.options;
    // What a plugin prints is no result: it goes where notes go.
    const child = fork(WORKER, { stdio: ['ignore', 2, 'inherit', 'ipc'], execArgv: NODE_OPTIONS });
    const worker = new PooledWorker(child);
    this.workers.add(worker);
    child.on('message', (answer: WorkerAnswer) => this.hear(worker, answer));
    child.on('error', error => this.break(error.message));
    child.on('exit', (code, signal) => this.end(worker, signal ?? `code ${code}`));
    worker.say({ kind: 'open', plugins, from });
    return worker;
  }

  private hear(worker: PooledWorker, answer: WorkerAnswer): void {
    if (answer.kind === 'ready') {
      worker.isReady = true;
      this.startTimer(worker);
      return;
    }
    if (answer.kind === 'broken') return this.break(answer.problem);
    const at = worker.tasks.findIndex(({ id }) => id === answer.id);
    const [ended] = at < 0 ? [] : worker.tasks.splice(at, 1);
    this.startTimer(worker);
    this.handOut();
    const by = `${worker.child.pid}`;
    if (answer.kind === 'done') ended?.task.end({ text: answer.text, measured: answer.measured, by, attempts: 1 });
    else ended?.task.end({ code: answer.code, message: answer.message, attempts: 1 });
  }

  /** A process has ended: the run it was at has failed, the others it held are performed elsewhere. */
  private end(worker: PooledWorker, how: string): void {
    clearTimeout(worker.timer);
    this.workers.delete(worker);
    if (this.isClosed) return;
    if (!worker.isReady) return this.break(`it ended with ${how}`);
    const [first, ...others] = worker.tasks.map(({ task }) => task);
    this.waiting.unshift(...others);
    const error = worker.endedBecause ?? runDied(how);
    const code = 'code' in error ? String(error.code) : 'INTERNAL';
    first?.end({ code, message: error.message.slice(`${code}: `.length), attempts: 1 });
    this.handOut();
  }

  private startTimer(worker: PooledWorker): void {
    const { timeoutSeconds } = this.options;
    clearTimeout(worker.timer);
    if (timeoutSeconds === undefined || worker.tasks.length === 0 || !worker.isReady) return;
    worker.timer = setTimeout(() => {
      worker.endedBecause = runTimedOut(timeoutSeconds);
      worker.child.kill('SIGKILL');
    }, timeoutSeconds * 1000);
  }

  /** Nothing more can be performed. */
  private break(problem: string): void {
    const error = workerStart(problem);
    for (const { giveUp } of [...this.waiting.splice(0), ...[...this.workers].flatMap(worker => worker.tasks.splice(0).map(({ task }) => task))])
      giveUp(error);
  }
}
