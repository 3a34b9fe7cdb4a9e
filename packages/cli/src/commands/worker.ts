/**
 * `mmulab worker`: performs runs of the sweeps of a queue.
 */
import { QueueConnection, QueueWorkers, WorkerPool, readQueueAddress } from '@mmulab/sweep';
import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { addPluginOption, positive, type PluginOptions } from '../options';

interface Options extends PluginOptions {
  readonly queue: string;
  readonly concurrency?: number;
  readonly lease: number;
  readonly idle?: number;
  readonly timeout?: number;
  readonly quiet?: boolean;
}

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addPluginOption(command)
    .requiredOption('--queue <url>', 'the queue: redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]')
    .option('--concurrency <number>', 'runs at a time; as many as there are cores without it', positive('--concurrency'))
    .option('--lease <seconds>', 'time after which the runs of a worker that was killed go to others', positive('--lease'), 30)
    .option('--idle <seconds>', 'end when no sweep was open for so long', positive('--idle'))
    .option('--timeout <seconds>', 'end a run after this time; it has failed then', positive('--timeout'))
    .option('--quiet', 'no notes and no progress')
    .addHelpText(
      'after',
      '\nCtrl-C finishes the runs that have begun; a second one leaves them to others.\nWithout a password in the URL, that of MMULAB_QUEUE_PASSWORD is taken.\n',
    )
    .action((options: Options) => work(options, context));
}

async function work(options: Options, { terminal, interrupted }: CommandContext): Promise<void> {
  const note = (text: string): void => (options.quiet === true ? undefined : terminal.err(`note: ${text}\n`));
  const registry = loadRegistry(options.plugin);
  const concurrency = options.concurrency ?? availableParallelism();
  const connection = await QueueConnection.open(readQueueAddress(options.queue), note);
  const plugins = registry.plugins().map(plugin => plugin.path);
  const pool = new WorkerPool({ workers: concurrency, plugins, from: process.cwd(), timeoutSeconds: options.timeout });
  let ended = { done: 0, failed: 0 };
  const settings = { concurrency, leaseSeconds: options.lease, idleSeconds: options.idle };
  try {
    note(`working for ${connection.address.name}, ${concurrency} at a time`);
    const onRun = (done: number, failed: number): void => void (ended = { done, failed });
    await new QueueWorkers(connection, pool, registry, settings, { onNote: note, onRun }).serve(interrupted);
  } finally {
    await pool.close();
    await connection.close();
  }
  terminal.out(`${ended.done} runs performed${ended.failed === 0 ? '' : `, ${ended.failed} failed`}\n`);
}
