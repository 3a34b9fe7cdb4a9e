/**
 * How far published times scatter by themselves: times of one table that no model can tell apart, because what is counted is the same.
 */
import type { PredictedCell } from '@mmulab/api';

/** Scatter within groups of times that are the same to a model. */
export interface Noise {
  readonly table: string;
  readonly times: number;
  readonly groups: number;
  /** Standard deviation of ln(time) within groups. */
  readonly sigma: number;
}

/** Times of a table whose predictions are the same to so many digits are one and the same to the model. */
const DIGITS = 5;

/** Scatter by table; tables without two times of the same prediction have none. */
export function noiseOf(cells: readonly PredictedCell[]): readonly Noise[] {
  const groups = new Map<string, { readonly table: string; readonly logs: number[] }>();
  for (const { table, predicted, published } of cells) {
    if (predicted === null || published <= 0) continue;
    const key = `${table} ${predicted.toPrecision(DIGITS)}`;
    const group = groups.get(key) ?? { table, logs: [] };
    group.logs.push(Math.log(published));
    groups.set(key, group);
  }
  const several = [...groups.values()].filter(({ logs }) => logs.length > 1);
  return [...new Set(several.map(({ table }) => table))].map(table => {
    const own = several.filter(group => group.table === table).map(({ logs }) => logs);
    const degrees = own.reduce((sum, logs) => sum + logs.length - 1, 0);
    return { table, times: own.flat().length, groups: own.length, sigma: Math.sqrt(own.reduce((sum, logs) => sum + squares(logs), 0) / degrees) };
  });
}

/** Sum of squares around the mean. */
function squares(logs: readonly number[]): number {
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
}
