/**
 * Points put together: what several runs in one cell of a table amount to.
 */
import { suggestName } from '@mmulab/api';
import { analysisUnknownStatistic } from '../errors';
import type { SampleAxis, Samples } from './samples';

/** Numbers of one cell to one number. */
export type Statistic = (values: readonly number[]) => number;

const sum: Statistic = values => values.reduce((total, value) => total + value, 0);

const STATISTICS: Readonly<Record<string, Statistic>> = {
  mean: values => sum(values) / values.length,
  median: values => {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
  },
  min: values => values.reduce((least, value) => Math.min(least, value), Infinity),
  max: values => values.reduce((most, value) => Math.max(most, value), -Infinity),
  sum,
  count: values => values.length,
};

export const STATISTIC_NAMES: readonly string[] = Object.keys(STATISTICS);

/** @throws ANALYSIS_UNKNOWN_STATISTIC */
export function statisticOf(name: string): Statistic {
  const found = Object.hasOwn(STATISTICS, name) ? STATISTICS[name] : undefined;
  if (found === undefined) throw analysisUnknownStatistic(name, suggestName(name, STATISTIC_NAMES));
  return found;
}

/** Cells of points that have the same values along some axes; rows in the order of the axes' values. */
export interface Groups {
  /** Values along `axes` of each group. */
  readonly at: readonly (readonly string[])[];
  /** One map per group: values along `inner`, joined with `\n` → one number. */
  readonly cells: readonly ReadonlyMap<string, number>[];
}

/** Groups points by `outer`, and within a group by `inner`. */
export function groupSamples({ axes, samples }: Samples, outer: readonly SampleAxis[], inner: readonly SampleAxis[], statistic: Statistic): Groups {
  const indexes = (list: readonly SampleAxis[]): readonly number[] => list.map(axis => axes.indexOf(axis));
  const [out, within] = [indexes(outer), indexes(inner)];
  const groups = new Map<string, { readonly order: readonly number[]; readonly cells: Map<string, number[]> }>();
  for (const { at, value } of samples) {
    const order = out.map(i => at[i] ?? 0);
    const key = order.join();
    const group = groups.get(key) ?? { order, cells: new Map<string, number[]>() };
    groups.set(key, group);
    const cell = within.map(i => axes[i]?.values[at[i] ?? 0] ?? '').join('\n');
    const values = group.cells.get(cell);
    if (values === undefined) group.cells.set(cell, [value]);
    else values.push(value);
  }
  const sorted = [...groups.values()].sort((a, b) => compareOrders(a.order, b.order));
  return {
    at: sorted.map(({ order }) => order.map((position, i) => outer[i]?.values[position] ?? '')),
    cells: sorted.map(({ cells }) => new Map([...cells].map(([key, values]) => [key, statistic(values)]))),
  };
}

function compareOrders(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
