/**
 * What a sweep is asked to run: one config, .test file or command line of a test, with the settings of the command line over it, its matrix not expanded.
 */
import type { ImportedConfig } from '@mmulab/import';
import { commandLineConfig, inPlace, loadConfigFile, programRuns, readTestFile, type RawConfig, type Registry } from '@mmulab/runner';
import { identityDifferences, identityOf, queueMismatch, type SweepDocument } from '@mmulab/sweep';
import { loadRegistry } from './built-in';
import type { PluginOptions, RunSettings } from './options';
import { applyOverrides } from './overrides';
import { checkOperands, importsAlone, pluginsOf, registryOf, withImports } from './sources';

/** A config, and what its names mean. */
export interface SweepSource {
  readonly config: RawConfig;
  readonly registry: Registry;
  /** What was understood of imports, one sentence each. */
  readonly notes: readonly string[];
  /** Whether the counters of every vCPU are kept, where the sweep itself says so. */
  readonly perVcpu?: boolean;
}

type Settings = RunSettings & PluginOptions;

/** Reads what the user named. Throws what is wrong with it, errors name the file. */
export function readSweepSource(files: readonly string[], commandLine: readonly string[] | undefined, settings: Settings): SweepSource {
  checkOperands({ command: 'sweep', files, commandLine, imports: settings.import });
  const [file] = files;
  if (commandLine !== undefined) return fromCommandLine(commandLine, settings);
  if (file === undefined) {
    const registry = loadRegistry(settings.plugin);
    return withSettings(importsAlone(settings, registry), settings, registry);
  }
  return inPlace(file, () => {
    if (file.endsWith('.test')) return fromCommandLine(readTestFile(file), settings);
    const raw = loadConfigFile(file);
    const registry = registryOf(raw, file, settings);
    return withSettings(withImports(raw, settings, registry), settings, registry);
  });
}

/**
 * A sweep that was begun elsewhere: its config, with the plugins that are here.
 * @throws QUEUE_MISMATCH when those are not the ones it was begun with
 */
export function sourceOf({ config, identity, perVcpu }: SweepDocument, { plugin = [] }: PluginOptions): SweepSource {
  const registry = loadRegistry([...plugin, ...pluginsOf(config).filter(name => !name.startsWith('.'))]);
  const differences = identityDifferences(identityOf(registry), identity);
  if (differences.length > 0) throw queueMismatch('the sweep', differences);
  return { config, registry, notes: [], perVcpu };
}

function fromCommandLine(commandLine: readonly string[], settings: Settings): SweepSource {
  const registry = loadRegistry(settings.plugin);
  const source = withSettings(withImports(commandLineConfig(commandLine, registry), settings, registry), settings, registry);
  return { ...source, config: programRuns(source.config, registry) };
}

function withSettings({ config, notes }: ImportedConfig, settings: Settings, registry: Registry): SweepSource {
  return { config: applyOverrides(config, settings, registry), registry, notes };
}
