/**
 * Options that commands over published tables share.
 */
import type { Registry } from '@mmulab/runner';
import type { Command } from 'commander';
import { badChoice, badNumber } from './errors';
import type { OutputOptions, PluginOptions } from './options';
import type { TableOptions } from './table-runs';

/** What the options say. */
export type TableCommandOptions = OutputOptions &
  PluginOptions & {
    readonly model?: string;
    readonly host?: string;
    readonly solver: string;
    readonly mapping?: readonly string[];
    readonly seed: string;
  };

/** Adds the argument and the options. */
export function addTableOptions(command: Command): Command {
  return command
    .argument('<tables...>', 'files of published times (mmulab.tables.v1)')
    .option('--model <name>', 'a cost model, by name or file, instead of those that the mapping names')
    .option('--host <file>', 'the machine: sockets, cores, threads, factors (YAML)')
    .option('--solver <name>', 'mva, bound, des or des-constant', 'mva')
    .option('--mapping <file>', 'more rules of what cells mean (YAML, repeatable)', (file: string, before: readonly string[] = []) => [
      ...before,
      file,
    ])
    .option('--seed <number>', 'seed of everything random', '1');
}

/** @throws CLI_BAD_NUMBER */
export function tableOptionsOf({ mapping = [], seed, quiet }: TableCommandOptions, registry: Registry): TableOptions {
  if (!/^\d{1,9}$/.test(seed)) throw badNumber('--seed', seed);
  return { registry, mappings: mapping, seed: Number(seed), quiet: quiet === true };
}

const FACTORS = ['none', 'first'];

/** Adds the option that lets the first cell of a table say how fast its machine is. */
export function addFactorFrom(command: Command): Command {
  return command.option('--factor-from <cell>', 'none, or first: the first cell of each table says how fast its machine is', 'none');
}

/** @throws CLI_BAD_CHOICE */
export function checkFactorFrom(value: string): void {
  if (!FACTORS.includes(value)) throw badChoice('--factor-from', value, FACTORS);
}
