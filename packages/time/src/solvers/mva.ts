/**
 * The exact mean of a network with exponential times. Stations of constant service: the recursion over the number of customers (mean-value analysis). With
 * stations that slow down: the same answer from the normalising constants, in logarithms, because the recursion over marginal probabilities loses all digits
 * near saturation. O(N² · stations); 416 customers take a few milliseconds.
 */
import type { Network, Solution, ContentionSolver, Station } from '@mmulab/api';
import { slowdownOf } from './network';

/** Exact mean-value analysis. */
export const mvaSolver: ContentionSolver = {
  name: 'mva',
  doc: 'Exact mean-value analysis, stations that slow down under load included.',
  solve(network: Network): Solution {
    return network.stations.some(station => station.slowdown !== undefined) ? byConstants(network) : byRecursion(network);
  },
};

function byRecursion({ customers, thinkS, stations }: Network): Solution {
  const queue = stations.map(() => 0);
  let residenceS = stations.map(({ demandS }) => demandS);
  let timeS = thinkS;
  for (let n = 1; n <= customers; n++) {
    residenceS = stations.map(({ demandS }, i) => demandS * (1 + (queue[i] ?? 0)));
    timeS = thinkS + residenceS.reduce((sum, s) => sum + s, 0);
    for (let i = 0; i < queue.length; i++) queue[i] = timeS === 0 ? 0 : (n * (residenceS[i] ?? 0)) / timeS;
  }
  return { timeS, residenceS, utilisation: stations.map(({ demandS }) => (timeS === 0 ? 0 : Math.min(1, (customers * demandS) / timeS))) };
}

function byConstants({ customers, thinkS, stations }: Network): Solution {
  const think = thinkFactors(thinkS, customers);
  const factors = stations.map(station => stationFactors(station, customers));
  const all = factors.reduce(convolve, think);
  const whole = all[customers] ?? -Infinity;
  const perSecond = Math.exp((all[customers - 1] ?? -Infinity) - whole);
  const timeS = customers / perSecond;
  const shares = factors.map((own, i) => {
    const others = factors.filter((_, k) => k !== i).reduce(convolve, think);
    let queue = 0;
    for (let j = 1; j <= customers; j++) queue += j * Math.exp((own[j] ?? -Infinity) + (others[customers - j] ?? -Infinity) - whole);
    return { queue, busy: 1 - Math.exp((others[customers] ?? -Infinity) - whole) };
  });
  return { timeS, residenceS: shares.map(({ queue }) => queue / perSecond), utilisation: shares.map(({ busy }) => busy) };
}

/** ln(Z^k / k!) */
function thinkFactors(thinkS: number, customers: number): Float64Array {
  const factors = new Float64Array(customers + 1);
  for (let k = 1; k <= customers; k++) factors[k] = (factors[k - 1] ?? 0) + Math.log(thinkS / k);
  return factors;
}

/** ln of the product of the service times with 1 to j customers. */
function stationFactors(station: Station, customers: number): Float64Array {
  const factors = new Float64Array(customers + 1);
  for (let j = 1; j <= customers; j++) factors[j] = (factors[j - 1] ?? 0) + Math.log(station.demandS * slowdownOf(station, j));
  return factors;
}

/** ln Σ exp(a[j] + b[n − j]) for every n. */
function convolve(a: Float64Array, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length);
  for (let n = 0; n < a.length; n++) {
    let top = -Infinity;
    for (let j = 0; j <= n; j++) top = Math.max(top, (a[j] ?? 0) + (b[n - j] ?? 0));
    let sum = 0;
    for (let j = 0; top > -Infinity && j <= n; j++) sum += Math.exp((a[j] ?? 0) + (b[n - j] ?? 0) - top);
    out[n] = top === -Infinity ? top : top + Math.log(sum);
  }
  return out;
}
