/**
 * The engine as the page has it: the bundled plugins in a registry, and, for the console and for tests, a run from config to counters.
 */
import type { PhaseResult } from '@mmulab/api';
import { Registry, resolveRuns, runResolved, type RawConfig } from '@mmulab/runner';
import plugins from 'mmulab:plugins';

export const registry = Registry.of(plugins);

/** Phases of every run of a config. */
export function run(config: RawConfig): readonly (readonly PhaseResult[])[] {
  return resolveRuns(config, registry).map(one => runResolved(one, registry).phases);
}

/** `mmulab` in the page's console. */
Object.assign(globalThis, { mmulab: { run } });
