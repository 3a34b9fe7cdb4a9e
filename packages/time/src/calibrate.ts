/**
 * Fits a model to published or own figures: maximum a posteriori, ln(parameter) normal around its prior, by Levenberg-Marquardt; errors from the Jacobian and the
 * priors' precision. The library fits y = f(x): x is the number of a residual, priors are residuals after those of the figures.
 *
 * The library is an ES module: it is loaded by dynamic import, here and nowhere else.
 */
import type * as MlMatrix from 'ml-matrix';
import { beliefOf, factorName } from './belief';
import { tooFewFigures } from './errors';
import { COMMON_SHARE, COMMON_SIGMA, FACTORS, PRIOR_SIGMA, sameHost, type Factor, type HostFactor } from './host';
import type { Model, Parameter } from './model';
import { MODEL_SIGMA, NOISE_SIGMA, priceOf, slopesOf, type Belief, type Covariance, type PriceRequest } from './prediction';

/** A figure to fit: what is priced, and what was measured. */
export interface Figure {
  readonly request: Omit<PriceRequest, 'model' | 'values'>;
  readonly publishedS: number;
  /** The machine it was measured on; undefined: the one that the model is of. Others get factors of their own. */
  readonly machine?: string | undefined;
}

/** A model fitted. */
export interface Fit extends Belief {
  /** Standard errors of the logarithms of the parameters that were fitted, by name. */
  readonly sigmas: ReadonlyMap<string, number>;
  /** Factors of the other machines. */
  readonly machines: ReadonlyMap<string, Readonly<Partial<Record<Factor, HostFactor>>>>;
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
 * Fits the parameters of a model whose prior error is not 1, and the factors of every other machine with their own priors.
 * @param whatever with fewer figures than parameters, too: what is not known is what the prior says
 * @throws CALIBRATE_TOO_FEW_FIGURES
 */
export async function calibrate(model: Model, figures: readonly Figure[], whatever = false): Promise<Fit> {
  // Where a table is held out, what no other table says of a cost is its prior, not the value that the held-out table gave it.
  const parameters = model.parameters.filter(parameter => parameter.factor > 1 && (whatever || isTouched(parameter, model, figures)));
  // A parameter with a prior of its own is one figure more.
  const needed = parameters.filter(({ origin }) => !origin.startsWith('prior ')).length;
  if (!whatever && figures.length < needed) throw tooFewFigures(figures.length, needed);
  // eslint-disable-next-line no-restricted-syntax -- an ES module alone: Node 20 has no other way; tests of it run the command
  const { levenbergMarquardt } = (await import('ml-levenberg-marquardt')) as unknown as Library;
  const unknowns = [...parameters.map(ofParameter), ...unknownsOfMachines(model, figures)];
  const residuals = residualsOf(model, unknowns, figures);
  const count = figures.length + unknowns.length;
  const { parameterValues } = levenbergMarquardt(
    { x: Array.from({ length: count }, (_, i) => i), y: new Array<number>(count).fill(0) },
    logs => {
      const values = residuals(logs);
      return x => values[x] ?? 0;
    },
    {
      initialValues: unknowns.map(({ mean }) => mean),
      minValues: unknowns.map(({ range }) => range[0]),
      maxValues: unknowns.map(({ range }) => range[1]),
      maxIterations: ITERATIONS,
      gradientDifference: STEP,
      damping: 0.01,
      errorTolerance: 1e-12,
      centralDifference: true,
    },
  );
  return fitOf(model, unknowns, parameterValues, residuals);
}

/** Whether a figure depends on a parameter at all; one that none depends on stays as it was. */
function isTouched(parameter: Parameter, model: Model, figures: readonly Figure[]): boolean {
  const { values } = beliefOf(model, sameHost(model.host));
  return figures.some(({ request }) => {
    const whole = { ...request, model, values };
    const timeS = priceOf(whole)?.timeS ?? 0;
    return timeS > 0 && Math.abs(slopesOf(whole, [parameter.name], timeS)[0] ?? 0) > TOUCH;
  });
}

/** A derivative of ln(time) below which a figure says nothing of a cost. */
const TOUCH = 0.002;

/** Something to be fitted, in logarithms. */
interface Unknown {
  readonly name: string;
  readonly mean: number;
  readonly sigma: number;
  readonly range: readonly [number, number];
  /** Machine and factor of a factor; all factors of the machine where it is what they have in common. */
  readonly of?: { readonly machine: string; readonly factor: Factor | undefined };
}

function ofParameter(parameter: Parameter): Unknown {
  const [low, high] = parameter.range.map(Math.log) as [number, number];
  return { name: parameter.name, ...priorOf(parameter), range: [low, high] };
}

/** No factor of a machine is believed beyond so many errors of its prior. */
const FACTOR_RANGE = 4;

function unknownsOfMachines(model: Model, figures: readonly Figure[]): readonly Unknown[] {
  const kinds = FACTORS.filter(factor => model.parameters.some(({ hostFactor }) => hostFactor === factor));
  const machines = [...new Set(figures.flatMap(({ machine }) => (machine === undefined ? [] : [machine])))];
  const unknown = (machine: string, factor: Factor | undefined, sigma: number): Unknown => ({
    name: `${factor ?? 'common'} of ${machine}`,
    mean: 0,
    sigma,
    range: [-FACTOR_RANGE * sigma, FACTOR_RANGE * sigma],
    of: { machine, factor },
  });
  return machines.flatMap(machine => [
    unknown(machine, undefined, COMMON_SIGMA),
    ...kinds.map(factor => unknown(machine, factor, PRIOR_SIGMA[factor])),
  ]);
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
function residualsOf(model: Model, unknowns: readonly Unknown[], figures: readonly Figure[]): Residuals {
  const isMixed = figures.some(({ machine }) => machine !== undefined);
  // What the model leaves out differs from machine to machine, so that it is no scatter on one.
  const scatter = isMixed ? Math.hypot(NOISE_SIGMA, MODEL_SIGMA) : NOISE_SIGMA;
  return logs => {
    const byMachine = new Map(
      [undefined, ...figures.map(({ machine }) => machine)].map(machine => [machine, valuesOn(model, unknowns, logs, machine)]),
    );
    const misses = figures.map(({ request, publishedS, machine }) => {
      const timeS = priceOf({ ...request, model, values: byMachine.get(machine) ?? new Map() })?.timeS ?? publishedS;
      return Math.log(Math.max(timeS, 1e-12) / publishedS) / scatter;
    });
    return [...misses, ...unknowns.map(({ mean, sigma }, i) => ((logs[i] ?? 0) - mean) / sigma)];
  };
}

function valuesOn(model: Model, unknowns: readonly Unknown[], logs: readonly number[], machine: string | undefined): Map<string, number> {
  const values = new Map(model.parameters.map(({ name, value }) => [name, value]));
  const factors = new Map<Factor, number>();
  unknowns.forEach(({ name, of }, i) => {
    const log = logs[i] ?? 0;
    if (of === undefined) values.set(name, Math.exp(log));
    else if (of.machine === machine)
      for (const factor of of.factor === undefined ? FACTORS : [of.factor])
        factors.set(factor, (factors.get(factor) ?? 0) + log * (of.factor === undefined ? COMMON_SHARE[factor] : 1));
  });
  for (const [factor, log] of factors) values.set(factorName(factor), Math.exp(log));
  return values;
}

function fitOf(model: Model, unknowns: readonly Unknown[], logs: readonly number[], residuals: Residuals): Fit {
  const inverse = inverseOf(unknowns, logs, residuals);
  const index = new Map(unknowns.map(({ name }, i) => [name, i]));
  // What was not fitted is as sure as it was.
  const held = new Map(model.parameters.map(({ name, factor }) => [name, Math.log(factor) ** 2]));
  const covariance: Covariance = (a, b) => {
    const [i, j] = [index.get(a), index.get(b)];
    if (i !== undefined && j !== undefined) return inverse(i, j);
    return a === b && i === undefined ? (held.get(a) ?? 0) : 0;
  };
  const isAt = (log: number, border: number): boolean => Math.abs(log - border) < 1e-6;
  return {
    values: valuesOn(model, unknowns, logs, undefined),
    sigmas: new Map(unknowns.flatMap(({ name, of }) => (of === undefined ? [[name, Math.sqrt(covariance(name, name))] as const] : []))),
    covariance,
    machines: machinesOf(unknowns, logs, covariance),
    atBorder: unknowns.filter(({ of, range }, i) => of === undefined && range.some(border => isAt(logs[i] ?? 0, border))).map(({ name }) => name),
  };
}

/** The covariance of what was fitted: the inverse of the normal equations, priors included. */
function inverseOf(unknowns: readonly Unknown[], logs: readonly number[], residuals: Residuals): (row: number, column: number) => number {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when something is fitted
  const { Matrix, pseudoInverse } = require('ml-matrix') as typeof MlMatrix;
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
  unknowns.forEach(({ name, of }, i) => {
    if (of?.factor === undefined) return;
    const common = unknowns.findIndex(one => one.of?.machine === of.machine && one.of.factor === undefined);
    const commonName = unknowns[common]?.name ?? '';
    const share = COMMON_SHARE[of.factor];
    const variance = covariance(name, name) + share ** 2 * covariance(commonName, commonName) + 2 * share * covariance(name, commonName);
    const factors = machines.get(of.machine) ?? {};
    factors[of.factor] = { value: Math.exp((logs[i] ?? 0) + share * (logs[common] ?? 0)), sigma: Math.sqrt(Math.max(0, variance)) };
    machines.set(of.machine, factors);
  });
  return machines;
}
