/**
 * The thread in which a simulating command runs. It writes through the thread of the process, which stays free to draw progress and to answer
 * an interrupt.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { runCommand } from './program';
import type { Terminal } from './terminal';
import type { ThreadMessage, ThreadOrder } from './thread-messages';

const { argv, look } = workerData as ThreadOrder;
const say = (message: ThreadMessage): void => parentPort?.postMessage(message);

const terminal: Terminal = {
  ...look,
  out: text => say({ kind: 'out', text }),
  err: text => say({ kind: 'err', text }),
  progress: progress => say({ kind: 'progress', progress }),
};

say({ kind: 'exit', code: runCommand(argv, terminal) });
