/**
 * What a command is asked to run: config files, .test files, or the command line of a test.
 */
import { configOf, readImport, underlayImport, type Imported, type ImportedConfig } from '@mmulab/import';
import {
  commandLineConfig,
  inPlace,
  loadConfigFile,
  prepareRun,
  programRuns,
  readTestFile,
  resolveRuns,
  testFilesIn,
  testName,
  type RawConfig,
  type ReadyRun,
  type Registry,
  type ResolvedRun,
} from '@mmulab/runner';
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { loadRegistry } from './built-in';
import { nothingToRun, testAsFile, tooManySources } from './errors';
import type { PluginOptions, RunSettings } from './options';
import { applyOverrides } from './overrides';

/** A run with all that is needed to perform it. */
export interface PreparedRun {
  readonly run: ResolvedRun;
  readonly registry: Registry;
  /** What its plan says that a reader should know; the result of the run says it again. */
  readonly planNotes: readonly string[];
  /** What was made to plan it, where it is the only one: those of many would take much memory. */
  readonly ready?: ReadyRun | undefined;
}

/** What the user named, before it is read. */
export interface Operands {
  /** Files of `--import`: enough by themselves. */
  readonly imports?: readonly string[] | undefined;
  /** The command, for messages. */
  readonly command: string;
  readonly files: readonly string[];
  /** The command line of a test, its name first. */
  readonly commandLine: readonly string[] | undefined;
}

type Settings = RunSettings & PluginOptions;

/** Throws `CLI_TOO_MANY_SOURCES` for files beside a command line, `CLI_NOTHING_TO_RUN` when there is neither, and FILE_NOT_FOUND for a test where a file belongs. */
export function checkOperands({ command, files, commandLine, imports = [] }: Operands): void {
  if (commandLine !== undefined && files.length > 0) throw tooManySources(command);
  if ((commandLine ?? [...files, ...imports]).length === 0) throw nothingToRun(command);
  const missing = files.filter(file => statSync(file, { throwIfNoEntry: false }) === undefined);
  const tests = missing.length === 0 ? [] : loadRegistry().workloads();
  const test = missing.find(file => tests.some(({ name }) => name === testName(file)));
  if (test !== undefined) throw testAsFile(command, test);
}

/** The runs of configs and .test files, of a command line, or of imports alone. */
export function prepareOperands({ files, commandLine }: Operands, settings: Settings): readonly PreparedRun[] {
  if (commandLine !== undefined) return prepareCommandLine(commandLine, settings);
  if (files.length > 0) return files.flatMap(file => prepareFile(file, settings));
  const registry = loadRegistry(settings.plugin);
  return prepareWith(importsAlone(settings, registry), settings, registry);
}

/** The runs of a command line. */
export function prepareCommandLine(commandLine: readonly string[], settings: Settings): readonly PreparedRun[] {
  const registry = loadRegistry(settings.plugin);
  return prepareWith(withImports(commandLineConfig(commandLine, registry), settings, registry), settings, registry, programRuns);
}

/** The runs of a config or .test file, or of all .test files in a folder. Errors name the file. */
export function prepareFile(file: string, settings: Settings): readonly PreparedRun[] {
  if (isFolder(file)) return testFilesIn(file).flatMap(path => prepareFile(path, settings));
  return inPlace(file, () => {
    if (file.endsWith('.test')) return prepareCommandLine(readTestFile(file), settings);
    const raw = loadConfigFile(file);
    return prepare(raw, settings, registryOf(raw, file, settings));
  });
}

/** The plugins of a config lie beside it, those of the command line where the user is. */
export function registryOf(raw: RawConfig, file: string, settings: Settings): Registry {
  const plugins = (settings.plugin ?? []).map(plugin => (plugin.startsWith('.') ? resolve(plugin) : plugin));
  return loadRegistry([...plugins, ...pluginsOf(raw)], dirname(resolve(file)));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function prepare(raw: RawConfig, settings: Settings, registry: Registry): readonly PreparedRun[] {
  return prepareWith(withImports(raw, settings, registry), settings, registry);
}

/** A config over what `--import` says. */
export function withImports(raw: RawConfig, settings: Settings, registry: Registry): ImportedConfig {
  let underlaid: ImportedConfig = { config: raw, notes: [] };
  for (const imported of readImports(settings, registry)) {
    const { config, notes } = underlayImport(underlaid.config, imported, registry);
    underlaid = { config, notes: [...underlaid.notes, ...notes] };
  }
  return underlaid;
}

/** The config that `--import` alone means. */
export function importsAlone(settings: Settings, registry: Registry): ImportedConfig {
  return configOf(readImports(settings, registry), registry);
}

function readImports({ import: files = [] }: Settings, registry: Registry): readonly Imported[] {
  return files.map(file => readImport(file, registry));
}

/** Everything that is wrong with a run is found before the first one starts, the layout of its VM included. @param runsOf the runs of a program */
function prepareWith(
  { config, notes }: ImportedConfig,
  settings: Settings,
  registry: Registry,
  runsOf = (raw: RawConfig, _registry: Registry): RawConfig => raw,
): readonly PreparedRun[] {
  const runs = resolveRuns(runsOf(applyOverrides(config, settings, registry), registry), registry);
  const planned = planEach(runs, registry);
  return runs.map((run, i) => ({
    run: notes.length === 0 ? run : { ...run, notes: [...notes, ...run.notes] },
    registry,
    planNotes: planned[i]?.notes ?? [],
    ready: planned[i]?.ready,
  }));
}

/** What planning a run gave: what its plan says, and, of the only run, what was made for it. */
interface Planned {
  readonly notes: readonly string[];
  readonly ready?: ReadyRun;
}

/** A plan depends on neither name nor seed: of runs that differ in nothing else, one is planned. */
function planEach(runs: readonly ResolvedRun[], registry: Registry): readonly Planned[] {
  const known = new Map<string, Planned>();
  return runs.map(run => {
    const { backend, host, workload, thresholds } = run;
    const key = JSON.stringify([backend, host, workload, thresholds]);
    const planned = known.get(key) ?? plan(run, registry, runs.length === 1);
    known.set(key, planned);
    return planned;
  });
}

function plan(run: ResolvedRun, registry: Registry, isOnly: boolean): Planned {
  const ready = prepareRun(run, registry);
  const { notes } = ready.plan;
  return isOnly ? { notes, ready } : { notes };
}

/** A config that has something else there is refused when it is resolved. */
export function pluginsOf({ plugins }: RawConfig): readonly string[] {
  return Array.isArray(plugins) ? plugins.filter(plugin => typeof plugin === 'string') : [];
}
