/**
 * What solvers solve: a closed network of equal customers (vCPUs). Each thinks for `thinkS` in all, and asks every station for `demandS` in all; how a phase
 * is cut into rounds does not matter to the mean. A station serves one customer at a time; with `slowdown` its service grows with those at it.
 */

/** A station of a network. */
export interface Station {
  readonly name: string;
  /** Seconds of service one customer needs in the whole phase, alone. */
  readonly demandS: number;
  /** Service time with j customers at the station (those waiting included) relative to one; absent: constant. Index 1 to N. */
  readonly slowdown?: Float64Array | undefined;
}

/** A closed network. */
export interface Network {
  readonly customers: number;
  readonly thinkS: number;
  readonly stations: readonly Station[];
}

/** What a solver found. */
export interface Solution {
  /** Seconds until a customer has had all it asks for. */
  readonly timeS: number;
  /** Share of the time that each station is busy, in the order of the stations. */
  readonly utilisation: readonly number[];
  /** Seconds a customer spends at each station, waiting included. */
  readonly residenceS: readonly number[];
}

/** A way to solve networks. */
export interface Solver {
  readonly name: string;
  readonly doc: string;
  solve(network: Network): Solution;
}

/** Relative service time of a station with `j` customers. */
export function slowdownOf(station: Station, j: number): number {
  return station.slowdown?.[j] ?? 1;
}
