/**
 * From the work of a phase to its time: the model's terms become a closed network, a solver solves it, host effects come on top. The interval is the delta
 * method on the logarithm of the time, over parameters and host factors; it is deterministic.
 */
import type { ContentionSolver, Network, PhaseTime, PhaseWork, Station } from '@mmulab/api';
import { impossibleTime } from './errors';
import { plainName, type Expression, type Scope } from './expressions';
import type { CarriedWork } from './carried';
import type { HostFacts } from './host';
import type { Model, Parameter, PhaseRule, StationTerm } from './model';

/** Scatter of published repeats: no figure is known better. */
export const NOISE_SIGMA = 0.063;
/** What a model of this form leaves out: with the scatter it makes up what tables are off by that models fitted on the others predict (docs/fidelity-time.md). */
export const MODEL_SIGMA = 0.05;
/** Nominal 90 % of a normal distribution on either side. */
const Z90 = 1.645;
/** Step of the numerical derivatives of ln(time). */
const STEP = 1e-3;

/** Values of the parameters by key, in SI units, with the factors of the machine as `host.cpu` and so on. */
export type ParameterValues = ReadonlyMap<string, number>;

/** The work of a phase; what earlier phases left behind counts as none where it is not known. */
export type PricedWork = PhaseWork &
  Partial<Pick<CarriedWork, 'carried'>> & {
    /** Error of ln(time) by what chance decides: the spread over seeds. */
    readonly spread?: number;
  };

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

/** The rule for a phase; undefined where the model has none. */
export function ruleFor(model: Model, phase: string): PhaseRule | undefined {
  return model.rules.find(rule => rule.phases.test(phase));
}

/** Covariance of the logarithms of two costs, by name. */
export type Covariance = (a: string, b: string) => number;

/** Values and how sure they are. */
export interface Belief {
  /** In SI units; factors plain. */
  readonly values: ReadonlyMap<string, number>;
  readonly covariance: Covariance;
}

/** What a time is made from. */
export interface PriceRequest {
  readonly model: Model;
  readonly work: PricedWork;
  readonly host: HostFacts;
  readonly solver: ContentionSolver;
  /** Parameters by key, and `host.cpu`, `host.line` ... for the factors of the machine; a factor that is missing is 1. */
  readonly values: ParameterValues;
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
  const network = networkOf(rule, scope, request.work.vcpus);
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

/** Values of all names that expressions of a model use in a phase. */
export function scopeOf({ model, work, host, values }: PriceRequest): Scope {
  const scope: Scope = new Map(countsOf(model, work));
  for (const [name, fact] of Object.entries({ ...host })) scope.set(name, fact);
  for (const parameter of model.parameters) scope.set(parameter.name, valueOn(parameter, values));
  for (const { name, expression } of model.named) scope.set(name, expression.evaluate(scope));
  return scope;
}

/** Counts of a phase by the names a model has for them: a fit prices a phase thousands of times. */
const countsByWork = new WeakMap<PricedWork, WeakMap<Model, readonly (readonly [string, number])[]>>();

function countsOf(model: Model, work: PricedWork): readonly (readonly [string, number])[] {
  const byModel = countsByWork.get(work) ?? new WeakMap<Model, readonly (readonly [string, number])[]>();
  const known = byModel.get(model) ?? allCountsOf(work).filter(([name]) => leavesOf(model).has(name));
  countsByWork.set(work, byModel.set(model, known));
  return known;
}

function allCountsOf(work: PricedWork): readonly (readonly [string, number])[] {
  const { reads, writes, executes } = work.accesses;
  const access = { accesses: reads + writes + executes, accesses__read: reads, accesses__write: writes, accesses__execute: executes };
  return [
    ...Object.entries(work.vcpu).map(([name, count]) => [plainName(name), count] as const),
    ...Object.entries(work.host).map(([name, count]) => [plainName(`host.${name}`), count] as const),
    ...Object.entries({ ...access, ...stateOf(work), vcpus: work.vcpus }),
  ];
}

const leavesByModel = new WeakMap<Model, ReadonlySet<string>>();

/** Everything that is no expression, of all expressions of a model. */
function leavesOf(model: Model): ReadonlySet<string> {
  const known =
    leavesByModel.get(model) ??
    new Set([...model.named.map(({ expression }) => expression), ...model.rules.flatMap(expressionsOf)].flatMap(({ needs }) => [...needs]));
  leavesByModel.set(model, known);
  return known;
}

function expressionsOf({ delays, stations, extra, serial, holds }: PhaseRule): readonly Expression[] {
  return [
    ...[...delays, ...extra, ...serial].map(({ expression }) => expression),
    ...stations.flatMap(({ visits, service }) => [visits, service]),
    ...(holds === undefined ? [] : [holds]),
  ];
}

/** Parameters, and factors of the machine, that a phase's time may depend on. */
export function costsOf(model: Model, phase: string): ReadonlySet<string> {
  const rule = ruleFor(model, phase);
  const needs = new Set(rule === undefined ? [] : expressionsOf(rule).flatMap(expression => [...expression.needs]));
  const used = model.parameters.filter(({ name }) => needs.has(plainName(name)));
  return new Set(used.flatMap(({ key, hostFactor }) => (hostFactor === undefined ? [key] : [key, `host.${hostFactor}`])));
}

/** Names of models that are no counters: frames under test, bits set in the dirty log, vCPUs whether they run or not. */
function stateOf({ vcpus, pages, carried }: PricedWork): Readonly<Record<string, number>> {
  return {
    pages,
    dirty_pages: carried?.dirtyPages ?? 0,
    small_pages: carried?.smallPages ?? 0,
    log_reads: carried?.logReads ?? 0,
    vm_vcpus: carried?.vcpus ?? vcpus,
  };
}

function valueOn({ key, value, hostFactor }: Parameter, values: ParameterValues): number {
  const own = values.get(key) ?? value;
  return hostFactor === undefined ? own : own * (values.get(`host.${hostFactor}`) ?? 1);
}

/** The network that a rule makes of a phase. */
export function networkFor(request: PriceRequest, rule: PhaseRule): Network {
  return networkOf(rule, scopeOf(request), request.work.vcpus);
}

function networkOf(rule: PhaseRule, scope: Scope, customers: number): Network {
  const thinkS = rule.delays.reduce((sum, { expression }) => sum + expression.evaluate(scope), 0);
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

/** Derivatives of ln(time) by the logarithms of costs. @param timeS where they are taken */
export function slopesOf(request: PriceRequest, names: readonly string[], timeS: number): readonly number[] {
  if (timeS <= 0) return names.map(() => 0);
  const costs = costsOf(request.model, request.work.phase);
  const value = (name: string): number => request.values.get(name) ?? request.model.parameters.find(({ key }) => key === name)?.value ?? 1;
  return names.map(name => {
    if (!costs.has(name)) return 0;
    const values = new Map([...request.values, [name, value(name) * Math.exp(STEP)]]);
    return Math.log((priceOf({ ...request, values })?.timeS ?? timeS) / timeS) / STEP;
  });
}

/** The time of a phase with its interval. */
export function predict(request: Omit<PriceRequest, 'values'>, { values, covariance }: Belief): Prediction | undefined {
  const priced = priceOf({ ...request, values });
  if (priced === undefined) return undefined;
  const names = [...costsOf(request.model, request.work.phase)];
  const slopes = slopesOf({ ...request, values }, names, priced.timeS);
  let variance = NOISE_SIGMA ** 2 + MODEL_SIGMA ** 2 + (request.work.spread ?? 0) ** 2;
  names.forEach((a, i) => names.forEach((b, j) => (variance += (slopes[i] ?? 0) * (slopes[j] ?? 0) * covariance(a, b))));
  const sigma = Math.sqrt(variance);
  const width = Math.exp(Z90 * sigma);
  const moving = request.model.parameters.filter(({ key }) => Math.abs(slopes[names.indexOf(key)] ?? 0) > MOVES);
  return { ...priced, sigma, lowS: priced.timeS / width, highS: priced.timeS * width, basis: basisOf(moving) };
}

/** A parameter moves the time when a doubling changes it by more than a thirtieth or so. */
const MOVES = 0.05;

/** As sure as the least sure of the parameters that move the time. */
function basisOf(parameters: readonly Parameter[]): PhaseTime['basis'] {
  if (parameters.some(({ origin }) => origin.startsWith('uncalibrated'))) return 'uncalibrated';
  return parameters.every(({ origin }) => origin.startsWith('fitted')) ? 'calibrated' : 'prior';
}
