/**
 * The thread in which a command runs. It writes to pipes and terminals through the thread of the process, which stays free to draw progress and to answer
 * an interrupt, and waits where that one cannot write as fast as it is told to; into files it writes itself.
 */
import { watchUnfinishedFiles } from '@mmulab/runner';
import { parentPort, workerData } from 'node:worker_threads';
import { findCommand, splitArguments } from './arguments';
import { isDirect, writeDirectly } from './direct-output';
import { reportError, runAnyCommand } from './program';
import type { Progress, Terminal } from './terminal';
import type { InterruptSignal, ThreadMessage, ThreadOrder } from './thread-messages';

/** Characters of results that may wait for their reader. */
const MAX_UNDERWAY = 1 << 22;
/** Progress is not told more often. */
const PROGRESS_MS = 40;

const { argv, look, underway } = workerData as ThreadOrder;
const counter = new Int32Array(underway);
const say = (message: ThreadMessage): void => parentPort?.postMessage(message);
let toldMs = 0;

function out(text: string): void {
  Atomics.add(counter, 0, text.length);
  say({ kind: 'out', text });
  for (let waiting = Atomics.load(counter, 0); waiting > MAX_UNDERWAY; waiting = Atomics.load(counter, 0)) Atomics.wait(counter, 0, waiting);
}

function progress(state: Progress | undefined): void {
  if (!look.showsProgress) return;
  const nowMs = performance.now();
  if (state !== undefined && nowMs - toldMs < PROGRESS_MS) return;
  toldMs = state === undefined ? 0 : nowMs;
  say({ kind: 'progress', progress: state });
}

const terminal: Terminal = {
  ...look,
  out: isDirect(1) ? text => writeDirectly(1, text) : out,
  err: isDirect(2) ? text => writeDirectly(2, text) : text => say({ kind: 'err', text }),
  progress,
};

watchUnfinishedFiles((path, isThere) => say({ kind: 'unfinished', path, isThere }));

// What is thrown while nobody waits for it, in a timer or a promise, comes out here; a plugin's is said to be its own.
process.on('uncaughtException', error => {
  say({ kind: 'exit', code: reportError(error, argv, terminal) });
  setImmediate(() => process.exit());
});

const interrupt = new AbortController();
parentPort?.on('message', (signal: InterruptSignal) => interrupt.abort(signal));
void runAnyCommand(argv, terminal, interrupt.signal).then(code => {
  say({ kind: 'exit', code });
  // Not closed: what a plugin throws later is still to be said.
  parentPort?.unref();
  // A connection to a server that is away would hold the thread.
  if (findCommand(splitArguments(argv).own)?.waits === true) setImmediate(() => process.exit());
});
