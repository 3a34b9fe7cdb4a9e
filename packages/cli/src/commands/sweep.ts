/**
 * `mmulab sweep`: runs a matrix of any size, goes on where it stopped, and keeps every result.
 */
import { ResultStore, Sweep, SweepFolder, WorkerPool, planSweep, type RunExecutor, type SweepPlan, type SweepProgress } from '@mmulab/sweep';
import { inPlace } from '@mmulab/runner';
import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CommandContext } from '../command-entry';
import { usage } from '../errors';
import { ExitCode, interruptedCode } from '../exit-code';
import { addPluginOption, addRunSettings, positive, type PluginOptions, type RunSettings } from '../options';
import { SweepDisplay, planText, summaryText } from '../sweep-display';
import { findOpenSweep, openQueue, type OpenQueue, type QueueSettings } from '../sweep-queue';
import { readSweepSource, sourceOf, type SweepSource } from '../sweep-source';

interface Options extends RunSettings, PluginOptions, QueueSettings {
  readonly workers?: number;
  readonly out?: string;
  readonly store: string;
  readonly perVcpu?: boolean;
  readonly timeout?: number;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
}

/** Where sweeps and their results go unless the user says so. */
const SWEEPS = join('mmulab-out', 'sweeps');
const STORE = join('mmulab-out', 'results');

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command
      .argument('[config]', 'a config (YAML or JSON) or .test file')
      .usage(
        '[options] CONFIG.yaml\n       mmulab sweep [options] --vary KEY=A,B -- TEST [flags of the test]\n       mmulab sweep --queue URL --attach ID',
      ),
  );
  addPluginOption(command)
    .option('--workers <number>', 'worker processes; as many as there are cores without it', positive('--workers'))
    .option('--out <dir>', `folder of the sweep (default: one in ${SWEEPS}, by name and content)`)
    .option('--store <dir>', 'where the results of all sweeps are, a file per run', STORE)
    .option('--per-vcpu', 'keep the counters of every vCPU too')
    .option('--timeout <seconds>', 'end a run after this time; it has failed then', positive('--timeout'))
    .option('--dry-run', 'check the plan and count its runs')
    .option('--quiet', 'no progress and no notes')
    .option('--queue <url>', 'have the runs performed by mmulab worker: redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]')
    .option('--attach <id>', 'with --queue: go on with a sweep that was left')
    .option('--ahead <number>', 'with --queue: runs in the queue at a time', positive('--ahead'), 20_000)
    .option('--attempts <number>', 'with --queue: how often a run is tried whose process dies', positive('--attempts'), 3)
    .addHelpText(
      'after',
      '\nThe same command goes on where it stopped. Ends with 1 when a run failed or does not meet a threshold.\nWithout a password in the URL, that of MMULAB_QUEUE_PASSWORD is taken.\n',
    )
    .action((config: string | undefined, options: Options) => sweep(config === undefined ? [] : [config], options, context));
}

async function sweep(files: readonly string[], options: Options, context: CommandContext): Promise<void> {
  const note = (text: string): void => (options.quiet === true ? undefined : context.terminal.err(`note: ${text}\n`));
  checkOptions(files, options, context);
  const queue = options.queue === undefined ? undefined : await openQueue(options.queue, note);
  try {
    const source = await readSource(files, options, context, queue);
    source.notes.forEach(note);
    const plan = planOf(files[0], source, options);
    if (options.dryRun === true) context.terminal.out(planText(plan));
    else if (queue === undefined) await perform(plan, makePool(plan, source, options), options, context);
    else await queue.collecting(plan.document, options, note, executor => perform(plan, executor, options, context));
  } finally {
    await queue?.close();
  }
}

/** Errors name the file, if there is one. */
function planOf(file: string | undefined, { config, registry, perVcpu }: SweepSource, options: Options): SweepPlan {
  const plan = (): SweepPlan => planSweep(config, registry, { perVcpu: perVcpu ?? options.perVcpu ?? false });
  return file === undefined ? plan() : inPlace(file, plan);
}

function checkOptions(files: readonly string[], { attach, queue }: Options, { commandLine }: CommandContext): void {
  if (attach === undefined) return;
  if (queue === undefined) throw usage('--attach: expected --queue URL beside it');
  if (files.length > 0 || commandLine !== undefined) throw usage('--attach: the sweep is in the queue; expected no config beside it');
}

async function readSource(files: readonly string[], options: Options, context: CommandContext, queue: OpenQueue | undefined): Promise<SweepSource> {
  if (options.attach === undefined || queue === undefined) return readSweepSource(files, context.commandLine, options);
  return sourceOf(await findOpenSweep(queue, options.attach), options);
}

function makePool(plan: SweepPlan, { registry }: SweepSource, options: Options): WorkerPool {
  const workers = Math.min(options.workers ?? availableParallelism(), plan.matrix.size);
  const plugins = registry.plugins().map(plugin => plugin.path);
  return new WorkerPool({ workers, plugins, from: process.cwd(), timeoutSeconds: options.timeout });
}

/** Runs the sweep and says what came of it. @returns whether every run has ended */
async function perform(plan: SweepPlan, executor: RunExecutor, options: Options, context: CommandContext): Promise<boolean> {
  const folder = openFolder(plan, options);
  const display = new SweepDisplay(context.terminal, options.quiet === true);
  const sweep = new Sweep({
    ...{ plan, folder, executor, store: new ResultStore(options.store), signal: context.interrupted },
    onProgress: now => display.show(now),
    onNotes: notes => display.note(notes),
  });
  let progress: SweepProgress;
  try {
    progress = await sweep.run();
  } finally {
    display.end(folder);
    await executor.close();
    folder.close();
  }
  context.terminal.out(summaryText(folder, progress));
  const interrupted = interruptedCode(context.interrupted);
  if (interrupted !== undefined) context.exitWith(interrupted);
  else if (folder.failures > 0 || folder.unmetRuns > 0) context.exitWith(ExitCode.Failed);
  return folder.done + folder.failures === plan.matrix.size;
}

function openFolder(plan: SweepPlan, { out }: Options): SweepFolder {
  const { document } = plan;
  const words = document.name.toLowerCase().match(/[a-z0-9_.]+/g) ?? [];
  const parts = [words.join('-').replace(/^\.+/, '').slice(0, 60), document.id];
  return new SweepFolder(out ?? join(SWEEPS, parts.filter(part => part !== '').join('-')), document);
}
