/**
 * What is believed of costs: values, and the covariance of their logarithms. Names are the keys of models' parameters (`MODEL.NAME`) and `host.cpu`,
 * `host.line` ... for the factors of the machine. A figure measured on the machine moves what it can and nothing else (maximum a posteriori, Gauss-Newton steps of the linear update).
 */
import { COMMON_SHARE, FACTORS, type Factor, type Host } from './host';
import type { Model } from './model';
import { MODEL_SIGMA, NOISE_SIGMA, priceOf, slopesOf, type Belief, type PriceRequest } from './prediction';

/** A figure measured on the machine. */
export interface Observation {
  readonly request: Omit<PriceRequest, 'values'>;
  readonly publishedS: number;
}

/** Gauss-Newton steps; the time is close to a power of its costs, so that few are enough. */
const STEPS = 4;

/** Name of a factor beside parameters. */
export function factorName(factor: Factor): string {
  return `host.${factor}`;
}

/** Covariance of the logarithms of a machine's factors: what all have in common, and each one's own. */
function hostCovariance({ factors, commonSigma }: Host, a: Factor, b: Factor): number {
  const common = factors[a].sigma > 0 && factors[b].sigma > 0 ? COMMON_SHARE[a] * COMMON_SHARE[b] * commonSigma ** 2 : 0;
  return common + (a === b ? factors[a].sigma ** 2 : 0);
}

/** Models' own values on a machine, errors independent of each other. */
export function beliefOf(models: readonly Model[], host: Host): Belief {
  const parameters = models.flatMap(model => model.parameters);
  const errors = new Map(parameters.map(({ key, factor }) => [key, Math.log(factor) ** 2]));
  const values = new Map(parameters.map(({ key, value }) => [key, value]));
  return withHost({ values, covariance: (a, b) => (a === b ? (errors.get(a) ?? 0) : 0) }, host);
}

/** What is believed of costs, on a machine. */
export function withHost({ values: before, covariance }: Belief, host: Host): Belief {
  const values = new Map(before);
  const kinds = new Map<string, Factor>();
  for (const factor of FACTORS) {
    values.set(factorName(factor), host.factors[factor].value);
    kinds.set(factorName(factor), factor);
  }
  return {
    values,
    covariance: (a, b) => {
      const [kindA, kindB] = [kinds.get(a), kinds.get(b)];
      if (kindA !== undefined && kindB !== undefined) return hostCovariance(host, kindA, kindB);
      return kindA === undefined && kindB === undefined ? covariance(a, b) : 0;
    },
  };
}

/** The belief after figures measured on the machine, one after the other. Figures that the model has no time for say nothing. */
export function conditioned(belief: Belief, observations: readonly Observation[]): Belief {
  return observations.reduce(observe, belief);
}

function observe(prior: Belief, { request, publishedS }: Observation): Belief {
  const names = [...prior.values.keys()];
  const scatter = NOISE_SIGMA ** 2 + MODEL_SIGMA ** 2;
  let values = prior.values;
  let gain: readonly number[] = [];
  let seen: readonly number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const priced = priceOf({ ...request, values });
    if (priced === undefined || priced.timeS <= 0) return prior;
    const slopes = slopesOf({ ...request, values }, names, priced.timeS);
    const felt = slopes.flatMap((slope, j) => (slope === 0 ? [] : [{ name: names[j] ?? '', slope }]));
    seen = names.map(a => felt.reduce((sum, { name, slope }) => sum + prior.covariance(a, name) * slope, 0));
    const variance = scatter + seen.reduce((sum, s, i) => sum + s * (slopes[i] ?? 0), 0);
    gain = seen.map(s => s / variance);
    // What the figure says beyond the prior, at the point where the time is linearised.
    const moved = names.map((name, i) => (slopes[i] ?? 0) * Math.log((values.get(name) ?? 1) / (prior.values.get(name) ?? 1)));
    const miss = Math.log(publishedS / priced.timeS) + moved.reduce((sum, s) => sum + s, 0);
    values = new Map(names.map((name, i) => [name, (prior.values.get(name) ?? 1) * Math.exp((gain[i] ?? 0) * miss)]));
  }
  const index = new Map(names.map((name, i) => [name, i]));
  return {
    values,
    covariance: (a, b) => {
      const [i, j] = [index.get(a), index.get(b)];
      const before = prior.covariance(a, b);
      return i === undefined || j === undefined ? before : before - (gain[i] ?? 0) * (seen[j] ?? 0);
    },
  };
}
