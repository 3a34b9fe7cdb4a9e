/**
 * From the work of a phase to its time: the model's terms become a closed network, a solver solves it, host effects come on top. The interval is the delta
 * method on the logarithm of the time, over parameters and host factors; it is deterministic.
 */
import type { PhaseTime, PhaseWork } from '@mmulab/api';
import { impossibleTime } from './errors';
import { plainName, type Scope } from './expressions';
import { FACTORS, type Factor, type Host } from './host';
import type { Model, Parameter, PhaseRule, StationTerm } from './model';
import type { Network, Solver, Station } from './solvers/network';

/** Scatter of published repeats: no figure is known better. */
export const NOISE_SIGMA = 0.063;
/** What a model of this form leaves out, on the kind of host it was fitted on. */
export const MODEL_SIGMA = 0.1;
/** Nominal 90 % of a normal distribution on either side. */
const Z90 = 1.645;
/** Step of the numerical derivatives of ln(time). */
const STEP = 1e-3;

/** Values of the parameters by name, in SI units, host factors not applied. */
export type ParameterValues = ReadonlyMap<string, number>;

/** A time and where it goes. */
export interface Priced {
  readonly timeS: number;
  /** Seconds by term; they add up to the time. */
  readonly terms: Readonly<Record<string, number>>;
  readonly bottleneck: string;
}

/** A time with what is known of its error. */
export interface Prediction extends Priced {
  readonly lowS: number;
  readonly highS: number;
  readonly sigma: number;
  readonly basis: PhaseTime['basis'];
}

/** The values a model comes with. */
export function valuesOf(model: Model): Map<string, number> {
  return new Map(model.parameters.map(({ name, value }) => [name, value]));
}

/** The rule for a phase; undefined where the model has none. */
export function ruleFor(model: Model, phase: string): PhaseRule | undefined {
  return model.rules.find(rule => rule.phases.test(phase));
}

/** What a time is made from. */
export interface PriceRequest {
  readonly model: Model;
  readonly work: PhaseWork;
  readonly host: Host;
  readonly solver: Solver;
  readonly values: ParameterValues;
  /** Multiplies every parameter of a kind, on top of the host's own factors. */
  readonly factors?: Readonly<Partial<Record<Factor, number>>>;
}

/**
 * The time of a phase.
 * @returns undefined where the model has no rule for the phase
 * @throws MODEL_IMPOSSIBLE_TIME when what comes out is no time
 */
export function priceOf(request: PriceRequest): Priced | undefined {
  const rule = ruleFor(request.model, request.work.phase);
  if (rule === undefined) return undefined;
  const scope = scopeOf(request);
  const terms = new Map<string, number>();
  const add = (name: string, seconds: number): void => {
    if (seconds !== 0) terms.set(name, (terms.get(name) ?? 0) + seconds);
  };
  for (const { name, expression } of rule.delays) add(name, expression.evaluate(scope));
  const network = networkOf(
    rule,
    scope,
    [...terms.values()].reduce((sum, s) => sum + s, 0),
    request.work.vcpus,
  );
  if (network.customers > 0 && (network.thinkS > 0 || network.stations.length > 0)) {
    const { residenceS } = request.solver.solve(network);
    network.stations.forEach(({ name }, i) => add(name, residenceS[i] ?? 0));
  }
  scope.set('alone', network.thinkS + network.stations.reduce((sum, { demandS }) => sum + demandS, 0));
  for (const { name, expression } of [...rule.extra, ...rule.serial]) add(name, expression.evaluate(scope));
  return summed(terms, `${request.model.name}: ${request.work.phase}`);
}

function summed(terms: ReadonlyMap<string, number>, place: string): Priced {
  const timeS = [...terms.values()].reduce((sum, s) => sum + s, 0);
  if (!Number.isFinite(timeS) || timeS < 0) throw impossibleTime(place, timeS);
  const [bottleneck = ''] = [...terms].sort(([, a], [, b]) => b - a)[0] ?? [];
  return { timeS, terms: Object.fromEntries(terms), bottleneck };
}

function scopeOf({ model, work, host, values, factors = {} }: PriceRequest): Scope {
  const scope: Scope = new Map();
  for (const [name, count] of Object.entries(work.vcpu)) scope.set(plainName(name), count);
  for (const [name, count] of Object.entries(work.host)) scope.set(plainName(`host.${name}`), count);
  const { reads, writes, executes } = work.accesses;
  const access = { accesses: reads + writes + executes, accesses__read: reads, accesses__write: writes, accesses__execute: executes };
  for (const [name, count] of Object.entries({ ...access, ...host.facts, vcpus: work.vcpus })) scope.set(name, count);
  for (const parameter of model.parameters) scope.set(parameter.name, valueOn(parameter, values, host, factors));
  for (const { name, expression } of model.named) scope.set(name, expression.evaluate(scope));
  return scope;
}

function valueOn(
  { name, value, hostFactor }: Parameter,
  values: ParameterValues,
  host: Host,
  factors: Readonly<Partial<Record<Factor, number>>>,
): number {
  const own = values.get(name) ?? value;
  return hostFactor === undefined ? own : own * host.factors[hostFactor].value * (factors[hostFactor] ?? 1);
}

function networkOf(rule: PhaseRule, scope: Scope, thinkS: number, customers: number): Network {
  const stations = rule.stations.map(term => stationOf(term, scope, customers)).filter(station => station.demandS > 0);
  return { customers, thinkS, stations };
}

function stationOf({ name, visits, service }: StationTerm, scope: Scope, customers: number): Station {
  scope.set('n', 1);
  const alone = service.evaluate(scope);
  const demandS = visits.evaluate(scope) * alone;
  if (!service.needs.has('n') || customers < 2 || alone <= 0) return { name, demandS };
  const slowdown = new Float64Array(customers + 1);
  for (let n = 1; n <= customers; n++) {
    scope.set('n', n);
    slowdown[n] = service.evaluate(scope) / alone;
  }
  return { name, demandS, slowdown };
}

/** How sure the parameters are: errors of their logarithms, by name or as a covariance. */
export type Covariance = (a: Parameter, b: Parameter) => number;

/** Independent errors, as the model's file states them. */
export const independent: Covariance = (a, b) => (a === b ? Math.log(a.factor) ** 2 : 0);

/**
 * The time of a phase with its interval.
 * @param covariance of the logarithms of the parameters
 */
export function predict(request: PriceRequest, covariance: Covariance = independent): Prediction | undefined {
  const priced = priceOf(request);
  if (priced === undefined) return undefined;
  const slope = (changed: Partial<PriceRequest>): number => {
    const { timeS } = priceOf({ ...request, ...changed }) ?? priced;
    return priced.timeS === 0 ? 0 : Math.log(timeS / priced.timeS) / STEP;
  };
  const { parameters } = request.model;
  const slopes = parameters.map(({ name, value }) =>
    slope({ values: new Map([...request.values, [name, (request.values.get(name) ?? value) * Math.exp(STEP)]]) }),
  );
  let variance = NOISE_SIGMA ** 2 + MODEL_SIGMA ** 2;
  parameters.forEach((a, i) => parameters.forEach((b, j) => (variance += (slopes[i] ?? 0) * (slopes[j] ?? 0) * covariance(a, b))));
  for (const name of FACTORS) {
    const { sigma } = request.host.factors[name];
    if (sigma > 0) variance += (slope({ factors: { [name]: Math.exp(STEP) } }) * sigma) ** 2;
  }
  const sigma = Math.sqrt(variance);
  const width = Math.exp(Z90 * sigma);
  return { ...priced, sigma, lowS: priced.timeS / width, highS: priced.timeS * width, basis: basisOf(parameters, slopes) };
}

/** As sure as the least sure parameter that moves the time by more than a twentieth. */
function basisOf(parameters: readonly Parameter[], slopes: readonly number[]): PhaseTime['basis'] {
  const origins = parameters.filter((_, i) => Math.abs(slopes[i] ?? 0) > 0.05).map(({ origin }) => origin);
  if (origins.some(origin => origin === 'uncalibrated')) return 'uncalibrated';
  return origins.every(origin => origin.startsWith('fitted')) ? 'calibrated' : 'prior';
}
