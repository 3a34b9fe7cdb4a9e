/**
 * Tables that somebody else has worked out (the analysis of a sweep) as a report.
 */
import type { AnalysedTable } from '@mmulab/api';
import type { CsvRows, Report } from '@mmulab/api';
import type { Sheet } from './sheet';

/** What an analysis found out. */
export interface AnalysedTables {
  /** What `--format json` prints. */
  readonly document: unknown;
  readonly sheets: readonly AnalysedTable[];
  readonly csv: CsvRows;
}

/** An analysis in every format but the selftests'. */
export function analysisReport({ document, sheets, csv }: AnalysedTables): Report {
  return { what: 'an analysis', document, sheets: () => sheets.map(sheetOf), csv: () => csv };
}

function sheetOf({ title, lines, keys, columns, rows, notes }: AnalysedTable): Sheet {
  const left = keys.map(name => ({ name, align: 'left' as const }));
  const right = columns.map((name, i) => ({
    name,
    align: rows.every(row => typeof row[keys.length + i] === 'string') ? ('left' as const) : ('right' as const),
  }));
  return { title, lines, keys: keys.length, columns: [...left, ...right], rows, notes };
}
