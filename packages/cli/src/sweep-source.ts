/**
 * What a sweep is asked to run: one config, .test file or command line of a test, with the settings of the command line over it, its matrix not expanded.
 */
import { commandLineConfig, loadConfigFile, readTestFile, type RawConfig, type Registry } from '@mmulab/runner';
import { identityDifferences, identityOf, queueMismatch, type Identity } from '@mmulab/sweep';
import { dirname, resolve } from 'node:path';
import { loadRegistry } from './built-in';
import type { PluginOptions, RunSettings } from './options';
import { applyOverrides } from './overrides';
import { checkOperands, naming, pluginsOf } from './sources';

/** A config, and what its names mean. */
export interface SweepSource {
  readonly config: RawConfig;
  readonly registry: Registry;
  /** Whether the counters of every vCPU are kept, where the sweep itself says so. */
  readonly perVcpu?: boolean;
}

/** Reads what the user named. Throws what is wrong with it, errors name the file. */
export function readSweepSource(
  files: readonly string[],
  commandLine: readonly string[] | undefined,
  settings: RunSettings & PluginOptions,
): SweepSource {
  checkOperands({ command: 'sweep', files, commandLine });
  const [file] = files;
  if (commandLine !== undefined || file === undefined) return fromCommandLine(commandLine ?? [], settings);
  return naming(file, () => {
    if (file.endsWith('.test')) return fromCommandLine(readTestFile(file), settings);
    const raw = loadConfigFile(file);
    const plugins = (settings.plugin ?? []).map(plugin => (plugin.startsWith('.') ? resolve(plugin) : plugin));
    const registry = loadRegistry([...plugins, ...pluginsOf(raw)], dirname(resolve(file)));
    return { config: applyOverrides(raw, settings, registry), registry };
  });
}

/**
 * A sweep that was begun elsewhere: its config, with the plugins that are here.
 * @throws QUEUE_MISMATCH when those are not the ones it was begun with
 */
export function sourceOf(config: RawConfig, { plugin = [] }: PluginOptions, identity: Identity): SweepSource {
  const registry = loadRegistry([...plugin, ...pluginsOf(config).filter(name => !name.startsWith('.'))]);
  const differences = identityDifferences(identityOf(registry), identity);
  if (differences.length > 0) throw queueMismatch('the sweep', differences);
  return { config, registry };
}

function fromCommandLine(commandLine: readonly string[], settings: RunSettings & PluginOptions): SweepSource {
  const registry = loadRegistry(settings.plugin);
  return { config: applyOverrides(commandLineConfig(commandLine, registry), settings, registry), registry };
}
