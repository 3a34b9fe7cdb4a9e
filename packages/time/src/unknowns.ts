/**
 * What a fit is free to choose, in logarithms: parameters of models, and the factors of every machine but the reference. Each has a prior: what is known of it before
 * the figures are seen.
 */
import { factorName } from './belief';
import { COMMON_SHARE, COMMON_SIGMA, FACTORS, PRIOR_SIGMA, type Factor } from './host';
import type { Model, Parameter } from './model';
import { costsOf, type PriceRequest } from './prediction';

/** A figure to fit: what is priced, and what was measured. */
export interface Figure {
  readonly request: Omit<PriceRequest, 'values'>;
  readonly publishedS: number;
  /** The machine it was measured on; undefined: the one that the models are of. Others get factors of their own. */
  readonly machine?: string | undefined;
}

/** Something to be fitted, in logarithms. */
export interface Unknown {
  readonly key: string;
  readonly mean: number;
  readonly sigma: number;
  readonly range: readonly [number, number];
  /** Key of the unknown that this one is like: its prior is the other's value. */
  readonly like?: string | undefined;
  /** Machine and factor of a factor; all factors of the machine where it is what they have in common. */
  readonly of?: { readonly machine: string; readonly factor: Factor | undefined };
}

/** Nominal 90 % of a normal distribution on either side: what a plausible range is taken for. */
const Z90 = 1.645;

/**
 * What is known of a parameter before the fit, of its logarithm. A value that was fitted is no prior of its own, or figures that are held out now would have a
 * say through it: of such a parameter its plausible range is known and nothing else.
 */
export function priorOf({ value, factor, range, origin }: Parameter): { readonly mean: number; readonly sigma: number } {
  if (!origin.startsWith('fitted ')) return { mean: Math.log(value), sigma: Math.log(factor) };
  const [low, high] = range.map(Math.log) as [number, number];
  return { mean: (low + high) / 2, sigma: (high - low) / 2 / Z90 };
}

/**
 * The unknowns of a fit.
 * @param parameters those that are to be fitted
 */
export function unknownsOf(parameters: readonly Parameter[], figures: readonly Figure[]): readonly Unknown[] {
  const keys = new Set(parameters.map(({ key }) => key));
  return [...parameters.map(parameter => ofParameter(parameter, keys)), ...ofMachines(figures)];
}

function ofParameter(parameter: Parameter, keys: ReadonlySet<string>): Unknown {
  const { key, like, range } = parameter;
  const [low, high] = range.map(Math.log) as [number, number];
  const isTied = like !== undefined && keys.has(like.key);
  return { key, ...(isTied ? { mean: 0, sigma: Math.log(like.factor), like: like.key } : priorOf(parameter)), range: [low, high] };
}

/** No factor of a machine is believed beyond so many errors of its prior. */
const FACTOR_RANGE = 4;

function ofMachines(figures: readonly Figure[]): readonly Unknown[] {
  const touched = new Map<string, Set<string>>();
  for (const { machine, request } of figures) {
    if (machine === undefined) continue;
    const costs = touched.get(machine) ?? new Set<string>();
    for (const cost of costsOf(request.model, request.work.phase)) costs.add(cost);
    touched.set(machine, costs);
  }
  const unknown = (machine: string, factor: Factor | undefined, sigma: number): Unknown => ({
    key: `${factor ?? 'common'} of ${machine}`,
    mean: 0,
    sigma,
    range: [-FACTOR_RANGE * sigma, FACTOR_RANGE * sigma],
    of: { machine, factor },
  });
  return [...touched].flatMap(([machine, costs]) => [
    unknown(machine, undefined, COMMON_SIGMA),
    ...FACTORS.filter(factor => costs.has(factorName(factor))).map(factor => unknown(machine, factor, PRIOR_SIGMA[factor])),
  ]);
}

/** How a cost of a figure comes from unknowns: its logarithm is their sum, each by its weight. */
export interface Dependence {
  readonly key: string;
  readonly parts: readonly { readonly unknown: number; readonly weight: number }[];
}

/** What the costs of a figure depend on; those that are not fitted keep their values. */
export function dependencesOf({ request, machine }: Figure, unknowns: readonly Unknown[]): readonly Dependence[] {
  const costs = costsOf(request.model, request.work.phase);
  const own = unknowns.flatMap(({ key, of }, unknown) => (of === undefined && costs.has(key) ? [{ key, parts: [{ unknown, weight: 1 }] }] : []));
  const factors = FACTORS.filter(factor => costs.has(factorName(factor))).map(factor => ({
    key: factorName(factor),
    parts: unknowns.flatMap(({ of }, unknown) => {
      if (of === undefined || of.machine !== machine || (of.factor !== undefined && of.factor !== factor)) return [];
      return [{ unknown, weight: of.factor === undefined ? COMMON_SHARE[factor] : 1 }];
    }),
  }));
  return [...own, ...factors.filter(({ parts }) => parts.length > 0)];
}

/** Values of a figure's costs at a point. */
export function valuesAt(dependences: readonly Dependence[], logs: readonly number[]): Map<string, number> {
  return new Map(
    dependences.map(({ key, parts }) => [key, Math.exp(parts.reduce((sum, { unknown, weight }) => sum + weight * (logs[unknown] ?? 0), 0))]),
  );
}

/** Parameters of models, each once: two models may be one with something left out. */
export function parametersOf(models: readonly Model[]): readonly Parameter[] {
  return [...new Map(models.flatMap(({ parameters }) => parameters).map(parameter => [parameter.key, parameter])).values()];
}
