/**
 * What ran, in one line: backend, kernel, workload, and the options that neither the kernel nor a default explains.
 */
import { kernelValues, type BackendDefinition, type OptionSpec, type OptionValues, type RunResult, type WorkloadDefinition } from '@mmulab/api';
import { configValue, isRecord, settingText } from './settings';

/** What is known of backends and workloads: a value that a run has by default need not be said. */
export interface Catalog {
  readonly backends: readonly BackendDefinition[];
  readonly workloads: readonly WorkloadDefinition[];
  /** What the host's memory does by a backend's kernel. Absent: not known, so all of it is said. */
  hostMemory?(backend: BackendDefinition, kernel: string): OptionValues;
}

/** A catalog of nothing: then every option of the workload is said, and none of the backend. */
export const EMPTY_CATALOG: Catalog = { backends: [], workloads: [] };

/** Place of the guest mode's name in a result. */
export const GUEST_MODE = 'guestMode';

/** Options of a workload that are said whatever they are. */
const ALWAYS_SAID = ['vcpus', 'bytes', 'backing'];

/** Describes a run: `x86-tdp, kernel 6.1.192, eager_page_split=N: dirty_log_perf_test vcpus=2 bytes=16M`. */
export function describeRun(run: RunResult, catalog: Catalog): string {
  return describeRuns([run], catalog, []);
}

/**
 * Describes what several runs share, in one line of the same form: what is special in any of them and the same in all.
 * @param except paths of settings that differ, which are said elsewhere
 */
export function describeRuns(runs: readonly RunResult[], catalog: Catalog, except: readonly string[]): string {
  const backend = runs.flatMap(({ config }) => backendWords(config, catalog, except));
  const workload = runs.flatMap(run => workloadWords(run, catalog, except));
  return [join(backend, ', '), join(workload, ' ')].filter(part => part !== '').join(': ');
}

function backendWords(config: Config, catalog: Catalog, except: readonly string[]): string[] {
  const kernel = wordAt(config, except, 'backend', 'kernel');
  return [wordAt(config, except, 'backend', 'name'), kernel === '' ? '' : `kernel ${kernel}`, ...machineOptions(config, catalog, except)];
}

function workloadWords({ config, guestMode }: RunResult, catalog: Catalog, except: readonly string[]): string[] {
  const mode = guestMode === undefined || except.includes(GUEST_MODE) ? '' : `(guest mode ${guestMode})`;
  return [wordAt(config, except, 'workload', 'name'), ...workloadOptions(config, catalog, except), mode];
}

function wordAt(config: Config, except: readonly string[], ...path: string[]): string {
  return except.includes(path.join('.')) ? '' : textAt(config, ...path);
}

type Config = RunResult['config'];

/** Words joined, each once. */
function join(words: readonly string[], separator: string): string {
  return [...new Set(words)].filter(word => word !== '').join(separator);
}

function textAt(config: Config, ...path: string[]): string {
  const value = configValue(config, ...path);
  return typeof value === 'string' ? value : '';
}

/**
 * Whether a setting has, in every run, the value that its kernel or its backend's usual host has: then kernels and backends say it all. A backend without such a
 * setting has it so too.
 */
export function followsFromKernel(path: string, runs: readonly RunResult[], catalog: Catalog): boolean {
  const place = ['backend.options.', 'host.'].find(prefix => path.startsWith(prefix));
  if (place === undefined) return false;
  const name = path.slice(place.length);
  return runs.every(({ config }) => {
    const backend = backendOf(config, catalog.backends);
    if (backend === undefined) return false;
    const implied = place === 'host.' ? usualHost(config, backend, catalog) : kernelOptions(config, backend);
    return implied[name] === configValue(config, ...path.split('.'));
  });
}

function hostMemory(config: Config, backend: BackendDefinition, catalog: Catalog): OptionValues {
  return catalog.hostMemory?.(backend, textAt(config, 'backend', 'kernel')) ?? {};
}

/** The host as a run with this kernel has it when nobody says otherwise. */
function usualHost(config: Config, backend: BackendDefinition, catalog: Catalog): OptionValues {
  return { ...defaultsOf(backend.hostOptions), ...hostMemory(config, backend, catalog) };
}

function backendOf(config: Config, backends: Catalog['backends']): BackendDefinition | undefined {
  return backends.find(candidate => candidate.name === textAt(config, 'backend', 'name'));
}

/** Options as the kernel of a run has them. */
function kernelOptions(config: Config, backend: BackendDefinition): OptionValues {
  const kernel = kernelValues(backend, textAt(config, 'backend', 'kernel'));
  return { ...defaultsOf(backend.options), ...(typeof kernel === 'string' ? {} : kernel.values) };
}

/** What is not as the kernel profile has it, and what is not as on the usual host. */
function machineOptions(config: Config, catalog: Catalog, except: readonly string[]): string[] {
  const backend = backendOf(config, catalog.backends);
  if (backend === undefined) return [];
  const usual = kernelOptions(config, backend);
  const host = usualHost(config, backend, catalog);
  const isUsual = (values: OptionValues, name: string, value: unknown): boolean => values[name] === undefined || values[name] === value;
  return [
    ...optionsAt(config, ['backend', 'options'], except, (name, value) => !isUsual(usual, name, value)),
    ...optionsAt(config, ['host'], except, (name, value) => !isUsual(host, name, value)),
  ];
}

function workloadOptions(config: Config, { workloads }: Catalog, except: readonly string[]): string[] {
  const workload = workloads.find(candidate => candidate.name === textAt(config, 'workload', 'name'));
  const usual = defaultsOf(workload?.options ?? []);
  return optionsAt(config, ['workload', 'options'], except, (name, value) => ALWAYS_SAID.includes(name) || usual[name] !== value);
}

function optionsAt(config: Config, path: readonly string[], except: readonly string[], isSaid: (name: string, value: unknown) => boolean): string[] {
  const options = configValue(config, ...path);
  if (!isRecord(options)) return [];
  const shown = Object.entries(options).filter(([name, value]) => isSaid(name, value) && !except.includes([...path, name].join('.')));
  return shown.map(([name, value]) => `${name}=${settingText(name, value)}`);
}

function defaultsOf(specs: readonly OptionSpec[]): OptionValues {
  return Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
}
