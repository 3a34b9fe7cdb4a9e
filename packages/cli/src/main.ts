/**
 * The `mmulab` command: what bin/mmulab.js calls.
 *
 * Commands that simulate run in a thread of their own. A simulation is one long computation, and a process that is busy computing answers no
 * Ctrl-C and draws no progress; so the process only listens, and the thread computes. The process itself loads next to nothing.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { findCommand, splitArguments } from './arguments';
import { ExitCode } from './exit-code';
import type * as InternalError from './internal-error';
import { ProcessTerminal } from './process-terminal';
import type * as Program from './program';
import type { Terminal } from './terminal';
import type { ThreadMessage, ThreadOrder } from './thread-messages';

/**
 * Runs the command line.
 * @param argv arguments after `mmulab`
 * @returns the exit code
 */
export function main(argv: readonly string[]): Promise<number> {
  const terminal = new ProcessTerminal();
  endWithReader();
  process.once('SIGINT', () => {
    terminal.progress(undefined);
    process.exit(ExitCode.Interrupted);
  });
  const simulates = findCommand(splitArguments(argv).own)?.simulates === true;
  return simulates ? runInThread(argv, terminal) : Promise.resolve(runHere(argv, terminal));
}

/** Whoever reads our output may stop early, as `head` does: then there is nothing left to do, and nothing wrong. */
function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      process.exit(error.code === 'EPIPE' ? ExitCode.Ok : ExitCode.Internal);
    });
  }
}

function runHere(argv: readonly string[], terminal: Terminal): number {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a process that only listens loads no commands
  const { runCommand } = require('./program') as typeof Program;
  return runCommand(argv, terminal);
}

function runInThread(argv: readonly string[], terminal: Terminal): Promise<number> {
  const order: ThreadOrder = { argv, look: { columns: terminal.columns, color: terminal.color } };
  const thread = new Worker(join(__dirname, 'command-thread.js'), { workerData: order });
  return new Promise(resolve => {
    let code: number = ExitCode.Internal;
    thread.on('message', (message: ThreadMessage) => {
      if (message.kind === 'exit') code = message.code;
      else if (message.kind === 'progress') terminal.progress(message.progress);
      else terminal[message.kind](message.text);
    });
    // Not an error of the command, which it reports itself: the thread could not start, or ran out of memory.
    thread.on('error', error => terminal.err(reportOf(argv, error)));
    thread.on('exit', () => {
      terminal.progress(undefined);
      resolve(code);
    });
  });
}

function reportOf(argv: readonly string[], error: Error): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
  const { internalErrorReport } = require('./internal-error') as typeof InternalError;
  return internalErrorReport(argv, error);
}
