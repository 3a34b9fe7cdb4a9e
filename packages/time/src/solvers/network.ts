/**
 * What solvers have in common. Networks themselves are @mmulab/api's: plugins bring solvers.
 */
import type { Station } from '@mmulab/api';

/** Relative service time of a station with `j` customers. */
export function slowdownOf(station: Station, j: number): number {
  return station.slowdown?.[j] ?? 1;
}
