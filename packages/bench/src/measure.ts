/**
 * CPU time and the statistics of repeated measurements.
 */
import type { BenchMachine } from './machine';
import type { Counts } from './counters';

/** One measured workload. */
export interface Measurement {
  /** User and system time of the process, its compiler and collector threads included, in nanoseconds. */
  readonly cpuNs: number;
  readonly counters: Counts;
}

/** Runs `work` and measures it. */
export function measure(machine: BenchMachine, work: () => void): Measurement {
  const before = machine.counters.sum();
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return { cpuNs: (user + system) * 1000, counters: machine.counters.since(before) };
}

/** Median of numbers, of which there is at least one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Geometric mean of positive numbers. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
