/**
 * What can be read from a sweep: a pivot table, a map of which policy wins where, with the border between them, and how a quantity grows along an axis.
 *
 * Every analysis is a document (`mmulab.analysis.v1`), sheets to be drawn, and rows for a spreadsheet.
 */
import type { AnalysedTable, RunResult } from '@mmulab/api';
import { analysisNeedsAxis } from '../errors';
import { groupSamples, statisticOf, type Groups, type Statistic } from './grouping';
import { readQuantity, type Quantity } from './quantity';
import { findAxis, positionOn, readResultLines, readSamples, type SampleAxis, type Samples } from './samples';

export const ANALYSIS_SCHEMA = 'mmulab.analysis.v1';

export interface Analysis {
  readonly document: Readonly<Record<string, unknown>>;
  readonly sheets: readonly AnalysedTable[];
  readonly csv: { readonly header: readonly string[]; readonly rows: readonly (readonly (string | number)[])[] };
}

/** What is asked. Axes by name, in full or short. */
export interface AnalysisRequest {
  /** What is looked at, see `readQuantity`. */
  readonly value: string;
  readonly rows?: readonly string[] | undefined;
  readonly columns?: string | undefined;
  /** What the runs of one cell amount to: mean, median, min, max, sum, count. */
  readonly statistic: string;
  readonly where?: Readonly<Record<string, string>> | undefined;
}

/** The axes of a table: columns, rows, and those that are neither. */
interface Layout {
  readonly samples: Samples;
  readonly quantity: Quantity;
  readonly statistic: Statistic;
  readonly rows: readonly SampleAxis[];
  readonly column: SampleAxis | undefined;
  readonly lines: readonly string[];
}

/** Values of a quantity, axes down and across. */
export function pivot(path: string, request: AnalysisRequest): Analysis {
  const layout = readLayout(path, request, undefined);
  const { rows, column } = layout;
  const groups = groupSamples(layout.samples, rows, column === undefined ? [] : [column], layout.statistic);
  const across = column?.values ?? [''];
  const table = (show: (value: number) => number): (string | number)[][] =>
    groups.at.map((at, i) => [...at, ...across.map(value => cellNumber(groups.cells[i]?.get(value), show))]);
  const columns = column === undefined ? [request.value] : column.values.map(value => `${column.label}=${value}`);
  return {
    document: documentOf('pivot', request, layout, { cells: groups.cells.map(cells => across.map(value => cells.get(value))), rows: groups.at }),
    sheets: [{ title: request.value, lines: layout.lines, keys: labels(rows), columns, rows: table(rounded), notes: [] }],
    csv: { header: [...labels(rows), ...columns], rows: table(value => value) },
  };
}

/** Where one policy's values stop being the best along a row. */
interface Crossing {
  readonly row: readonly string[];
  readonly from: string;
  readonly to: string;
  /** The last value of the column axis where `from` wins, and the first where `to` does. */
  readonly between: readonly [string, string];
  /** Where the two are equal, by a straight line between them; undefined when the axis has no numbers. */
  readonly at: number | undefined;
}

const TIE = '=';

/**
 * Which policy wins where.
 * @param policy axis of what is compared
 * @param higher whether higher is better
 */
export function breakEven(path: string, policy: string, higher: boolean, request: AnalysisRequest): Analysis {
  const layout = readLayout(path, request, { name: policy, option: '--break-even', across: true });
  const { rows, column, samples } = layout;
  if (column === undefined) throw analysisNeedsAxis('--break-even', 'beside the policy, along which the winner may change');
  const axis = findAxis(samples.axes, policy, '--break-even');
  const groups = groupSamples(samples, rows, [column, axis], layout.statistic);
  const winners = groups.cells.map(cells => column.values.map(x => winnerOf(cells, x, axis.values, higher)));
  const borders = groups.at.flatMap((row, i) => crossings(row, column, winners[i] ?? [], groups.cells[i]));
  const shown = winners.map((row, i) => [
    ...(groups.at[i] ?? []),
    ...row.map(({ winner, ratio }) => (winner === TIE ? TIE : `${winner} ${ratioText(ratio)}`)),
  ]);
  const keys = labels(rows);
  const cellRows = groups.at.flatMap((row, i) =>
    column.values.map((x, c) => {
      const values = axis.values.map(value => groups.cells[i]?.get(`${x}\n${value}`) ?? '');
      return [...row, x, winners[i]?.[c]?.winner ?? '', ...values];
    }),
  );
  return {
    document: documentOf('break-even', request, layout, {
      policy: axis.key,
      policies: axis.values,
      higherIsBetter: higher,
      rows: groups.at,
      winners,
      borders,
    }),
    sheets: [
      {
        title: `${request.value}: which ${axis.label} ${higher ? 'has most' : 'has least'}`,
        lines: [...layout.lines, 'Behind a winner: how many times the next one has of it.'],
        ...{ keys, columns: column.values.map(value => `${column.label}=${value}`), rows: shown, notes: [] },
      },
      borderSheet(keys, column.label, borders),
    ],
    csv: { header: [...keys, column.label, 'winner', ...axis.values.map(value => `${axis.label}=${value}`)], rows: cellRows },
  };
}

interface Winner {
  readonly winner: string;
  /** The next best over the best, or the other way round where higher is better: from 1 on; undefined when nothing is compared. */
  readonly ratio: number | undefined;
}

function winnerOf(cells: ReadonlyMap<string, number>, x: string, policies: readonly string[], higher: boolean): Winner {
  const present = policies.flatMap(policy => {
    const value = cells.get(`${x}\n${policy}`);
    return value === undefined ? [] : [{ policy, value }];
  });
  const [best, next] = present.sort((a, b) => (higher ? b.value - a.value : a.value - b.value));
  if (best === undefined) return { winner: '', ratio: undefined };
  if (next?.value === best.value) return { winner: TIE, ratio: 1 };
  const [large, small] = higher ? [best.value, next?.value] : [next?.value, best.value];
  return { winner: best.policy, ratio: large === undefined || small === undefined || small === 0 ? undefined : large / small };
}

/** Changes of the winner along a row; ties in between belong to neither side. */
function crossings(
  row: readonly string[],
  column: SampleAxis,
  winners: readonly Winner[],
  cells: Groups['cells'][number] | undefined,
): readonly Crossing[] {
  const found: Crossing[] = [];
  let last = -1;
  winners.forEach(({ winner }, i) => {
    if (winner === TIE || winner === '') return;
    const before = winners[last]?.winner;
    if (before !== undefined && before !== winner) {
      const between = [column.values[last] ?? '', column.values[i] ?? ''] as const;
      found.push({ row, from: before, to: winner, between, at: crossingAt(column, before, winner, between, cells) });
    }
    last = i;
  });
  return found;
}

function crossingAt(
  column: SampleAxis,
  from: string,
  to: string,
  [left, right]: readonly [string, string],
  cells: Groups['cells'][number] | undefined,
): number | undefined {
  const gap = (x: string): number => (cells?.get(`${x}\n${from}`) ?? NaN) - (cells?.get(`${x}\n${to}`) ?? NaN);
  const [x0, x1] = [positionOn(column, left), positionOn(column, right)];
  const [g0, g1] = [gap(left), gap(right)];
  const at = x0 === undefined || x1 === undefined ? NaN : x0 + ((x1 - x0) * g0) / (g0 - g1);
  return Number.isFinite(at) ? at : undefined;
}

function borderSheet(keys: readonly string[], x: string, borders: readonly Crossing[]): AnalysedTable {
  const rows = borders.map(({ row, from, to, between, at }) => [...row, from, to, between.join(' to '), at === undefined ? '' : rounded(at)]);
  const notes = borders.length === 0 ? ['Along no row does the winner change.'] : [];
  return { title: 'Border', lines: [], keys, columns: ['from', 'to', `${x} between`, 'equal at'], rows, notes };
}

/** How a quantity grows along an axis: the exponent p of value ~ x^p, by least squares over logarithms. */
export function growth(path: string, along: string, request: AnalysisRequest): Analysis {
  const layout = readLayout(path, request, { name: along, option: '--growth', across: false });
  const { rows, column, samples } = layout;
  const axis = findAxis(samples.axes, along, '--growth');
  const outer = column === undefined ? rows : [...rows, column];
  const groups = groupSamples(samples, outer, [axis], layout.statistic);
  const fits = groups.cells.map(cells => fitPower([...cells].map(([x, value]) => [positionOn(axis, x) ?? NaN, value] as const)));
  const table = fits.map(({ exponent, r2, points }, i) => [...(groups.at[i] ?? []), cellText(exponent), cellText(r2), points]);
  const header = [...labels(outer), 'exponent', 'r2', 'points'];
  return {
    document: documentOf('growth', request, layout, { along: axis.key, rows: groups.at, fits }),
    sheets: [
      {
        title: `${request.value} ~ ${axis.label}^exponent`,
        lines: layout.lines,
        ...{ keys: labels(outer), columns: ['exponent', 'r2', 'points'], rows: table, notes: ['Points at or below zero are left out.'] },
      },
    ],
    csv: { header, rows: fits.map(({ exponent, r2, points }, i) => [...(groups.at[i] ?? []), exponent ?? '', r2 ?? '', points]) },
  };
}

interface Fit {
  readonly exponent: number | undefined;
  /** Share of the variance that the line explains. */
  readonly r2: number | undefined;
  readonly points: number;
}

/** Fits y ~ x^p. Points that have no logarithm are left out. */
export function fitPower(points: readonly (readonly [x: number, y: number])[]): Fit {
  const logs = points.filter(([x, y]) => x > 0 && y > 0).map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const n = logs.length;
  const mean = (which: 0 | 1): number => logs.reduce((total, point) => total + point[which], 0) / n;
  const [mx, my] = [mean(0), mean(1)];
  const moment = (a: 0 | 1, b: 0 | 1): number =>
    logs.reduce((total, point) => total + (point[a] - (a === 0 ? mx : my)) * (point[b] - (b === 0 ? mx : my)), 0);
  const [sxx, sxy, syy] = [moment(0, 0), moment(0, 1), moment(1, 1)];
  if (n < 2 || sxx === 0) return { exponent: undefined, r2: undefined, points: n };
  return { exponent: sxy / sxx, r2: syy === 0 ? 1 : (sxy * sxy) / (sxx * syy), points: n };
}

/** What there is: axes with their values, and the counters that are not the same in all runs. @param hidden counters that are in no table */
export function overview(path: string, hidden: ReadonlySet<string> = new Set()): Analysis {
  const counters = new Map<string, { least: number; most: number }>();
  let runs = 0;
  readResultLines(path, ({ totals }) => {
    runs++;
    for (const [name, value] of Object.entries(totals.counters)) {
      const known = counters.get(name);
      if (known === undefined) counters.set(name, { least: value, most: value });
      else {
        known.least = Math.min(known.least, value);
        known.most = Math.max(known.most, value);
      }
    }
  });
  const { axes } = readSamples(path, { name: 'runs', of: (_result: RunResult) => 1 });
  const differing = [...counters].filter(([, { least, most }]) => least !== most).map(([name, { least, most }]) => [name, least, most]);
  const axisRows = axes.map(({ key, values }) => [
    key,
    values.length,
    values.length > 12 ? `${values.slice(0, 6).join(', ')}, …, ${values.at(-1)}` : values.join(', '),
  ]);
  const document = {
    schema: ANALYSIS_SCHEMA,
    kind: 'overview',
    runs,
    axes: axes.map(({ key, values }) => ({ key, values })),
    counters: Object.fromEntries(counters),
  };
  return {
    document,
    sheets: [
      { title: `${runs} ${runs === 1 ? 'run' : 'runs'}`, lines: [], keys: ['axis'], columns: ['count', 'values'], rows: axisRows, notes: [] },
      {
        title: 'Totals that differ',
        lines: [],
        keys: ['counter'],
        columns: ['least', 'most'],
        rows: differing.filter(([name]) => !hidden.has(String(name))),
        notes: ['--value COUNTER looks at one of them.'],
      },
    ],
    csv: { header: ['counter', 'least', 'most'], rows: differing },
  };
}

/** An axis that the analysis takes for itself, and whether one has to go across all the same. */
interface TakenAxis {
  readonly name: string;
  readonly option: string;
  readonly across: boolean;
}

function readLayout(path: string, request: AnalysisRequest, taken: TakenAxis | undefined): Layout {
  const quantity = readQuantity(request.value);
  const samples = readSamples(path, quantity, request.where);
  const { axes, without } = samples;
  const own = taken === undefined ? undefined : findAxis(axes, taken.name, taken.option);
  const free = axes.filter(axis => axis !== own);
  const asked = request.rows?.map(name => findAxis(free, name, '--rows'));
  const rest = taken?.across === false ? [] : free.filter(axis => asked?.includes(axis) !== true);
  const column = request.columns === undefined ? rest.at(-1) : findAxis(free, request.columns, '--columns');
  const rows = asked ?? free.filter(axis => axis !== column);
  const merged = free.filter(axis => axis !== column && !rows.includes(axis));
  const lines = [
    ...Object.entries(request.where ?? {}).map(([key, value]) => `Where ${key} is ${value}.`),
    ...(merged.length === 0 ? [] : [`The ${request.statistic} over ${labels(merged).join(', ')}.`]),
    ...(without === 0 ? [] : [`${without} results have no ${request.value}.`]),
  ];
  return { samples, quantity, statistic: statisticOf(request.statistic), rows, column, lines };
}

function documentOf(kind: string, { value, statistic, where = {} }: AnalysisRequest, { rows, column }: Layout, rest: object): Analysis['document'] {
  const across = column === undefined ? {} : { columnAxis: column.key, columns: column.values };
  return { schema: ANALYSIS_SCHEMA, kind, value, statistic, where, rowAxes: rows.map(axis => axis.key), ...across, ...rest };
}

const labels = (axes: readonly SampleAxis[]): readonly string[] => axes.map(axis => axis.label);
/** Counts stay as they are. */
const rounded = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(6)));
const cellNumber = (value: number | undefined, show: (value: number) => number): number | string => (value === undefined ? '' : show(value));
const cellText = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(3));
const ratioText = (ratio: number | undefined): string => (ratio === undefined ? '' : `${rounded(Number(ratio.toPrecision(3)))}x`);
