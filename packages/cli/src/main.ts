/**
 * The `mmulab` command: what bin/mmulab.js calls.
 *
 * Commands run in a thread of their own. A simulation is one long computation, a plan may be one, and so may what a plugin does when it is loaded; a process that is busy
 * computing answers no Ctrl-C and draws no progress; so the process only listens, and the thread computes. The process itself loads next to nothing.
 */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type * as Threads from 'node:worker_threads';
import { findCommand, splitArguments } from './arguments';
import { loadModule } from './bundle';
import type { CommandEntry } from './command-entry';
import { ExitCode } from './exit-code';
import type * as InternalError from './internal-error';
import { ProcessTerminal } from './process-terminal';
import type * as Program from './program';
import type { Terminal } from './terminal';
import type { InterruptSignal, ThreadMessage, ThreadOrder } from './thread-messages';

/** What passes through a command that waits is soon garbage, result after result: small limits make Node look for it early. */
const WAITING_LIMITS = { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 1024 };
/** Of what a run makes, most stays or is garbage at once: a young generation that fits the processor's caches takes a fifth less memory, and no more time. */
const COMPUTING_LIMITS = { maxYoungGenerationSizeMb: 8 };

/** How long a thread may take to notice that it is to end. */
const END_MS = 3000;

/**
 * Runs the command line.
 * @param argv arguments after `mmulab`
 * @returns the exit code
 */
export function main(argv: readonly string[]): Promise<number> {
  return new MainThread(argv).run();
}

class MainThread {
  private readonly terminal = new ProcessTerminal(error => void this.endWithOutput(error));
  private readonly command: CommandEntry | undefined;
  private thread: Worker | undefined;
  /** A command that waits has been told to come to its end. */
  private isTold = false;
  /** Files that lie beside their targets. */
  private readonly unfinished = new Set<string>();

  constructor(private readonly argv: readonly string[]) {
    this.command = findCommand(splitArguments(argv).own);
  }

  run(): Promise<number> {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.hearSignal(signal));
    return this.mayTakeTime() && hasDirectory() ? this.runInThread() : Promise.resolve(runHere(this.argv, this.terminal));
  }

  private mayTakeTime(): boolean {
    const takesTime = this.command?.takesTime ?? false;
    return takesTime === 'with plugins' ? splitArguments(this.argv).own.some(word => /^--plugin(=|$)/.test(word)) : takesTime;
  }

  /** Whoever reads our output may stop early, as `head` does: then there is nothing left to do, and nothing wrong. A full disk is wrong. */
  private async endWithOutput(error: NodeJS.ErrnoException): Promise<void> {
    await this.end();
    if (error.code === 'EPIPE') process.exit(ExitCode.Ok);
    process.stderr.write(`mmulab: OUTPUT_UNWRITABLE: ${error.message}\n`);
    process.exit(ExitCode.Usage);
  }

  /** A command that waits is asked to come to its end; another signal ends it, as every signal ends the others. */
  private hearSignal(signal: InterruptSignal): void {
    const isAsked = this.command?.waits === true && this.thread !== undefined && !this.isTold;
    this.isTold = true;
    if (isAsked) this.thread?.postMessage(signal);
    else void this.interrupt(signal);
  }

  private async interrupt(signal: InterruptSignal): Promise<void> {
    this.terminal.progress(undefined);
    const hasEnded = await this.end();
    // Leaving waits for the thread; one that is stuck inside the system is only ended by the signal itself.
    if (hasEnded) process.exit(ExitCode.Signalled + constants.signals[signal]);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }

  /** Stops the command and removes what it left unfinished. @returns whether it could be stopped */
  private async end(): Promise<boolean> {
    const stopped = this.thread?.terminate().then(() => true) ?? Promise.resolve(true);
    const hasEnded = await Promise.race([stopped, new Promise<boolean>(resolve => setTimeout(() => resolve(false), END_MS))]);
    for (const path of this.unfinished) rmSync(path, { force: true });
    return hasEnded;
  }

  private runInThread(): Promise<number> {
    const { argv, terminal } = this;
    const underway = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const order: ThreadOrder = { argv, look: { columns: terminal.columns, color: terminal.color, showsProgress: terminal.showsProgress }, underway };
    const resourceLimits = this.command?.waits === true ? WAITING_LIMITS : COMPUTING_LIMITS;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- not every command runs in a thread
    const { Worker: Thread } = require('node:worker_threads') as typeof Threads;
    const thread = new Thread(join(__dirname, 'thread-start.js'), { workerData: order, resourceLimits });
    this.thread = thread;
    return new Promise(resolve => {
      let code: number = ExitCode.Internal;
      thread.on('message', (message: ThreadMessage) => {
        if (message.kind === 'exit') code = message.code;
        else this.hear(message, new Int32Array(underway));
      });
      // Not an error of the command, which it reports itself: the thread could not start, or ran out of memory.
      thread.on('error', error => {
        const isOutOfMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
        if (isOutOfMemory) code = ExitCode.Usage;
        terminal.err(isOutOfMemory ? OUT_OF_MEMORY : reportOf(argv, error));
      });
      thread.on('exit', () => {
        terminal.progress(undefined);
        for (const path of this.unfinished) rmSync(path, { force: true });
        resolve(code);
      });
    });
  }

  private hear(message: Exclude<ThreadMessage, { kind: 'exit' }>, underway: Int32Array): void {
    switch (message.kind) {
      case 'out':
        return this.terminal.out(message.text, () => {
          Atomics.sub(underway, 0, message.text.length);
          Atomics.notify(underway, 0);
        });
      case 'err':
        return this.terminal.err(message.text);
      case 'progress':
        return this.terminal.progress(message.progress);
      case 'unfinished':
        if (message.isThere) this.unfinished.add(message.path);
        else this.unfinished.delete(message.path);
    }
  }
}

/** A thread does not start in a directory that is gone; the command, run here, says so. */
function hasDirectory(): boolean {
  try {
    return process.cwd() !== '';
  } catch {
    return false;
  }
}

const OUT_OF_MEMORY =
  'mmulab: RUN_OUT_OF_MEMORY: what this asks for does not fit into the memory that Node may use; expected fewer iterations or runs, ' +
  'or more memory (NODE_OPTIONS=--max-old-space-size=MEGABYTES)\n';

function runHere(argv: readonly string[], terminal: Terminal): number {
  const { runCommand } = loadModule('program') as typeof Program;
  return runCommand(argv, terminal);
}

function reportOf(argv: readonly string[], error: Error): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
  const { internalErrorReport } = require('./internal-error') as typeof InternalError;
  return internalErrorReport(argv, error);
}
