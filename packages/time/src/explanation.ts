/**
 * A time taken apart: what each term of the model says and gives, who waits for which station, which counters it came from, and what each cost has to do with the time
 * and with its interval.
 */
import { plainName } from './expressions';
import {
  MODEL_SIGMA,
  NOISE_SIGMA,
  networkFor,
  predict,
  priceOf,
  ruleFor,
  scopeOf,
  slopesOf,
  type Belief,
  type Prediction,
  type PriceRequest,
} from './prediction';

/** A term of a model at work. */
export interface ExplainedTerm {
  readonly name: string;
  readonly kind: 'delay' | 'station' | 'extra' | 'serial';
  /** As the model has it; of a station visits and service. */
  readonly expression: string;
  readonly seconds: number;
  /** Of `seconds`, those of waiting for others. */
  readonly waitingS: number;
  /** Share of the time that a station is busy. */
  readonly utilisation: number | undefined;
}

/** A cost at work. */
export interface ExplainedCost {
  readonly name: string;
  /** In SI units, the machine's factor applied. */
  readonly value: number;
  readonly isTime: boolean;
  /** Per cent that the time changes by when the cost changes by one. */
  readonly slope: number;
  /** Share of the variance of ln(time). */
  readonly varianceShare: number;
  readonly origin: string;
  readonly doc: string;
}

/** A number that an expression of the rule names. */
export interface ExplainedCount {
  readonly name: string;
  readonly value: number;
}

/** A time taken apart. */
export interface Explanation {
  readonly prediction: Prediction;
  readonly rule: string;
  readonly terms: readonly ExplainedTerm[];
  readonly counts: readonly ExplainedCount[];
  readonly costs: readonly ExplainedCost[];
  /** Share of the variance of ln(time) that is no cost's: scatter of measurements, and what models leave out. */
  readonly scatterShare: number;
}

/** Takes the time of a phase apart; undefined where the model has no rule for it. */
export function explainTime(request: Omit<PriceRequest, 'values'>, belief: Belief): Explanation | undefined {
  const rule = ruleFor(request.model, request.work.phase);
  const whole = { ...request, values: belief.values };
  const prediction = predict(request, belief);
  const priced = priceOf(whole);
  if (rule === undefined || prediction === undefined || priced === undefined) return undefined;
  const network = networkFor(whole, rule);
  const utilisation = network.customers > 0 ? request.solver.solve(network).utilisation : [];
  const given = (name: string): number => priced.terms[name] ?? 0;
  const stationOf = new Map(network.stations.map(({ name, demandS }, i) => [name, { demandS, busy: utilisation[i] }]));
  const plain = (kind: 'delay' | 'extra' | 'serial', terms: typeof rule.delays): ExplainedTerm[] =>
    terms.map(({ name, expression }) => ({ name, kind, expression: expression.text, seconds: given(name), waitingS: 0, utilisation: undefined }));
  const stations = rule.stations.map(({ name, visits, service }): ExplainedTerm => {
    const { demandS = 0, busy } = stationOf.get(name) ?? {};
    return {
      name,
      kind: 'station',
      expression: `(${visits.text}) x (${service.text})`,
      seconds: given(name),
      waitingS: Math.max(0, given(name) - demandS),
      utilisation: busy,
    };
  });
  return {
    prediction,
    rule: rule.name,
    terms: [...plain('delay', rule.delays), ...stations, ...plain('extra', rule.extra), ...plain('serial', rule.serial)],
    counts: countsNamed(whole, rule),
    ...costsAtWork(whole, belief, prediction.sigma),
  };
}

/** Counters and facts that the rule's expressions need, in the order of their first mention. */
function countsNamed(request: PriceRequest, { delays, stations, extra, serial }: NonNullable<ReturnType<typeof ruleFor>>): readonly ExplainedCount[] {
  const expressions = [...delays, ...extra, ...serial].map(({ expression }) => expression);
  const needed = new Set([...expressions, ...stations.flatMap(({ visits, service }) => [visits, service])].flatMap(({ needs }) => [...needs]));
  const parameters = new Set(request.model.parameters.map(({ name }) => plainName(name)));
  const scope = scopeOf(request);
  return [...needed]
    .filter(name => !parameters.has(name) && name !== 'n' && name !== 'alone')
    .map(name => ({ name: name.replaceAll('__', '.'), value: scope.get(name) ?? 0 }))
    .filter(({ value }) => value !== 0);
}

function costsAtWork(request: PriceRequest, belief: Belief, sigma: number): Pick<Explanation, 'costs' | 'scatterShare'> {
  const { parameters } = request.model;
  const names = [...belief.values.keys()];
  const timeS = priceOf(request)?.timeS ?? 0;
  const slopes = slopesOf(request, names, timeS);
  const variance = sigma ** 2;
  const shareOf = (name: string): number => {
    const own = slopes[names.indexOf(name)] ?? 0;
    return names.reduce((sum, other, i) => sum + own * (slopes[i] ?? 0) * belief.covariance(name, other), 0) / variance;
  };
  const costs = parameters.map(({ key, name, dimension, hostFactor, origin, doc }) => {
    const factor = hostFactor === undefined ? 1 : (belief.values.get(`host.${hostFactor}`) ?? 1);
    return {
      ...{ name, isTime: dimension === 1, origin, doc, value: (belief.values.get(key) ?? 0) * factor },
      ...{ slope: slopes[names.indexOf(key)] ?? 0, varianceShare: shareOf(key) },
    };
  });
  const factors = names
    .filter(name => name.startsWith('host.'))
    .map(name => ({
      ...{ name, isTime: false, origin: 'machine', doc: `factor of the machine`, value: belief.values.get(name) ?? 1 },
      ...{ slope: slopes[names.indexOf(name)] ?? 0, varianceShare: shareOf(name) },
    }));
  return {
    costs: [...costs, ...factors].filter(({ slope }) => Math.abs(slope) > 1e-4),
    scatterShare: (NOISE_SIGMA ** 2 + MODEL_SIGMA ** 2 + (request.work.spread ?? 0) ** 2) / variance,
  };
}
