/**
 * From a config, or the file it stands in, to results in one call.
 */
import { dirname, resolve } from 'node:path';
import type { RunResult } from '@mmulab/api';
import { loadConfigFile } from './config/load';
import type { RawConfig } from './config/types';
import { resolveRuns } from './config/validate';
import { InstalledRegistry } from './installed-registry';
import { runResolved } from './run';

/** How `run` finds its plugins. */
export interface RunOptions {
  /** Plugins to load beside those the config names: paths, package names or short names. */
  readonly plugins?: readonly string[];
  /** Directory plugins of a config that is no file are looked up from; the current one without it. */
  readonly from?: string;
}

/**
 * Runs a config: the function for use from code.
 * @param config a config, or the path of a config file
 * @returns one result per run of its matrix, in order
 * @throws typed errors for everything that is wrong with the config
 */
export function run(config: RawConfig | string, options: RunOptions = {}): readonly RunResult[] {
  const raw = typeof config === 'string' ? loadConfigFile(config) : config;
  const from = options.from ?? (typeof config === 'string' ? dirname(resolve(config)) : process.cwd());
  const registry = InstalledRegistry.load([...(options.plugins ?? []), ...(raw.plugins ?? [])], from);
  return resolveRuns(raw, registry).map(one => runResolved(one, registry));
}
