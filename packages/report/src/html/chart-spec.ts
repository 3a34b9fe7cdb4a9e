/**
 * What a chart shows, before anything is drawn: plain data, made from runs. One file draws them (page/draw.ts).
 */
import type { PhaseResult, RunResult } from '@mmulab/api';
import { shownCounters } from '../comparison-report';
import type { Comparison } from '../compare';
import { formatCount, formatRatio, formatTime } from '../quantity';
import type { BreakEven, Scaling } from './axes';
import type { PublishedTable } from './report-data';

/** How values are written: counts, or times in ns. */
export type Quantity = 'count' | 'time';

interface Spec {
  readonly title: string;
  /** What a reader who does not see the chart is told. */
  readonly description: string;
}

/** How far each counter of each run is from the first run: ratios, on a logarithmic axis. */
export interface ChangesSpec extends Spec {
  readonly kind: 'changes';
  readonly points: readonly ChangePoint[];
}

/** A counter of a run. */
export interface ChangePoint {
  readonly counter: string;
  readonly run: string;
  /** To the first run; beyond all others where one of the two is 0. */
  readonly ratio: number;
  /** `512x fewer` */
  readonly change: string;
  /** `524,288 → 1,024` */
  readonly counts: string;
  /** Whether one of the two is 0, so that there is no ratio. */
  readonly isOff: boolean;
}

/** Values per phase and run. */
export interface BarsSpec extends Spec {
  readonly kind: 'bars';
  readonly quantity: Quantity;
  readonly bars: readonly { readonly phase: string; readonly run: string; readonly value: number; readonly low?: number; readonly high?: number }[];
}

/** Where time goes: the parts of each phase, which add up to 1. */
export interface SharesSpec extends Spec {
  readonly kind: 'shares';
  readonly parts: readonly { readonly phase: string; readonly run: string; readonly part: string; readonly ns: number }[];
}

/** Values along an axis. */
export interface LinesSpec extends Spec {
  readonly kind: 'lines';
  readonly quantity: Quantity;
  readonly axis: string;
  /** Labels of the axis, in order; numbers where it is to scale. */
  readonly ticks: readonly string[];
  readonly numbers: readonly number[] | undefined;
  readonly points: readonly { readonly at: number; readonly series: string; readonly value: number }[];
}

/** What a policy changes, for pairs of values of two axes. */
export interface HeatSpec extends Spec {
  readonly kind: 'heat';
  readonly across: string;
  readonly down: string;
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  readonly cells: readonly { readonly column: string; readonly row: string; readonly ratio: number; readonly words: string }[];
}

/** Predicted beside published times. */
export interface PublishedSpec extends Spec {
  readonly kind: 'published';
  readonly rows: PublishedTable['rows'];
}

export type ChartSpec = ChangesSpec | BarsSpec | SharesSpec | LinesSpec | HeatSpec | PublishedSpec;

/** Colours of series, in order: each stands out on white and on black. */
export const PALETTE: readonly string[] = [
  '#3f73d8',
  '#d9730d',
  '#2b9a66',
  '#9a5bd8',
  '#d6455b',
  '#1590a5',
  '#8d6b3a',
  '#76808f',
  '#b8860b',
  '#5f6ad4',
];

/** The series of a chart, in the order of their colours; none where colour says something else. */
export function seriesOf(spec: ChartSpec): readonly string[] {
  const names = seriesNames(spec);
  return [...new Set(names)];
}

function seriesNames(spec: ChartSpec): readonly string[] {
  switch (spec.kind) {
    case 'changes':
      return spec.points.map(point => point.run);
    case 'bars':
      return spec.bars.map(bar => bar.run);
    case 'shares':
      return spec.parts.map(part => part.part);
    case 'lines':
      return spec.points.map(point => point.series);
    case 'heat':
      return [];
    case 'published':
      return ['published', 'predicted'];
  }
}

/** Where counters that became 0, or were 0, stand on a logarithmic axis: a step beyond the outermost ratio. */
const BEYOND = 4;

/** The changes of a comparison's totals; undefined where nothing differs. */
export function changesSpec(comparison: Comparison, labels: readonly string[]): ChangesSpec | undefined {
  const { shown } = shownCounters(comparison.totals, undefined, { all: false });
  const known = shown.flatMap(({ counter, values }) =>
    values.slice(1).flatMap((value, at) => {
      const [first] = values;
      return first === undefined || value === undefined ? [] : [{ counter, run: labels[at + 1] ?? '', first, value }];
    }),
  );
  if (known.length === 0) return undefined;
  const logs = known.filter(({ first, value }) => first !== 0 && value !== 0).map(({ first, value }) => Math.abs(Math.log2(value / first)));
  const edge = 2 ** Math.ceil(Math.max(1, ...logs)) * BEYOND;
  const ratioOf = (first: number, value: number): number => (first === value ? 1 : value === 0 ? 1 / edge : first === 0 ? edge : value / first);
  return {
    kind: 'changes',
    title: 'What changed, over the whole run',
    description: `Ratios to ${labels[0] ?? 'the first run'}: ${known.map(({ counter, run, first, value }) => `${counter}, ${run}: ${formatRatio(first, value)}`).join('; ')}`,
    points: known.map(({ counter, run, first, value }) => ({
      counter,
      run,
      ratio: ratioOf(first, value),
      change: formatRatio(first, value),
      counts: `${formatCount(first)} → ${formatCount(value)}`,
      isOff: first !== value && (first === 0 || value === 0),
    })),
  };
}

/** A measure of phases, per phase and run. @param phases per run its phases under their aligned names */
export function barsSpec(
  title: string,
  quantity: Quantity,
  phases: readonly { readonly name: string; readonly of: readonly (PhaseResult | undefined)[] }[],
  labels: readonly string[],
  valueOf: (phase: PhaseResult) => number | undefined,
): BarsSpec {
  const bars = phases.flatMap(({ name, of }) =>
    of.flatMap((phase, run) => {
      const value = phase === undefined ? undefined : valueOf(phase);
      if (phase === undefined || value === undefined) return [];
      const interval = quantity === 'time' ? phase.time?.intervalNs : undefined;
      return [{ phase: name, run: labels[run] ?? '', value, ...(interval === undefined ? {} : { low: interval[0], high: interval[1] }) }];
    }),
  );
  const write = quantity === 'time' ? formatTime : formatCount;
  return { kind: 'bars', title, quantity, description: bars.map(({ phase, run, value }) => `${phase}, ${run}: ${write(value)}`).join('; '), bars };
}

/** Where the predicted time of each phase goes. */
export function sharesSpec(
  phases: readonly { readonly name: string; readonly of: readonly (PhaseResult | undefined)[] }[],
  labels: readonly string[],
): SharesSpec {
  const parts = phases.flatMap(({ name, of }) =>
    of.flatMap((phase, run) => {
      const time = phase?.time;
      if (time === undefined) return [];
      return Object.entries(time.share).map(([part, share]) => ({ phase: name, run: labels[run] ?? '', part, ns: share * time.predictedNs }));
    }),
  );
  const description = parts.map(({ phase, run, part, ns }) => `${phase}, ${run}, ${part}: ${formatTime(Math.round(ns))}`).join('; ');
  return { kind: 'shares', title: 'Where the time goes', description, parts };
}

/** How a measure scales. */
export function linesSpec({ axis, points, crossings }: Scaling, measure: string): LinesSpec {
  const quantity = measure === 'time' ? 'time' : 'count';
  const write = quantity === 'time' ? formatTime : formatCount;
  const told = points.map(({ at, series, value }) => `${axis.name}=${axis.values[at] ?? ''}${series === '' ? '' : `, ${series}`}: ${write(value)}`);
  return {
    kind: 'lines',
    title: `${quantity === 'time' ? 'Predicted time' : measure} over ${axis.name}`,
    description: [...told, ...crossings].join('; '),
    quantity,
    axis: axis.name,
    ticks: axis.values,
    numbers: axis.numbers,
    points,
  };
}

/** Where one policy beats the other. */
export function heatSpec({ policy, across, down, cells }: BreakEven, measure: string): HeatSpec {
  const [before = '', after = ''] = policy.values;
  const words = cells.map(cell => ({
    column: across.values[cell.across] ?? '',
    row: down.values[cell.down] ?? '',
    ratio: cell.before === cell.after ? 1 : (cell.after + 0.5) / (cell.before + 0.5),
    words: formatRatio(cell.before, cell.after),
  }));
  const name = measure === 'time' ? 'predicted time' : measure;
  return {
    kind: 'heat',
    title: `Break-even: ${name} of ${policy.name}=${after} against ${before}`,
    description: words.map(({ column, row, words: change }) => `${across.name}=${column}, ${down.name}=${row}: ${change}`).join('; '),
    across: across.name,
    down: down.name,
    columns: across.values,
    rows: down.values,
    cells: words,
  };
}

/** Predicted beside published. */
export function publishedSpec({ source, rows }: PublishedTable): PublishedSpec {
  return {
    kind: 'published',
    title: `Published and predicted: ${source}`,
    description: rows.map(row => `${row.label}: published ${formatTime(row.publishedNs)}, predicted ${formatTime(row.predictedNs)}`).join('; '),
    rows,
  };
}

/** Whether any phase of any run has a predicted time. */
export function hasTimes(runs: readonly RunResult[]): boolean {
  return runs.some(run => run.phases.some(phase => phase.time !== undefined));
}
