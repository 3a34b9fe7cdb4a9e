/**
 * Predictions for a published table as a story of a report page: its times as charts, one per part of the table, and the tables of the terminal below.
 */
import type { PredictedCell } from '@mmulab/api';
import { predictionReport, type PredictionDocument } from '../prediction-report';
import type { ReportStory } from './build-report';
import type { PublishedRow, PublishedTable } from './report-data';

const NS = 1e9;

/** The story of one table. @param document the cells of that table, and what was found of them */
export function predictionStory(source: string, document: PredictionDocument, command: string): ReportStory {
  const { cells } = document;
  const [times, ...others] = predictionReport(document).sheets({ all: false, color: false, columns: Infinity });
  return {
    results: [],
    command,
    title: source,
    question: `How near to the published times of ${source} do the predictions come?`,
    conclusions: times?.notes ?? [],
    published: [...new Set(cells.map(cell => cell.name))].flatMap(name => publishedTable(source, name, cells)),
    sheets: [...(times === undefined ? [] : [{ ...times, notes: [] }]), ...others].filter(sheet => sheet.rows.length > 0),
  };
}

/** A part of a table; nothing where none of its cells has both times. */
function publishedTable(source: string, name: string, cells: readonly PredictedCell[]): readonly PublishedTable[] {
  const rows = cells.filter(cell => cell.name === name).flatMap(publishedRow);
  return rows.length === 0 ? [] : [{ source: name === '' ? source : `${source}: ${name}`, rows }];
}

/** Times stand on a logarithmic axis, where 0 has no place: such a cell is in the table alone. */
function publishedRow({ row, column, published, predicted, lo, hi }: PredictedCell): readonly PublishedRow[] {
  if (predicted === null || !(predicted > 0) || !(published > 0)) return [];
  const intervalNs = [(lo ?? predicted) * NS, (hi ?? predicted) * NS] as const;
  return [{ label: `${row}, ${column}`, publishedNs: published * NS, predictedNs: predicted * NS, intervalNs }];
}
