/**
 * Fits models to published or own figures: maximum a posteriori, ln(parameter) normal around its prior, by Levenberg-Marquardt; errors from the Jacobian and the
 * priors' precision. All models are fitted at once: they share the machines, and costs of one may be like those of another. The library fits y = f(x): x is the
 * number of a residual, priors are residuals after those of the figures.
 *
 * The library is an ES module: it is loaded by dynamic import, here and nowhere else.
 */
import type * as MlMatrix from 'ml-matrix';
import { beliefOf } from './belief';
import { tooFewFigures } from './errors';
import { COMMON_SHARE, sameHost, type Factor, type HostFactor } from './host';
import type { Model, Parameter } from './model';
import { MODEL_SIGMA, NOISE_SIGMA, priceOf, slopesOf, type Belief, type Covariance } from './prediction';
import { dependencesOf, parametersOf, unknownsOf, valuesAt, type Figure, type Unknown } from './unknowns';

/** Models fitted. */
export interface Fit extends Belief {
  /** Standard errors of the logarithms of the parameters that were fitted, by key. */
  readonly sigmas: ReadonlyMap<string, number>;
  /** Keys of parameters that figures depend on; the others follow those that they are like. */
  readonly told: ReadonlySet<string>;
  /** Factors of the other machines. */
  readonly machines: ReadonlyMap<string, Readonly<Partial<Record<Factor, HostFactor>>>>;
  /** Keys of parameters that ended on a border of their range. */
  readonly atBorder: readonly string[];
}

const STEP = 1e-4;
const ITERATIONS = 20;

interface Library {
  levenbergMarquardt: (
    data: { readonly x: readonly number[]; readonly y: readonly number[] },
    model: (parameters: number[]) => (x: number) => number,
    options: Readonly<Record<string, unknown>>,
  ) => { readonly parameterValues: readonly number[] };
}

/**
 * Fits the parameters of models whose prior error is not 1, and the factors of every other machine with their own priors.
 * @param whatever with fewer figures than parameters, too: what is not known is what the prior says
 * @throws CALIBRATE_TOO_FEW_FIGURES
 */
export async function calibrate(models: readonly Model[], figures: readonly Figure[], whatever = false): Promise<Fit> {
  // Where a table is held out, what no other table says of a cost is its prior, not the value that the held-out table gave it.
  const all = parametersOf(models).filter(({ factor }) => factor > 1);
  const told = touched(all, models, figures);
  const parameters = whatever ? all : withLikes(all, told);
  const unknowns = unknownsOf(parameters, figures);
  // A parameter with a prior of its own is one figure more.
  const keys = new Set(parameters.map(({ key }) => key));
  const needed = parameters.filter(({ origin, like }) => origin.startsWith('fitted ') && (like === undefined || !keys.has(like.key))).length;
  if (!whatever && figures.length < needed) throw tooFewFigures(figures.length, needed);
  // eslint-disable-next-line no-restricted-syntax -- an ES module alone: Node 20 has no other way; tests of it run the command
  const { levenbergMarquardt } = (await import('ml-levenberg-marquardt')) as unknown as Library;
  const residuals = residualsOf(unknowns, figures);
  const count = figures.length + unknowns.length;
  const { parameterValues } = levenbergMarquardt(
    { x: Array.from({ length: count }, (_, i) => i), y: new Array<number>(count).fill(0) },
    logs => {
      const values = residuals(logs);
      return x => values[x] ?? 0;
    },
    {
      initialValues: startOf(unknowns),
      minValues: unknowns.map(({ range }) => range[0]),
      maxValues: unknowns.map(({ range }) => range[1]),
      maxIterations: ITERATIONS,
      gradientDifference: STEP,
      damping: 0.01,
      errorTolerance: 1e-12,
      centralDifference: true,
    },
  );
  return { ...fitOf(models, unknowns, parameterValues, residuals), told };
}

/** A derivative of ln(time) below which a figure says nothing of a cost. */
const TOUCH = 0.002;

/** Keys of the parameters that a figure depends on. */
function touched(parameters: readonly Parameter[], models: readonly Model[], figures: readonly Figure[]): ReadonlySet<string> {
  const beliefs = new Map(models.map(model => [model, beliefOf([model], sameHost(model.host))]));
  const names = parameters.map(({ key }) => key);
  const seen = new Set<string>();
  for (const { request } of figures) {
    const whole = { ...request, values: beliefs.get(request.model)?.values ?? new Map<string, number>() };
    const timeS = priceOf(whole)?.timeS ?? 0;
    slopesOf(whole, names, timeS).forEach((slope, i) => Math.abs(slope) > TOUCH && seen.add(names[i] ?? ''));
  }
  return seen;
}

/** Those that figures depend on, and those that are like one of them; all others stay as they were. */
function withLikes(parameters: readonly Parameter[], told: ReadonlySet<string>): readonly Parameter[] {
  const known = new Set(told);
  for (let before = -1; before !== known.size;) {
    before = known.size;
    for (const { key, like } of parameters) if (like !== undefined && known.has(like.key)) known.add(key);
  }
  return parameters.filter(({ key }) => known.has(key));
}

/** Means of the priors; of one that is like another, the other's. */
function startOf(unknowns: readonly Unknown[]): readonly number[] {
  const byKey = new Map(unknowns.map(unknown => [unknown.key, unknown]));
  const meanOf = ({ mean, like, range }: Unknown, depth = 0): number => {
    const other = like === undefined || depth > unknowns.length ? undefined : byKey.get(like);
    return Math.min(range[1], Math.max(range[0], mean + (other === undefined ? 0 : meanOf(other, depth + 1))));
  };
  return unknowns.map(unknown => meanOf(unknown));
}

type Residuals = (logs: readonly number[]) => readonly number[];

/** Unknowns that move at once in a derivative. */
const FEW = 2;

/** Figures first, in units of their scatter, then priors in units of their error. A derivative moves one unknown: most figures stay as they were. */
function residualsOf(unknowns: readonly Unknown[], figures: readonly Figure[]): Residuals {
  const isMixed = figures.some(({ machine }) => machine !== undefined);
  // What the model leaves out differs from machine to machine, so that it is no scatter on one.
  const scatter = isMixed ? Math.hypot(NOISE_SIGMA, MODEL_SIGMA) : NOISE_SIGMA;
  const dependences = figures.map(figure => dependencesOf(figure, unknowns));
  const missOf = (i: number, logs: readonly number[]): number => {
    const figure = figures[i];
    if (figure === undefined) return 0;
    const timeS = priceOf({ ...figure.request, values: valuesAt(dependences[i] ?? [], logs) })?.timeS ?? figure.publishedS;
    return Math.log(Math.max(timeS, 1e-12) / figure.publishedS) / scatter;
  };
  const index = new Map(unknowns.map(({ key }, i) => [key, i]));
  const priorMiss = ({ mean, sigma, like }: Unknown, log: number, logs: readonly number[]): number =>
    (log - mean - (like === undefined ? 0 : (logs[index.get(like) ?? 0] ?? 0))) / sigma;
  const affected = unknowns.map((_, u) =>
    figures.flatMap((__, i) => ((dependences[i] ?? []).some(({ parts }) => parts.some(({ unknown }) => unknown === u)) ? [i] : [])),
  );
  let base: readonly number[] = [];
  let misses: readonly number[] = [];
  return logs => {
    const moved = base.length === 0 ? [] : unknowns.flatMap((_, u) => (base[u] === logs[u] ? [] : [u]));
    const own = [...misses];
    if (base.length > 0 && moved.length <= FEW) for (const i of new Set(moved.flatMap(u => affected[u] ?? []))) own[i] = missOf(i, logs);
    else {
      figures.forEach((_, i) => (own[i] = missOf(i, logs)));
      [base, misses] = [[...logs], [...own]];
    }
    return [...own, ...unknowns.map((unknown, u) => priorMiss(unknown, logs[u] ?? 0, logs))];
  };
}

function fitOf(models: readonly Model[], unknowns: readonly Unknown[], logs: readonly number[], residuals: Residuals): Omit<Fit, 'told'> {
  const inverse = inverseOf(unknowns, logs, residuals);
  const index = new Map(unknowns.map(({ key }, i) => [key, i]));
  // What was not fitted is as sure as it was.
  const parameters = parametersOf(models);
  const held = new Map(parameters.map(({ key, factor }) => [key, Math.log(factor) ** 2]));
  const covariance: Covariance = (a, b) => {
    const [i, j] = [index.get(a), index.get(b)];
    if (i !== undefined && j !== undefined) return inverse(i, j);
    return a === b && i === undefined ? (held.get(a) ?? 0) : 0;
  };
  const isAt = (log: number, border: number): boolean => Math.abs(log - border) < 1e-6;
  const own = unknowns.map((unknown, i) => ({ ...unknown, log: logs[i] ?? 0 })).filter(({ of }) => of === undefined);
  return {
    values: new Map([...parameters.map(({ key, value }) => [key, value] as const), ...own.map(({ key, log }) => [key, Math.exp(log)] as const)]),
    sigmas: new Map(own.map(({ key }) => [key, Math.sqrt(covariance(key, key))])),
    covariance,
    machines: machinesOf(unknowns, logs, covariance),
    atBorder: own.filter(({ range, log }) => range.some(border => isAt(log, border))).map(({ key }) => key),
  };
}

/** The covariance of what was fitted: the inverse of the normal equations, priors included. */
function inverseOf(unknowns: readonly Unknown[], logs: readonly number[], residuals: Residuals): (row: number, column: number) => number {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when something is fitted
  const { Matrix, pseudoInverse } = require('ml-matrix') as typeof MlMatrix;
  residuals(logs);
  const columns = unknowns.map((_, i) => {
    const moved = (by: number): readonly number[] => residuals(logs.map((log, k) => (k === i ? log + by : log)));
    const [up, down] = [moved(STEP), moved(-STEP)];
    return up.map((value, row) => (value - (down[row] ?? 0)) / (2 * STEP));
  });
  const jacobian = new Matrix(columns).transpose();
  const inverse = pseudoInverse(jacobian.transpose().mmul(jacobian));
  return (row, column) => inverse.get(row, column);
}

/** Factors of each machine: what all have in common and each one's own, added up. */
function machinesOf(unknowns: readonly Unknown[], logs: readonly number[], covariance: Covariance): Fit['machines'] {
  const machines = new Map<string, Partial<Record<Factor, HostFactor>>>();
  unknowns.forEach(({ key, of }, i) => {
    if (of?.factor === undefined) return;
    const common = unknowns.findIndex(one => one.of?.machine === of.machine && one.of.factor === undefined);
    const commonKey = unknowns[common]?.key ?? '';
    const share = COMMON_SHARE[of.factor];
    const variance = covariance(key, key) + share ** 2 * covariance(commonKey, commonKey) + 2 * share * covariance(key, commonKey);
    const factors = machines.get(of.machine) ?? {};
    factors[of.factor] = { value: Math.exp((logs[i] ?? 0) + share * (logs[common] ?? 0)), sigma: Math.sqrt(Math.max(0, variance)) };
    machines.set(of.machine, factors);
  });
  return machines;
}
