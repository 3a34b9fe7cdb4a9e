/**
 * A run as the controls of a page have it: names, and the values in which it differs from what backend, kernel and workload have by themselves, so that another kernel
 * brings its own values along.
 */
import { formatSize, type BackendDefinition, type OptionSpec, type OptionValues, type WorkloadDefinition } from '@mmulab/api';
import {
  commandLineConfig,
  hostOptionSpecs,
  resolveRuns,
  splitCommand,
  type RawConfig,
  type RawWorkload,
  type Registry,
  type ResolvedRun,
} from '@mmulab/runner';

/** Values by option, as typed. */
export type Typed = Readonly<Record<string, string>>;

export interface LabConfig {
  readonly backend: string;
  readonly kernel: string;
  readonly options: Typed;
  readonly host: Typed;
  readonly workload: string;
  readonly workloadOptions: Typed;
  readonly seed: number;
}

/** The config that the controls stand for. */
function rawConfig({ backend, kernel, options, host, workload, workloadOptions, seed }: LabConfig): RawConfig {
  return { backend: { name: backend, kernel, options }, host, workload: { name: workload, options: workloadOptions }, seed };
}

/** The run that the controls stand for. @throws typed errors for what is wrong with them */
export function resolveLab(config: LabConfig, registry: Registry): ResolvedRun {
  const [run] = resolveRuns(rawConfig(config), registry);
  return run;
}

/** The controls for a run. */
export function labConfigOf(run: ResolvedRun, registry: Registry): LabConfig {
  const { backend, host, workload, seed } = run;
  const own = ownValues(backend.name, backend.kernel, workload.name, registry);
  return {
    backend: backend.name,
    kernel: backend.kernel,
    options: differing(backend.options, own?.backend.options, registry.backend(backend.name).options),
    host: differing(host, own?.host, hostOptionSpecs(registry.backend(backend.name))),
    workload: workload.name,
    workloadOptions: differing(workload.options, own?.workload.options, registry.workload(workload.name).options),
    seed,
  };
}

/** The workload that a command line of a test means. @throws typed errors for unknown tests and flags */
export function workloadOf(command: string, registry: Registry): Pick<LabConfig, 'workload' | 'workloadOptions'> {
  const { workload } = commandLineConfig(splitCommand(command), registry) as { readonly workload: RawWorkload };
  return { workload: workload.name ?? '', workloadOptions: typed(workload.options ?? {}) };
}

/** What there is to choose from. */
export interface Choices {
  readonly backends: readonly BackendDefinition[];
  readonly workloads: readonly WorkloadDefinition[];
  readonly hostOptions: (backend: string) => readonly OptionSpec[];
}

export function choicesOf(registry: Registry): Choices {
  return { backends: registry.backends(), workloads: registry.workloads(), hostOptions: backend => hostOptionSpecs(registry.backend(backend)) };
}

/** What a run has when nothing is said but names; undefined where those do not go together without more. */
export function ownValues(backend: string, kernel: string, workload: string, registry: Registry): ResolvedRun | undefined {
  try {
    return resolveRuns({ backend: { name: backend, kernel }, workload: { name: workload } }, registry)[0];
  } catch {
    return undefined;
  }
}

function differing(values: OptionValues, own: OptionValues | undefined, specs: readonly OptionSpec[]): Typed {
  const sizes = new Set(specs.filter(({ kind }) => kind === 'size').map(({ name }) => name));
  const others = Object.entries(values).filter(([name, value]) => own?.[name] !== value);
  return typed(Object.fromEntries(others.map(([name, value]) => [name, sizes.has(name) ? formatSize(Number(value)) : value])));
}

function typed(values: Readonly<Record<string, unknown>>): Typed {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
