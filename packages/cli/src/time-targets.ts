/**
 * What predictions are to reach on the published tables, and what they reach: each with the command that gives the figure.
 */
import type { PredictedCell } from '@mmulab/api';
import { readSelection } from '@mmulab/time';
import { fitModels, fittedBelief, type Prepared } from './fitting';
import { predictedCell, type PricedCell } from './priced-tables';

/** A figure beside what it is to be. */
export interface Target {
  readonly what: string;
  /** What gives it. */
  readonly command: string;
  readonly reached: string;
  readonly wanted: string;
  readonly isMet: boolean;
}

type Cells = readonly PredictedCell[];

const SPLIT = 'x86-tdp-split-on-fault-2022';
const SHADOW = 'x86-shadow-eps-v3';
const SERIES = 'arm64-cmo-series-2021';
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const ratioOf = ({ predicted, published }: PredictedCell): number => (predicted ?? 0) / published;

function gme(cells: Cells): number {
  return Math.exp(cells.reduce((sum, cell) => sum + Math.abs(Math.log(ratioOf(cell))), 0) / cells.length) - 1;
}

function rms(cells: Cells): number {
  return Math.sqrt(cells.reduce((sum, cell) => sum + (ratioOf(cell) - 1) ** 2, 0) / cells.length);
}

function coverage(cells: Cells): number {
  return cells.filter(({ lo, hi, published }) => (lo ?? 0) <= published && published <= (hi ?? 0)).length / cells.length;
}

function atMost(what: string, command: string, reached: number, wanted: number): Target {
  return { what, command, reached: percent(reached), wanted: `≤ ${percent(wanted)}`, isMet: reached <= wanted };
}

/** Targets that the shipped models are held to. */
export function shippedTargets(cells: Cells): readonly Target[] {
  const of = (table: string, isOne: (cell: PredictedCell) => boolean = () => true): Cells =>
    cells.filter(cell => cell.table === table && cell.predicted !== null && isOne(cell));
  const command = (table: string): string => `mmulab predict ${table}.json`;
  const isDirty = ({ name }: PredictedCell): boolean => name.includes('dirty memory');
  const before = of(SPLIT, ({ row, column }) => row === 'execute' && column === 'before');
  const series = of(SERIES);
  const ratios = series.flatMap((cell, i) => (i % 2 === 0 ? [ratioOf(cell) / ratioOf(series[i + 1] ?? cell) - 1] : []));
  return [
    atMost('split on fault: 42 times, GME', command(SPLIT), gme(of(SPLIT, isDirty)), 0.065),
    atMost('split on fault: execute before, error', command(SPLIT), Math.abs(gme(before)), 0.1),
    atMost(
      'legacy MMU, no eager split: 12 times, GME',
      command(SHADOW),
      gme(of(SHADOW, cell => isDirty(cell) && cell.name.includes('tdp_mmu=N') && cell.column.endsWith('N'))),
      0.08,
    ),
    atMost('shadow MMU: 36 times, GME', command(SHADOW), gme(of(SHADOW, cell => cell.name.includes('ept=N'))), 0.1),
    atMost('cache maintenance: 16 times, RMS, mean of three seeds', command(SERIES), rms(series), 0.08),
    atMost('cache maintenance: worst before/after ratio', command(SERIES), Math.max(...ratios.map(Math.abs)), 0.15),
    atMost('arm64-cmo-v1-raw-2021, not fitted: RMS', command('arm64-cmo-v1-raw-2021'), rms(of('arm64-cmo-v1-raw-2021')), 0.12),
    atMost('arm64-kpt-baseline-2021, not fitted: RMS', command('arm64-kpt-baseline-2021'), rms(of('arm64-kpt-baseline-2021')), 0.12),
    atMost('shared lock: 36 times, GME', command('arm64-eps-v1-2023'), gme(of('arm64-eps-v1-2023')), 0.1),
  ];
}

/** Targets of fits on some rows, the others held out. */
export async function rowTargets(prepared: readonly Prepared[]): Promise<readonly Target[]> {
  const split = await fittedOnRows(prepared, SPLIT, 'vcpus in [2,16,96]', () => true);
  const shadow = await fittedOnRows(prepared, SHADOW, 'vcpus in [2,16,64]', isExclusive);
  const rows = split.cells.filter(({ row }) => /^(?:4|8|32|64)$/.test(row));
  const factors = rows.map(cell => Math.exp(Math.abs(Math.log(ratioOf(cell)))));
  const near = factors.filter(factor => factor <= 1.2).length;
  const line = interpolationError(split.cells);
  const before = split.cells.filter(({ row, column }) => row === 'execute' && column === 'before');
  const command = `mmulab calibrate ${SPLIT}.json --fit "vcpus in [2,16,96]"`;
  const covered = coverage(rows);
  return [
    atMost(`rows 2, 16, 96: ${rows.length} others, GME`, command, gme(rows), 0.08),
    { what: 'rows 2, 16, 96: others within 20 %', command, reached: `${near} of ${rows.length}`, wanted: '≥ 21 of 24', isMet: near >= 21 },
    { what: 'rows 2, 16, 96: worst factor', command, reached: Math.max(...factors).toFixed(2), wanted: '≤ 1.6', isMet: Math.max(...factors) <= 1.6 },
    atMost(`rows 2, 16, 96: error over that of log-log interpolation (${percent(line)})`, command, gme(rows) / line, 0.5),
    atMost('rows 2, 16, 96: execute before, error', command, gme(before), 0.1),
    { what: 'rows 2, 16, 96: parameters fitted', command, reached: String(split.parameters), wanted: '≤ 8', isMet: split.parameters <= 8 },
    {
      what: 'rows 2, 16, 96: parameters at the end of their range',
      command,
      reached: String(split.atBorder),
      wanted: '0',
      isMet: split.atBorder === 0,
    },
    {
      what: 'rows 2, 16, 96: others in the 90 % interval',
      command,
      reached: percent(covered),
      wanted: '85 to 97 %',
      isMet: covered >= 0.85 && covered <= 0.97,
    },
    atMost(
      'legacy and shadow MMU, rows 2, 16, 64: others, GME',
      `mmulab calibrate ${SHADOW}.json --fit "vcpus in [2,16,64]"`,
      gme(shadow.cells.filter(({ fitted, name }) => !fitted && name.includes('dirty memory'))),
      0.16,
    ),
  ];
}

/** Cells of the legacy MMU without eager split, and of the shadow MMU. */
function isExclusive({ runnable: { cell } }: PricedCell): boolean {
  return cell.metric.includes('dirty memory') && (cell.name.includes('ept=N') || cell.column.endsWith('N'));
}

interface Fitted {
  readonly cells: Cells;
  readonly parameters: number;
  readonly atBorder: number;
}

async function fittedOnRows(prepared: readonly Prepared[], table: string, rows: string, isOne: (cell: PricedCell) => boolean): Promise<Fitted> {
  const own = prepared.flatMap(({ runnable, priced }) =>
    typeof priced !== 'string' && runnable.cell.table === table && isOne(priced) ? [priced] : [],
  );
  const isChosen = readSelection(rows);
  const models = [...new Set(own.map(({ model }) => model))];
  const fit = await fitModels(
    models,
    own.filter(({ runnable }) => isChosen(runnable.cell)),
  );
  const cells = own.map(cell => predictedCell(cell, fittedBelief(fit, cell), isChosen(cell.runnable.cell)));
  const free = models.flatMap(({ parameters }) => parameters).filter(({ key, origin }) => fit.told.has(key) && origin.startsWith('fitted '));
  return { cells, parameters: free.length, atBorder: fit.atBorder.length };
}

/** GME of the rows 4, 8, 32 and 64 when each is interpolated, straight in logarithms, between the rows 2, 16 and 96 of its column. */
function interpolationError(cells: Cells): number {
  const at = (cell: PredictedCell, vcpus: number): number =>
    cells.find(({ name, column, row }) => name === cell.name && column === cell.column && row === String(vcpus))?.published ?? 1;
  const between = cells
    .filter(({ row }) => /^(?:4|8|32|64)$/.test(row))
    .map(cell => {
      const vcpus = Number(cell.row);
      const [low, high] = vcpus < 16 ? [2, 16] : [16, 96];
      const part = Math.log(vcpus / low) / Math.log(high / low);
      return { ...cell, predicted: at(cell, low) ** (1 - part) * at(cell, high) ** part };
    });
  return gme(between);
}
