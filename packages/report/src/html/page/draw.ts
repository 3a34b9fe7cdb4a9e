/**
 * Draws charts with Observable Plot. Colours stand out on white and on black, so that a chart is the same on a light page, on a dark one, and saved as a file.
 */
import * as Plot from '@observablehq/plot';
import { formatCount, formatTime } from '../../quantity';
import {
  PALETTE,
  seriesOf,
  type BarsSpec,
  type ChangePoint,
  type ChangesSpec,
  type ChartSpec,
  type HeatSpec,
  type LinesSpec,
  type PublishedSpec,
  type Quantity,
  type SharesSpec,
} from '../chart-spec';

const LESS = '#2b9a66';
const MORE = '#d6455b';
const NARROW = 560;

const writers: Readonly<Record<Quantity, (value: number) => string>> = { count: formatCount, time: value => formatTime(Math.round(value)) };

/** A tick of a count: `500`, `20k`, `1.5M`. */
function short(value: number): string {
  const [unit, factor] = value >= 1e9 ? ['G', 1e9] : value >= 1e6 ? ['M', 1e6] : value >= 1e4 ? ['k', 1e3] : ['', 1];
  return `${Number((value / Number(factor)).toPrecision(3))}${unit}`;
}

/** A chart as an element, as wide as asked. */
export function draw(spec: ChartSpec, widthPx: number): Element {
  const element = Plot.plot({
    width: widthPx,
    style: { background: 'transparent', color: 'currentColor', fontSize: '12px', overflow: 'visible' },
    color: { domain: [...seriesOf(spec)], range: [...PALETTE] },
    ...optionsOf(spec, widthPx),
    ariaLabel: spec.title,
    ariaDescription: spec.description,
  });
  // One picture, described as a whole; names of its layers would say nothing.
  element.setAttribute('role', 'img');
  for (const layer of element.querySelectorAll('g[aria-label]')) layer.removeAttribute('aria-label');
  return element;
}

function optionsOf(spec: ChartSpec, widthPx: number): Plot.PlotOptions {
  switch (spec.kind) {
    case 'changes':
      return changes(spec, widthPx);
    case 'bars':
      return bars(spec);
    case 'shares':
      return shares(spec, widthPx);
    case 'lines':
      return lines(spec);
    case 'heat':
      return heat(spec, widthPx);
    case 'published':
      return published(spec, widthPx);
  }
}

/** Room for the longest of some labels, in pixels. */
function room(labels: readonly string[]): number {
  return 16 + 6.7 * Math.max(4, ...labels.map(label => label.length));
}

function changes({ points }: ChangesSpec, widthPx: number): Plot.PlotOptions {
  const counters = [...new Set(points.map(point => point.counter))];
  const isSingle = new Set(points.map(point => point.run)).size === 1;
  const hasRoom = isSingle && widthPx >= NARROW;
  const side = (isLess: boolean): Plot.Markish =>
    Plot.text(
      points.filter(({ ratio }) => ratio < 1 === isLess),
      { x: 'ratio', y: 'counter', text: 'change', textAnchor: isLess ? 'end' : 'start', dx: isLess ? -9 : 9, fill: 'currentColor' },
    );
  return {
    marginLeft: room(counters) + (hasRoom ? 76 : 8),
    marginRight: hasRoom ? 90 : 24,
    marginBottom: 44,
    height: 64 + 24 * counters.length,
    x: {
      type: 'log',
      base: 2,
      grid: true,
      label: 'fewer ← as in the first run → more',
      labelAnchor: 'center',
      labelArrow: 'none',
      tickFormat: ratioTick,
      ticks: widthPx < NARROW ? 3 : 8,
    },
    y: { domain: counters, axis: null },
    marks: [
      Plot.axisY({ label: null, tickSize: 0, dx: hasRoom ? -70 : 0 }),
      Plot.ruleX([1], { strokeOpacity: 0.6 }),
      Plot.ruleY(points, { x1: 1, x2: 'ratio', y: 'counter', stroke: 'run', strokeWidth: 2, strokeOpacity: 0.7 }),
      Plot.dot(points, {
        x: 'ratio',
        y: 'counter',
        stroke: 'run',
        strokeWidth: 2,
        fill: ({ isOff, run }: ChangePoint) => (isOff ? undefined : run),
        r: 5,
        channels: { counts: 'counts', change: 'change' },
        tip: { format: { x: false, fill: false } },
      }),
      ...(hasRoom ? [side(true), side(false)] : []),
    ],
  };
}

function ratioTick(ratio: number): string {
  if (ratio === 1) return '1';
  return ratio > 1 ? `${formatCount(Math.round(ratio))}x` : `1/${formatCount(Math.round(1 / ratio))}`;
}

function bars({ bars: all, quantity }: BarsSpec): Plot.PlotOptions {
  const phases = [...new Set(all.map(bar => bar.phase))];
  const runs = [...new Set(all.map(bar => bar.run))];
  const write = writers[quantity];
  const within = all.filter(bar => bar.low !== undefined);
  return {
    marginLeft: room(phases),
    marginRight: 90,
    height: 50 + phases.length * (14 + 14 * runs.length),
    x: { grid: true, label: null, tickFormat: quantity === 'time' ? write : short, ticks: 5 },
    y: { domain: runs, axis: null, padding: 0.1 },
    fy: { domain: phases, label: null, axis: 'left' },
    marks: [
      Plot.barX(all, { x: 'value', y: 'run', fy: 'phase', fill: 'run', tip: { format: { x: write, fy: true, y: true } } }),
      Plot.ruleY(within, { x1: 'low', x2: 'high', y: 'run', fy: 'phase', strokeWidth: 1.5 }),
      Plot.text(all, {
        x: ({ high, value }: BarsSpec['bars'][number]) => high ?? value,
        y: 'run',
        fy: 'phase',
        text: ({ value }: BarsSpec['bars'][number]) => write(value),
        textAnchor: 'start',
        dx: 4,
        fill: 'currentColor',
        fontSize: 11,
      }),
      Plot.ruleX([0]),
    ],
  };
}

function shares({ parts }: SharesSpec, widthPx: number): Plot.PlotOptions {
  const rows = [...new Set(parts.map(({ phase, run }) => rowName(phase, run, parts)))];
  const left = Math.min(room(rows), widthPx / 2);
  return {
    marginLeft: left,
    marginRight: 24,
    height: 50 + 26 * rows.length,
    x: { grid: true, label: null, tickFormat: writers.time, ticks: 5 },
    y: { domain: rows, label: null },
    marks: [
      Plot.barX(
        parts,
        Plot.stackX({
          x: 'ns',
          y: ({ phase, run }: SharesSpec['parts'][number]) => rowName(phase, run, parts),
          fill: 'part',
          tip: { format: { x: writers.time } },
        }),
      ),
      Plot.ruleX([0]),
    ],
  };
}

function rowName(phase: string, run: string, parts: SharesSpec['parts']): string {
  return parts.some(part => part.run !== run) ? `${phase}, ${run}` : phase;
}

function lines({ points, quantity, axis, ticks, numbers }: LinesSpec): Plot.PlotOptions {
  const write = writers[quantity];
  const x = ({ at }: LinesSpec['points'][number]): number | string => (numbers === undefined ? (ticks[at] ?? '') : (numbers[at] ?? 0));
  const values = points.map(point => point.value).filter(value => value > 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isWide = values.length > 0 && most / least > 100;
  const hasZero = values.length < points.length;
  const isLog = numbers !== undefined && numbers.every(number => number > 0) && Math.max(...numbers) / Math.min(...numbers) >= 8;
  return {
    marginLeft: 70,
    marginRight: 30,
    height: 320,
    x:
      numbers === undefined
        ? { type: 'point', domain: [...ticks], label: axis }
        : { type: isLog ? 'log' : 'linear', label: axis, ticks: [...numbers], tickFormat: (value: number) => ticks[numbers.indexOf(value)] ?? '' },
    y: {
      grid: true,
      label: null,
      tickFormat: quantity === 'time' ? write : short,
      ...(isWide ? { type: hasZero ? 'symlog' : 'log', ticks: [...(hasZero ? [0] : []), ...powers(least, most)] } : { zero: true, ticks: 6 }),
    },
    marks: [
      ...(isWide && !hasZero ? [] : [Plot.ruleY([0])]),
      Plot.line(points, { x, y: 'value', stroke: 'series', z: 'series', strokeWidth: 2 }),
      Plot.dot(points, { x, y: 'value', fill: 'series', r: 4, tip: { format: { y: write } } }),
    ],
  };
}

/** Powers of ten around a range. */
function powers(least: number, most: number): number[] {
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  return Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at)).filter(power => power >= least / 2 && power <= most * 2);
}

function heat({ cells, across, down, columns, rows }: HeatSpec, widthPx: number): Plot.PlotOptions {
  const farthest = Math.max(0.1, ...cells.map(({ ratio }) => Math.abs(Math.log2(ratio))));
  return {
    marginLeft: room(rows),
    marginTop: 30,
    marginBottom: 40,
    height: 80 + 44 * rows.length,
    padding: 0.04,
    x: { domain: [...columns], label: across, labelArrow: 'none', type: 'band' },
    y: { domain: [...rows], label: down, labelAnchor: 'top', labelArrow: 'none', type: 'band' },
    color: { type: 'diverging', domain: [-farthest, farthest], pivot: 0, range: [LESS, '#8a8f98', MORE], interpolate: 'rgb' },
    marks: [
      Plot.cell(cells, {
        x: 'column',
        y: 'row',
        fill: ({ ratio }: HeatSpec['cells'][number]) => Math.log2(ratio),
        fillOpacity: 0.35,
        channels: { change: 'words' },
        tip: { format: { fill: false } },
      }),
      ...(widthPx < NARROW && columns.length > 4 ? [] : [Plot.text(cells, { x: 'column', y: 'row', text: 'words', fill: 'currentColor' })]),
    ],
  };
}

function published({ rows }: PublishedSpec, widthPx: number): Plot.PlotOptions {
  const labels = rows.map(row => row.label);
  const dots = rows.flatMap(row => [
    { label: row.label, what: 'published', ns: row.publishedNs },
    { label: row.label, what: 'predicted', ns: row.predictedNs },
  ]);
  return {
    marginLeft: Math.min(room(labels), widthPx / 2),
    marginRight: 24,
    height: 60 + 24 * rows.length,
    x: { type: 'log', grid: true, label: null, tickFormat: writers.time, ticks: widthPx < NARROW ? 2 : 5 },
    y: { domain: labels, label: null },
    marks: [
      Plot.ruleY(rows, {
        y: 'label',
        x1: ({ intervalNs }: PublishedSpec['rows'][number]) => intervalNs[0],
        x2: ({ intervalNs }: PublishedSpec['rows'][number]) => intervalNs[1],
        strokeWidth: 3,
        strokeOpacity: 0.4,
      }),
      Plot.dot(dots, { x: 'ns', y: 'label', fill: 'what', r: 5, tip: { format: { x: writers.time } } }),
    ],
  };
}
