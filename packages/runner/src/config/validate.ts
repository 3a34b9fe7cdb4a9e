/**
 * From a config to runs with every value resolved: defaults, then the kernel's profile, then what the user says.
 */
import { suggestName, type BackendDefinition, type OptionSpec, type OptionValues, type WorkloadDefinition } from '@mmulab/api';
import { conflict, missingInConfig, modelOfOtherBackend, noBackend, timeWithoutModel, unknownOption } from '../errors';
import { patchNames } from '../compose';
import type { Registry } from '../registry';
import { hostMemoryValues } from '../host/releases';
import { givenNames, inGivenNames } from './given-names';
import { hostOptionSpecs } from './host-options';
import { resolveKernel } from './kernel';
import { expandMatrix, readMatrix, type MatrixAxis, type VariedValues } from './matrix';
import { findOption, optionNames, readOption, readOptions } from './option-values';
import { backendOf, type NormalConfig } from './normal-config';
import { readThresholds } from './thresholds';
import type { RawConfig, RawOptions, ResolvedRun } from './types';

const VCPUS = 'vcpus';
const DEFAULT_SEED = 1;
const DEFAULT_SOLVER = 'mva';
const seedOption: OptionSpec = {
  kind: 'number',
  name: 'seed',
  default: DEFAULT_SEED,
  min: 0,
  max: 2 ** 32 - 1,
  integer: true,
  doc: 'Seed of everything random.',
};

/** More runs than anybody waits for. */
const MAX_SEEDS = 1000;
const representativeOption: OptionSpec = { kind: 'flag', name: 'representative', default: 'N', doc: 'One vCPU for all equal ones.' };
const seedsOption: OptionSpec = { kind: 'number', name: 'seeds', default: 1, min: 1, max: MAX_SEEDS, integer: true, doc: 'Seeds to run with.' };

/**
 * Resolves a config to the runs it means, in the order of its matrix.
 * @throws typed errors for everything that is wrong with it, the first one found; nothing is skipped
 */
export function resolveRuns(raw: RawConfig, registry: Registry): readonly ResolvedRun[] {
  if (registry.backends().length === 0) throw noBackend();
  return expandMatrix(raw, registry).map(({ config, variation }) => resolveRun(config, variation, registry));
}

/** The runs of a config, each resolved when it is asked for. */
export interface RunMatrix {
  readonly size: number;
  readonly axes: readonly MatrixAxis[];
  /** What `vary` and `zip` set in a run. */
  varied(run: number): VariedValues;
  /** @throws typed errors for everything that is wrong with this run */
  resolve(run: number): ResolvedRun;
  /** The run at these positions along the axes, in a sample or not. @throws as `resolve` */
  resolveAt(positions: readonly number[]): ResolvedRun;
}

/**
 * Reads the matrix of a config without expanding it.
 * @throws typed errors for a wrong shape or matrix; what is wrong with single runs shows when they are resolved
 */
export function openMatrix(raw: RawConfig, registry: Registry): RunMatrix {
  if (registry.backends().length === 0) throw noBackend();
  const matrix = readMatrix(raw, registry);
  const resolveAt = (positions: readonly number[]): ResolvedRun => {
    const { config, variation } = matrix.variant(positions);
    return resolveRun(config, variation, registry);
  };
  return {
    size: matrix.size,
    axes: matrix.axes,
    varied: run => matrix.varied(matrix.positions(run)),
    resolve: run => resolveAt(matrix.positions(run)),
    resolveAt,
  };
}

/** The config of a resolved run: running it gives the same result. */
export function resolvedConfig(run: ResolvedRun): Readonly<Record<string, unknown>> {
  const { name, backend, host, workload, seed, seeds, representative, plugins, time } = run;
  const timed = time === undefined ? {} : { time };
  return {
    name,
    ...(plugins.length === 0 ? {} : { plugins }),
    backend,
    host,
    vm: { vcpus: workload.options[VCPUS] ?? 1 },
    workload,
    ...timed,
    seed,
    ...(seeds === undefined ? {} : { seeds }),
    ...(representative === undefined ? {} : { representative: 'Y' }),
  };
}

/** One backend on one machine, every value resolved: a run without a workload. */
export type ResolvedMachine = Pick<ResolvedRun, 'variation' | 'backend' | 'host' | 'givenAs' | 'notes'>;

/**
 * Resolves what a config says of backend and host, in the order of its matrix; a workload it may name is left alone.
 * @throws typed errors for everything that is wrong with it
 */
export function resolveMachines(raw: RawConfig, registry: Registry): readonly ResolvedMachine[] {
  if (registry.backends().length === 0) throw noBackend();
  return expandMatrix(raw, registry).map(({ config, variation }) => resolveMachine(config, variation, registry));
}

function resolveMachine(config: NormalConfig, variation: string, registry: Registry): ResolvedMachine {
  const definition = backendOf(config, registry);
  const { name: kernel, values, note } = resolveKernel(definition, config.backend.kernel, 'backend.kernel');
  const { patch } = config.backend;
  const patches = registry.patchesOf(definition.name, patchNames(patch));
  const patchedValues = patches.reduce<OptionValues>((sum, one) => ({ ...sum, ...one.definition.values }), values);
  const options = readOptions(definition.options, patchedValues, config.backend.options ?? {}, definition.name, 'backend.options');
  const hostSpecs = hostOptionSpecs(definition);
  const host = readOptions(hostSpecs, hostMemoryValues(definition, kernel), config.host ?? {}, `the host of ${definition.name}`, 'host');
  const givenAs = givenNames([
    [definition.options, config.backend.options ?? {}],
    [hostSpecs, config.host ?? {}],
  ]);
  inGivenNames(givenAs, () => {
    definition.check(options, host);
  });
  return {
    variation,
    backend: { name: definition.name, kernel, options, ...(patch === undefined ? {} : { patch }) },
    host,
    ...(givenAs === undefined ? {} : { givenAs }),
    notes: note === undefined ? [] : [note],
  };
}

function resolveRun(config: NormalConfig, variation: string, registry: Registry): ResolvedRun {
  const workload = resolveWorkload(config, registry);
  const machine = resolveMachine(config, variation, registry);
  const time = resolveTime(config, backendOf(config, registry), registry);
  const seeds = readOption(seedsOption, config.seeds ?? 1, 'seeds') as number;
  return {
    name: config.name ?? workload.name,
    ...machine,
    workload,
    seed: readOption(seedOption, config.seed ?? DEFAULT_SEED, 'seed') as number,
    ...(seeds > 1 ? { seeds } : {}),
    ...(readOption(representativeOption, config.representative ?? 'N', 'representative') === 'Y' ? { representative: true as const } : {}),
    thresholds: readThresholds(config.thresholds ?? {}, backendOf(config, registry)),
    ...(time === undefined ? {} : { time }),
    plugins: config.plugins ?? [],
  };
}

const timeVcpusOption: OptionSpec = { kind: 'number', name: 'vcpus', doc: 'Equal vCPUs.', default: 1, min: 1, max: 65536, integer: true };

/** Model and solver, looked up and checked before anything runs. */
function resolveTime({ time }: NormalConfig, definition: BackendDefinition, registry: Registry): ResolvedRun['time'] {
  if (time?.model === undefined) {
    const [key] = Object.entries(time ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (key !== undefined) throw timeWithoutModel(key, String(time?.[key as 'solver']));
    return undefined;
  }
  const { solver = DEFAULT_SOLVER, machine } = time;
  const model = registry.model(time.model);
  if (!model.backends.includes(definition.name)) throw modelOfOtherBackend(model.name, definition.name, model.backends);
  model.check(
    definition.events.map(event => event.name),
    machine,
  );
  registry.solver(solver);
  const vcpus = time.vcpus === undefined ? {} : { vcpus: readOption(timeVcpusOption, time.vcpus, 'time.vcpus') as number };
  return { model: time.model, solver, ...(machine === undefined ? {} : { machine }), ...vcpus };
}

function resolveWorkload(config: NormalConfig, registry: Registry): ResolvedRun['workload'] {
  const { name } = config.workload;
  const known = registry.workloads().map(workload => workload.name);
  if (name === undefined) throw missingInConfig('workload', `a command line of a test, or the name of a workload (known: ${known.join(', ')})`);
  const definition = registry.workload(name);
  const user = withVcpus(config, definition);
  return { name, options: readOptions(definition.options, {}, user, name, 'workload.options') };
}

/** vm.vcpus is another place for the workload's own option. */
function withVcpus(config: NormalConfig, definition: WorkloadDefinition): RawOptions {
  const { options } = config.workload;
  const vcpus = config.vm?.vcpus;
  if (vcpus === undefined) return options;
  const spec = findOption(definition.options, VCPUS);
  if (spec === undefined) throw unknownOption('vm.vcpus', definition.name, suggestName(VCPUS, optionNames(definition.options)));
  const value = readOption(spec, vcpus, 'vm.vcpus');
  const named = Object.keys(options).find(key => findOption([spec], key) !== undefined);
  if (named !== undefined && readOption(spec, options[named], `workload.options.${named}`) !== value) {
    throw conflict('vm.vcpus', vcpus, `workload.options.${named}`, options[named]);
  }
  return { ...options, [named ?? VCPUS]: value };
}
