/**
 * Fits a model to published or own figures: maximum a posteriori, ln(parameter) normal around its prior, by Levenberg-Marquardt; errors from the Jacobian and the
 * priors' precision. The library fits y = f(x): x is the number of a residual, priors are residuals after those of the figures.
 *
 * The library is an ES module: it is loaded by dynamic import, here and nowhere else.
 */
import type * as MlMatrix from 'ml-matrix';
import { tooFewFigures } from './errors';
import { NOISE_SIGMA, priceOf, type Covariance, type PriceRequest } from './prediction';
import type { Model, Parameter } from './model';

/** A figure to fit: what is priced, and what was measured. */
export interface Figure {
  readonly request: Omit<PriceRequest, 'model' | 'values'>;
  readonly publishedS: number;
}

/** A model fitted. */
export interface Fit {
  readonly values: ReadonlyMap<string, number>;
  /** Standard errors of the logarithms, by name; 0 for parameters held fixed. */
  readonly sigmas: ReadonlyMap<string, number>;
  readonly covariance: Covariance;
  /** Parameters that ended on a border of their range. */
  readonly atBorder: readonly string[];
}

const STEP = 1e-4;
const ITERATIONS = 60;

interface Library {
  levenbergMarquardt: (
    data: { readonly x: readonly number[]; readonly y: readonly number[] },
    model: (parameters: number[]) => (x: number) => number,
    options: Readonly<Record<string, unknown>>,
  ) => { readonly parameterValues: readonly number[] };
}

/**
 * Fits the parameters of a model whose prior error is not 1.
 * @throws CALIBRATE_TOO_FEW_FIGURES
 */
export async function calibrate(model: Model, figures: readonly Figure[]): Promise<Fit> {
  const free = model.parameters.filter(({ factor }) => factor > 1);
  // A parameter with a prior of its own is one figure more.
  const needed = free.filter(({ origin }) => !origin.startsWith('prior ')).length;
  if (figures.length < needed) throw tooFewFigures(figures.length, needed);
  // eslint-disable-next-line no-restricted-syntax -- an ES module alone: Node 20 has no other way; tests of it run the command
  const { levenbergMarquardt } = (await import('ml-levenberg-marquardt')) as unknown as Library;
  const residuals = residualsOf(model, free, figures);
  const start = free.map(parameter => priorOf(parameter).mean);
  const count = figures.length + free.length;
  const { parameterValues } = levenbergMarquardt(
    { x: Array.from({ length: count }, (_, i) => i), y: new Array<number>(count).fill(0) },
    parameters => {
      const values = residuals(parameters);
      return x => values[x] ?? 0;
    },
    {
      initialValues: start,
      minValues: free.map(({ range }) => Math.log(range[0])),
      maxValues: free.map(({ range }) => Math.log(range[1])),
      maxIterations: ITERATIONS,
      gradientDifference: STEP,
      damping: 0.01,
      errorTolerance: 1e-12,
      centralDifference: true,
    },
  );
  return fitOf(model, free, parameterValues, residuals);
}

/** Nominal 90 % of a normal distribution on either side: what a plausible range is taken for. */
const Z90 = 1.645;

/**
 * What is known of a parameter before the fit, of its logarithm. A value that was fitted is no prior of its own, or figures that are held out now would have a
 * say through it: of such a parameter its plausible range is known and nothing else.
 */
export function priorOf({ value, factor, range, origin }: Parameter): { readonly mean: number; readonly sigma: number } {
  if (origin.startsWith('prior ')) return { mean: Math.log(value), sigma: Math.log(factor) };
  const [low, high] = range.map(Math.log) as [number, number];
  return { mean: (low + high) / 2, sigma: (high - low) / 2 / Z90 };
}

type Residuals = (logs: readonly number[]) => readonly number[];

/** Figures first, in units of their scatter, then priors in units of their error. */
function residualsOf(model: Model, free: readonly Parameter[], figures: readonly Figure[]): Residuals {
  const priors = free.map(priorOf);
  return logs => {
    const values = new Map(model.parameters.map(({ name, value }) => [name, value]));
    free.forEach(({ name }, i) => values.set(name, Math.exp(logs[i] ?? 0)));
    const misses = figures.map(({ request, publishedS }) => {
      const timeS = priceOf({ ...request, model, values })?.timeS ?? publishedS;
      return Math.log(Math.max(timeS, 1e-12) / publishedS) / NOISE_SIGMA;
    });
    return [...misses, ...priors.map(({ mean, sigma }, i) => ((logs[i] ?? 0) - mean) / sigma)];
  };
}

function fitOf(model: Model, free: readonly Parameter[], logs: readonly number[], residuals: Residuals): Fit {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when something is fitted
  const { Matrix, pseudoInverse } = require('ml-matrix') as typeof MlMatrix;
  const columns = free.map((_, i) => {
    const moved = (by: number): readonly number[] => residuals(logs.map((log, k) => (k === i ? log + by : log)));
    const [up, down] = [moved(STEP), moved(-STEP)];
    return up.map((value, row) => (value - (down[row] ?? 0)) / (2 * STEP));
  });
  const jacobian = new Matrix(columns).transpose();
  const inverse = pseudoInverse(jacobian.transpose().mmul(jacobian));
  const index = new Map(free.map(({ name }, i) => [name, i]));
  const covariance: Covariance = (a, b) => {
    const [i, j] = [index.get(a.name), index.get(b.name)];
    return i === undefined || j === undefined ? 0 : inverse.get(i, j);
  };
  const isAt = (log: number, border: number): boolean => Math.abs(log - Math.log(border)) < 1e-6;
  return {
    values: new Map(model.parameters.map(({ name, value }) => [name, index.has(name) ? Math.exp(logs[index.get(name) ?? 0] ?? 0) : value])),
    sigmas: new Map(model.parameters.map(parameter => [parameter.name, Math.sqrt(covariance(parameter, parameter))])),
    covariance,
    atBorder: free.filter(({ range }, i) => range.some(border => isAt(logs[i] ?? 0, border))).map(({ name }) => name),
  };
}
