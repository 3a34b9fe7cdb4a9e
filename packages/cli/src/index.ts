/**
 * mmulab from code: `run` with the built-in plugins at hand, and `runCommand`, which is the command itself on whatever terminal it is given.
 */
import type { RunResult } from '@mmulab/api';
import { run as runWithPlugins, type RawConfig, type RunOptions } from '@mmulab/runner';
import { BUILT_IN_PLUGINS, builtInDirectories, loadRegistry } from './built-in';
import { ExitCode } from './exit-code';
import { runAnyCommand, runCommand } from './program';

/**
 * Runs a config with the built-in backends and workloads, and those of plugins it names.
 * @param config a config, or the path of a config file
 * @returns one result per run of its matrix, in order
 * @throws MmulabError for everything that is wrong with the config
 */
export function run(config: RawConfig | string, options: RunOptions = {}): readonly RunResult[] {
  return runWithPlugins(config, { ...options, plugins: [...builtInDirectories(), ...(options.plugins ?? [])] });
}

export { BUILT_IN_PLUGINS, ExitCode, loadRegistry, runAnyCommand, runCommand };
export type { Progress, Terminal } from './terminal';
export type { RawConfig, RunOptions } from '@mmulab/runner';
export type { RunResult } from '@mmulab/api';
export { MmulabError } from '@mmulab/api';
