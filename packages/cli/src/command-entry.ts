/**
 * The commands by name, each loaded when it is the one that was typed.
 */
import type { Command } from 'commander';
import type { Terminal } from './terminal';

/** What a command works with. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Everything that was typed after `mmulab`. */
  readonly argv: readonly string[];
  /** What stands after `--`: the command line of a test, its name first. */
  readonly commandLine: readonly string[] | undefined;
  /** Ends the command with an exit code other than 0. */
  exitWith(code: number): void;
  /** Whoever typed the command wants it to end; the reason is the signal. Commands that wait are told, the others are ended. */
  readonly interrupted: AbortSignal;
}

/** A file under commands/. */
export interface CommandModule {
  /** Declares arguments and options, and what is done with them. */
  configure(command: Command, context: CommandContext): void;
}

/** `with plugins`: when arguments name plugins. */
export type TakesTime = boolean | 'with plugins';

/** One command. */
export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Whether it may take long, be it in a plugin of somebody else that it is told to load: such a command runs in a thread of its own, so that it can be interrupted. */
  readonly takesTime: TakesTime;
  /** Whether it waits, for other processes: such a command comes to its end by itself when it is interrupted. */
  readonly waits: boolean;
  load(): CommandModule;
}

/** All commands in the order of `mmulab --help`. */
export const COMMANDS: readonly CommandEntry[] = [
  entry('run', 'run configs, .test files, or the command line of a test after --', true),
  entry('compare', 'put runs or saved results side by side', true),
  entry('sweep', 'run a matrix on all cores, or over a queue on many machines', true, true),
  entry('worker', 'perform runs of the sweeps of a queue', true, true),
  entry('analyse', 'read tables, break-even maps and growth from a sweep', true),
  entry('explore', 'write a page to step through a run and look at its tables', true, true),
  entry('playground', 'write that page with prepared lessons', true, true),
  entry('verify', 'compare every counter with what real kernels counted', true),
  entry('replay', 'replay a trace of a real VM under a policy, or hold the model against it', true),
  entry('record', 'print a script that counts on your own host, or make a record of what it wrote', true),
  entry('predict', 'predict published tables of times, cell by cell', true),
  entry('calibrate', 'fit a cost model to published or own tables of times', true),
  entry('break-even', 'say what splitting huge pages on faults, beforehand, or not at all costs, and where which is cheaper', true),
  entry('explain-time', 'say term by term where the predicted time of a run comes from', true),
  entry('list', 'list backends, workloads, profiles, events, models, solvers, patches or plugins', 'with plugins'),
  entry('explain', 'say what an option, counter, profile, workload or backing is', 'with plugins'),
  entry('init', 'write a config to start from', false),
  entry('new-plugin', 'write a package to start a plugin from', false),
  entry('import', 'print the config, or the record, that a file in another format means', true),
  entry('validate', 'check configs, .test files, or the command line of a test after --, without running them', true),
];

function entry(name: string, summary: string, takesTime: TakesTime, waits = false): CommandEntry {
  return {
    name,
    summary,
    takesTime,
    waits,
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- one command per process: the others are not loaded
    load: () => require(`./commands/${name}`) as CommandModule,
  };
}
