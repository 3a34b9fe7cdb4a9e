/**
 * What was varied in a matrix of runs, and what that makes visible: how a count scales along an axis, and where one of two policies begins to beat the other.
 */
import { parseSize, type RunResult } from '@mmulab/api';
import { differingSettings } from '../settings';

/** A setting that was varied. */
export interface Axis {
  readonly name: string;
  /** Its distinct values, in the order of the runs; ascending where they are numbers. */
  readonly values: readonly string[];
  /** Per run the index of its value. */
  readonly ofRun: readonly number[];
  /** The values as numbers, where all of them are: 1, 4, 1G. */
  readonly numbers: readonly number[] | undefined;
}

/** A measure of a run: a counter's total, or its predicted time; undefined where the run has none. */
export type Measure = (run: RunResult) => number | undefined;

/** The axes of a matrix: settings that tell runs apart which the axes before do not. */
export function axesOf(runs: readonly RunResult[]): readonly Axis[] {
  const axes: Axis[] = [];
  const keys = runs.map(() => '');
  for (const { name, values } of differingSettings(runs)) {
    const joined = keys.map((key, run) => `${key}|${values[run] ?? ''}`);
    if (new Set(joined).size === new Set(keys).size) continue;
    axes.push(axisOf(name, values));
    joined.forEach((key, run) => (keys[run] = key));
  }
  return axes;
}

function axisOf(name: string, ofRuns: readonly string[]): Axis {
  const distinct = [...new Set(ofRuns)];
  const numbers = distinct.map(numberOf);
  const isNumeric = numbers.every(number => number !== undefined);
  const values = isNumeric ? [...distinct].sort((a, b) => (numberOf(a) ?? 0) - (numberOf(b) ?? 0)) : distinct;
  return {
    name,
    values,
    ofRun: ofRuns.map(value => values.indexOf(value)),
    numbers: isNumeric ? values.map(value => numberOf(value) ?? 0) : undefined,
  };
}

/** The number a value stands for: `4`, `16M`; a kernel such as `6.1` is none, since 6.12 comes after 6.2. */
function numberOf(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  return /^\d+(\.\d+)?[KMGT]$/i.test(text) ? parseSize(text) : undefined;
}

/** A line per combination of the other axes, over one axis. */
export interface Scaling {
  readonly axis: Axis;
  readonly points: readonly { readonly at: number; readonly series: string; readonly value: number }[];
  /** Where two lines change places, in words. */
  readonly crossings: readonly string[];
}

/** Along which axis to draw a measure: the longest numeric one, else one with at least three values. Undefined where there is none. */
export function scalingAxis(axes: readonly Axis[]): Axis | undefined {
  const longest = (some: readonly Axis[]): Axis | undefined => [...some].sort((a, b) => b.values.length - a.values.length)[0];
  return longest(axes.filter(axis => axis.numbers !== undefined)) ?? longest(axes.filter(axis => axis.values.length >= 3));
}

/** How a measure scales along an axis. */
export function scalingOf(runs: readonly RunResult[], axes: readonly Axis[], axis: Axis, measure: Measure): Scaling {
  const others = axes.filter(other => other !== axis);
  const points = runs.flatMap((run, index) => {
    const value = measure(run);
    const series = others.map(({ name, values, ofRun }) => `${name}=${values[ofRun[index] ?? 0] ?? ''}`).join(', ');
    return value === undefined ? [] : [{ at: axis.ofRun[index] ?? 0, series, value }];
  });
  return { axis, points, crossings: crossingsOf(axis, points) };
}

function crossingsOf(axis: Axis, points: Scaling['points']): string[] {
  const series = [...new Set(points.map(point => point.series))];
  const [first, second] = series;
  if (series.length !== 2 || first === undefined || second === undefined) return [];
  const differences = axis.values.map((_, at) => {
    const [a, b] = [first, second].map(name => points.find(point => point.series === name && point.at === at)?.value);
    return a === undefined || b === undefined ? 0 : Math.sign(a - b);
  });
  return differences.flatMap((sign, at) => {
    const before = differences
      .slice(0, at)
      .reverse()
      .find(one => one !== 0);
    if (sign === 0 || before === undefined || before === sign) return [];
    return [`From ${axis.name}=${axis.values[at] ?? ''} on, ${sign > 0 ? second : first} has less.`];
  });
}

/** For every pair of values of two axes, what the second of two policies makes of the first. */
export interface BreakEven {
  readonly policy: Axis;
  readonly across: Axis;
  readonly down: Axis;
  readonly cells: readonly { readonly across: number; readonly down: number; readonly before: number; readonly after: number }[];
}

/**
 * A map of where the second of two policies beats the first; undefined without an axis of two values and two more axes. Further axes stand at their first value.
 */
export function breakEvenOf(runs: readonly RunResult[], axes: readonly Axis[], measure: Measure): BreakEven | undefined {
  const pairs = axes.filter(axis => axis.values.length === 2);
  const policy = pairs.find(axis => axis.numbers === undefined) ?? pairs[0];
  const others = axes.filter(axis => axis !== policy).sort((a, b) => b.values.length - a.values.length);
  const [across, down, ...rest] = others;
  if (policy === undefined || across === undefined || down === undefined) return undefined;
  const valueAt = (side: number, i: number, j: number): number | undefined => {
    const index = runs.findIndex(
      (_, run) => policy.ofRun[run] === side && across.ofRun[run] === i && down.ofRun[run] === j && rest.every(axis => axis.ofRun[run] === 0),
    );
    const run = runs[index];
    return run === undefined ? undefined : measure(run);
  };
  const cells = across.values.flatMap((_, i) =>
    down.values.flatMap((__, j) => {
      const [before, after] = [valueAt(0, i, j), valueAt(1, i, j)];
      return before === undefined || after === undefined ? [] : [{ across: i, down: j, before, after }];
    }),
  );
  return { policy, across, down, cells };
}

/** The total of a counter, or the sum of predicted times for `time`. */
export function measureOf(name: string): Measure {
  if (name !== 'time') return run => run.totals.counters[name];
  return run => {
    const times = run.phases.flatMap(({ time }) => (time === undefined ? [] : [time.predictedNs]));
    return times.length === 0 ? undefined : times.reduce((sum, timeNs) => sum + timeNs, 0);
  };
}
