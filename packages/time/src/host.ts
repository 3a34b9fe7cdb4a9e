/**
 * The machine a time is predicted for: its size, and how it differs from the one the model was fitted on. A factor multiplies every parameter of its kind.
 */
import { suggestName } from '@mmulab/api';
import { modelShape, modelUnknownKey } from './errors';
import { isMap, parseYaml } from './shape';

/** Kinds of costs that differ from host to host. */
export const FACTORS = ['cpu', 'line', 'memory', 'flush', 'clear', 'ops'] as const;
export type Factor = (typeof FACTORS)[number];

/** Size of a machine. */
export interface HostFacts {
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

/** A factor and its error: the standard deviation of its logarithm. */
export interface HostFactor {
  readonly value: number;
  readonly sigma: number;
}

/** A machine. */
export interface Host {
  readonly facts: HostFacts;
  readonly factors: Readonly<Record<Factor, HostFactor>>;
  /** Error that all uncertain factors have in common: a machine or a kernel that is slower at everything. */
  readonly commonSigma: number;
}

const FACTS = ['sockets', 'cores', 'threads'] as const;
const HOST_KEYS: readonly string[] = ['name', 'doc', 'factors', 'models', 'common', ...FACTS];

/** Errors of the factors on a machine nothing is known of, beside what they have in common. */
export const PRIOR_SIGMA: Readonly<Record<Factor, number>> = { cpu: 0.12, line: 0.18, memory: 0.25, flush: 0.35, clear: 0.5, ops: 0.25 };
/** What they have in common. */
export const COMMON_SIGMA = 0.3;
/** How much of it each has: the host's clearing depends on its memory and its kernel's debugging more than on its CPU. */
export const COMMON_SHARE: Readonly<Record<Factor, number>> = { cpu: 1, line: 1, memory: 1, flush: 1, clear: 0.5, ops: 1 };

const allFactors = (sigmaOf: (factor: Factor) => number): Host['factors'] =>
  Object.fromEntries(FACTORS.map(name => [name, { value: 1, sigma: sigmaOf(name) }])) as Host['factors'];

/** Every factor 1 and exact: the machine the model was fitted on. */
export function sameHost(facts: HostFacts): Host {
  return { facts, factors: allFactors(() => 0), commonSigma: 0 };
}

/** A machine nothing is known of: factors as errors of the prior have it. @param typical what machines of its kind have on average; 1 where it says nothing */
export function otherHost(facts: HostFacts, typical: Readonly<Partial<Record<Factor, number>>> = {}): Host {
  const factors = FACTORS.map(name => [name, { value: typical[name] ?? 1, sigma: PRIOR_SIGMA[name] }]);
  return { facts, factors: Object.fromEntries(factors) as Host['factors'], commonSigma: COMMON_SIGMA };
}

/**
 * Reads a host file: `sockets`, `cores`, `threads`, `factors: { cpu: 0.8, line: { value: 1.5, sigma: 0.35 } }`.
 * Factors are relative to the machine of a model: `models: { NAME: { cpu: 0.8 } }` says them for one of them. `common: 0.3` is the error that all have in common.
 * @param defaults what holds where the file says nothing
 * @param model whose factors are wanted
 * @throws MODEL_SHAPE, MODEL_UNKNOWN_KEY
 */
export function readHost(text: string, place: string, defaults: HostFacts, model?: string): Host {
  const raw: unknown = parseYaml(text, place);
  if (!isMap(raw)) throw modelShape(place, raw, 'a map with sockets, cores, threads and factors');
  const other = Object.keys(raw).find(key => !HOST_KEYS.includes(key));
  if (other !== undefined) throw modelUnknownKey(place, other, suggestName(other, HOST_KEYS));
  const facts = readFacts(raw, place, defaults);
  const { models = {} } = raw;
  if (!isMap(models)) throw modelShape(`${place}: models`, models, 'a map of factors by model');
  const factors = (model === undefined ? undefined : models[model]) ?? raw['factors'] ?? {};
  if (!isMap(factors)) throw modelShape(`${place}: factors`, factors, `a map of ${FACTORS.join(', ')}`);
  const stranger = Object.keys(factors).find(key => !(FACTORS as readonly string[]).includes(key));
  if (stranger !== undefined) throw modelUnknownKey(`${place}: factors`, stranger, suggestName(stranger, FACTORS));
  const read = FACTORS.map(name => [name, readFactor(factors[name], `${place}: factors.${name}`, PRIOR_SIGMA[name])]);
  const isUnsaid = FACTORS.every(name => factors[name] === undefined);
  const { common = isUnsaid ? COMMON_SIGMA : 0 } = raw;
  if (typeof common !== 'number' || !(common >= 0) || !Number.isFinite(common)) throw modelShape(`${place}: common`, common, 'a number, 0 or more');
  return { facts, factors: Object.fromEntries(read) as Host['factors'], commonSigma: common };
}

/** Facts of a map, checked: positive whole numbers, no more sockets than cores, no more cores than threads. */
export function readFacts(raw: Readonly<Record<string, unknown>>, place: string, defaults: HostFacts): HostFacts {
  const [sockets, cores, threads] = FACTS.map(name => {
    const value = raw[name] ?? defaults[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
      throw modelShape(`${place}: ${name}`, value, 'a whole number of at least 1');
    return value;
  }) as [number, number, number];
  if (cores < sockets || threads < cores) throw modelShape(place, { sockets, cores, threads }, 'sockets <= cores <= threads');
  return { sockets, cores, threads };
}

function readFactor(raw: unknown, place: string, priorSigma: number): HostFactor {
  if (raw === undefined) return { value: 1, sigma: priorSigma };
  const { value, sigma } = isMap(raw) ? raw : { value: raw, sigma: 0.1 };
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) throw modelShape(place, value, 'a number above 0');
  const error = sigma ?? priorSigma;
  if (typeof error !== 'number' || !(error >= 0) || !Number.isFinite(error)) throw modelShape(`${place}.sigma`, error, 'a number, 0 or more');
  return { value, sigma: error };
}
