/**
 * The plugins that come with the command: dependencies of this package, loaded by name like any other.
 */
import type { Catalog } from '@mmulab/report';
import { hostMemoryValues, hostOptionSpecs, Registry } from '@mmulab/runner';
import { dirname } from 'node:path';

/** In the order in which their backends and workloads are listed; the first backend is the default one. */
export const BUILT_IN_PLUGINS: readonly string[] = ['@mmulab/x86', '@mmulab/arm64', '@mmulab/workloads', '@mmulab/time'].filter(isInstalled);

/**
 * What the built-in plugins and others bring.
 * @param plugins further plugins, as a config or `--plugin` names them
 * @param from directory that paths and names of those are looked up from
 */
export function loadRegistry(plugins: readonly string[] = [], from: string = process.cwd()): Registry {
  return Registry.load(plugins, from, builtInDirectories());
}

/** Where the built-in plugins lie: looked up from here, wherever the user is. */
export function builtInDirectories(): readonly string[] {
  return BUILT_IN_PLUGINS.map(directoryOf);
}

function directoryOf(plugin: string): string {
  return dirname(require.resolve(`${plugin}/package.json`));
}

function isInstalled(plugin: string): boolean {
  try {
    return directoryOf(plugin) !== '';
  } catch {
    return false;
  }
}

/** What runs made with these registries have by default. */
export function catalogOf(registries: readonly Registry[]): Catalog {
  const distinct = [...new Set(registries)];
  return {
    backends: distinct.flatMap(registry => registry.backends()).map(backend => ({ ...backend, hostOptions: hostOptionSpecs(backend) })),
    workloads: distinct.flatMap(registry => registry.workloads()),
    hostMemory: hostMemoryValues,
  };
}
