/**
 * Predictions beside published times, cell by cell, with the errors over all cells and the parameters behind them.
 */
import type { PredictedCell, Score } from '@mmulab/api';
import { formatTime } from './quantity';
import type { Report } from '@mmulab/api';
import type { Cell, Sheet } from './sheet';

/** A parameter of the model; seconds or plain. */
export interface FittedParameter {
  readonly name: string;
  readonly model: string;
  readonly value: number;
  /** One standard error, as a factor. */
  readonly factor: number;
  readonly unit: string;
  readonly origin: string;
}

/** What the JSON format holds. */
export interface PredictionDocument extends Score {
  readonly cells: readonly PredictedCell[];
  readonly parameters: readonly FittedParameter[];
  /** Calibration alone: GME over all cells when a mechanism is left out and the rest fitted again. */
  readonly ablation?: readonly { readonly model: string; readonly without: string; readonly all: number | null; readonly heldOut: number | null }[];
}

const NS = 1e9;

/** Predictions as a report. */
export function predictionReport(document: PredictionDocument): Report {
  return {
    what: 'a prediction',
    document,
    sheets: () => [cellSheet(document), ...refusedSheets(document), ...ablationSheets(document), parameterSheet(document)],
    csv: () => ({
      header: ['table', 'name', 'row', 'column', 'published', 'predicted', 'lo', 'hi', 'fitted', 'basis', 'bottleneck', 'refused'],
      rows: document.cells.map(cell => [
        cell.table,
        cell.name,
        cell.row,
        cell.column,
        cell.published,
        cell.predicted ?? '',
        cell.lo ?? '',
        cell.hi ?? '',
        String(cell.fitted),
        cell.basis ?? '',
        cell.bottleneck ?? '',
        cell.refused ?? '',
      ]),
    }),
  };
}

function cellSheet({ cells, gme, medianError, coverage }: PredictionDocument): Sheet {
  const priced = cells.filter(({ refused }) => refused === null);
  return {
    title: 'Published and predicted times',
    lines: [],
    keys: 3,
    columns: [
      { name: 'table', align: 'left' },
      { name: 'row', align: 'left' },
      { name: 'column', align: 'left' },
      { name: 'published', align: 'right' },
      { name: 'predicted', align: 'right' },
      { name: 'error', align: 'right' },
      { name: 'interval', align: 'right' },
      { name: 'fitted', align: 'left' },
      { name: 'basis', align: 'left' },
      { name: 'bottleneck', align: 'left' },
    ],
    rows: priced.map(cellRow),
    notes: [
      `Geometric mean error: all ${percent(gme.all)}, fitted ${percent(gme.fitted)}, held out ${percent(gme.heldOut)}.`,
      `Median error ${percent(medianError)}; ${percent(coverage)} of the published times lie in the interval (nominal 90 %).`,
    ],
  };
}

function cellRow({ table, name, row, column, published, predicted, lo, hi, fitted, basis, bottleneck }: PredictedCell): Cell[] {
  const error = predicted === null || published === 0 ? null : predicted / published - 1;
  return [
    name === '' ? table : `${table}: ${name}`,
    row,
    column,
    formatTime(published * NS),
    predicted === null ? '-' : formatTime(predicted * NS),
    signed(error),
    lo === null || hi === null ? '-' : `${formatTime(lo * NS)} - ${formatTime(hi * NS)}`,
    fitted ? 'yes' : 'no',
    basis ?? '',
    bottleneck ?? '',
  ];
}

function refusedSheets({ cells }: PredictionDocument): readonly Sheet[] {
  const refused = cells.filter(cell => cell.refused !== null);
  if (refused.length === 0) return [];
  const columns = ['table', 'row', 'column', 'refused because'].map(name => ({ name, align: 'left' as const }));
  const rows = refused.map(({ table, name, row, column, refused: reason }) => [name === '' ? table : `${table}: ${name}`, row, column, reason ?? '']);
  return [{ title: `${refused.length} cells that no prediction is made for`, lines: [], keys: 3, columns, rows, notes: [] }];
}

function ablationSheets({ ablation = [] }: PredictionDocument): readonly Sheet[] {
  if (ablation.length === 0) return [];
  const columns = ['model', 'without', 'all', 'held out'].map((name, i) => ({ name, align: i < 2 ? ('left' as const) : ('right' as const) }));
  const rows = ablation.map(({ model, without, all, heldOut }) => [model, without, percent(all), percent(heldOut)]);
  return [{ title: 'Error when a mechanism is left out', lines: [], keys: 2, columns, rows, notes: [] }];
}

function parameterSheet({ parameters }: PredictionDocument): Sheet {
  const columns = ['model', 'parameter', 'value', 'x/÷', 'origin'].map((name, i) => ({
    name,
    align: i === 2 || i === 3 ? ('right' as const) : ('left' as const),
  }));
  const rows = parameters.map(({ model, name, value, unit, factor, origin }) => [
    model,
    name,
    unit === 's' ? `${Number((value * 1e6).toPrecision(4))} us` : String(Number(value.toPrecision(4))),
    factor.toFixed(2),
    origin,
  ]);
  return { title: 'Parameters', lines: [], keys: 2, columns, rows, notes: [] };
}

function percent(value: number | null): string {
  return value === null ? '-' : `${(value * 100).toFixed(1)} %`;
}

function signed(value: number | null): string {
  return value === null ? '-' : `${value >= 0 ? '+' : ''}${(value * 100).toFixed(1)} %`;
}
