/**
 * The asymptotic bound: a customer is no faster than alone, and no faster than the busiest station can serve all of them. With constant times it is the exact
 * answer of the discrete-event solver.
 */
import type { Network, Solution, ContentionSolver } from '@mmulab/api';
import { slowdownOf } from './network';

/** max(Z + ΣD, N·D) over the stations. */
export const boundSolver: ContentionSolver = {
  name: 'bound',
  doc: 'Asymptotic bound: alone, or limited by the busiest station.',
  solve({ customers, thinkS, stations }: Network): Solution {
    const aloneS = thinkS + stations.reduce((sum, { demandS }) => sum + demandS, 0);
    const saturatedS = stations.map(station => customers * station.demandS * slowdownOf(station, customers));
    const timeS = Math.max(aloneS, ...saturatedS);
    const busiest = saturatedS.indexOf(Math.max(...saturatedS));
    const queueS = timeS - aloneS;
    return {
      timeS,
      utilisation: saturatedS.map(s => (timeS === 0 ? 0 : Math.min(1, s / timeS))),
      residenceS: stations.map(({ demandS }, i) => demandS + (i === busiest ? queueS : 0)),
    };
  },
};
