/**
 * `mmulab sweep`: runs a matrix of any size, goes on where it stopped, and keeps every result.
 */
import { ResultStore, Sweep, SweepFolder, WorkerPool, planSweep, type SweepPlan, type SweepProgress } from '@mmulab/sweep';
import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { CommandContext } from '../command-entry';
import { usage } from '../errors';
import { ExitCode } from '../exit-code';
import { addPluginOption, addRunSettings, type PluginOptions, type RunSettings } from '../options';
import { naming } from '../sources';
import { SweepDisplay, planText, summaryText } from '../sweep-display';
import { readSweepSource, type SweepSource } from '../sweep-source';

interface Options extends RunSettings, PluginOptions {
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
      .usage('[options] CONFIG.yaml\n       mmulab sweep [options] --vary KEY=A,B -- TEST [flags of the test]'),
  );
  addPluginOption(command)
    .option('--workers <number>', 'worker processes; as many as there are cores without it', text => positive('--workers', text))
    .option('--out <dir>', `folder of the sweep (default: one in ${SWEEPS}, by name and content)`)
    .option('--store <dir>', 'where the results of all sweeps are, a file per run', STORE)
    .option('--per-vcpu', 'keep the counters of every vCPU too')
    .option('--timeout <seconds>', 'end a run after this time; it has failed then', text => positive('--timeout', text))
    .option('--dry-run', 'check the plan and count its runs')
    .option('--quiet', 'no progress and no notes')
    .addHelpText('after', '\nThe same command goes on where it stopped. Ends with 1 when a run failed or does not meet a threshold.\n')
    .action((config: string | undefined, options: Options) => sweep(config === undefined ? [] : [config], options, context));
}

async function sweep(files: readonly string[], options: Options, context: CommandContext): Promise<void> {
  const { terminal, commandLine } = context;
  const source = readSweepSource(files, commandLine, options);
  const plan = naming(files[0] ?? 'the command line', () => planSweep(source.config, source.registry, { perVcpu: options.perVcpu ?? false }));
  if (options.dryRun === true) {
    terminal.out(planText(plan));
    return;
  }
  const { folder, progress } = await perform(plan, source, options, context);
  terminal.out(summaryText(folder, progress));
  if (context.interrupted.aborted) context.exitWith(ExitCode.Interrupted);
  else if (progress.failed > 0 || folder.unmetRuns > 0) context.exitWith(ExitCode.Failed);
}

interface Performed {
  readonly folder: SweepFolder;
  readonly progress: SweepProgress;
}

/** What this process makes is soon garbage, result after result: a nursery that does not grow keeps it small. */
const KEEP_SMALL = '--semi-space-growth-factor=1';

async function perform(plan: SweepPlan, { registry }: SweepSource, options: Options, context: CommandContext): Promise<Performed> {
  setFlagsFromString(KEEP_SMALL);
  const folder = new SweepFolder(options.out ?? defaultFolder(plan), plan.document);
  const workers = Math.min(options.workers ?? availableParallelism(), plan.matrix.size);
  const plugins = registry.plugins().map(plugin => plugin.path);
  const executor = new WorkerPool({ workers, plugins, from: process.cwd(), timeoutSeconds: options.timeout });
  const display = new SweepDisplay(context.terminal, options.quiet === true);
  const store = new ResultStore(options.store);
  try {
    const parts = { plan, folder, store, executor, signal: context.interrupted, onProgress: (now: SweepProgress) => display.show(now) };
    return { folder, progress: await new Sweep(parts).run() };
  } finally {
    display.end(folder);
    await executor.close();
    folder.close();
  }
}

function defaultFolder({ document }: SweepPlan): string {
  const words = document.name.toLowerCase().match(/[a-z0-9_.]+/g) ?? [];
  return join(SWEEPS, [words.join('-').replace(/^\.+/, '').slice(0, 60), document.id].filter(part => part !== '').join('-'));
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw usage(`${option} ${text}: expected a whole number from 1 on`);
  return value;
}
