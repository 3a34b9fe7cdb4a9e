/**
 * A worker: a process that performs one run after the other for the process that started it, and ends with it.
 */
import { isMmulabError } from '@mmulab/api';
import { Registry, runResolved } from '@mmulab/runner';
import { problemOf } from './errors';
import { keptText } from './kept-result';
import type { WorkerAnswer, WorkerOrder } from './worker-messages';

let registry: Registry | undefined;
const say = (answer: WorkerAnswer): void => void process.send?.(answer);

function open({ plugins, from }: Extract<WorkerOrder, { kind: 'open' }>): void {
  try {
    registry = Registry.load(plugins, from);
    say({ kind: 'ready' });
  } catch (error) {
    say({ kind: 'broken', problem: problemOf(error) });
  }
}

function perform({ id, run, perVcpu }: Extract<WorkerOrder, { kind: 'run' }>): void {
  try {
    if (registry === undefined) throw new Error('a run before its plugins');
    say({ kind: 'done', id, ...keptText(runResolved(run, registry), perVcpu) });
  } catch (error) {
    say({ kind: 'failed', id, ...failureOf(error) });
  }
}

/** The code stands in front of the message of a typed error. */
function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  if (!isMmulabError(error)) return { code: 'INTERNAL', message: problemOf(error) };
  return { code: error.code, message: error.message.slice(`${error.code}: `.length) };
}

// Ctrl-C reaches every process of the terminal; the one that was started with the command says what becomes of it.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (order: WorkerOrder) => (order.kind === 'open' ? open(order) : perform(order)));
