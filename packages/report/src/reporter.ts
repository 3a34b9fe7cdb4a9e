/**
 * Reports and the formats they are written in.
 *
 * A report is one thing worth printing (results, a comparison, a verification, a list, an explanation) with several faces; a reporter picks the
 * face it needs and writes it as text. So every report knows nothing of terminals, and every format nothing of counters.
 */
import { renderCsv } from './csv';
import { noSuchForm, unknownFormat } from './errors';
import { renderJson } from './json';
import { renderMarkdown } from './markdown';
import { plainText } from './plain-text';
import type { Sheet } from './sheet';
import { renderTable } from './table';

/** How the reader sees it. */
export interface View {
  /** Zero counters too, and what is the same in all runs. */
  readonly all: boolean;
  /** A comparison shows every counter that differs, and folds none under another: the reader named the counters. */
  readonly unfolded?: boolean;
  /** Whether the output may carry colours. */
  readonly color: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
}

/** Rows for a spreadsheet, numbers as they are. */
export interface CsvRows {
  readonly header: readonly string[];
  /** Made as they are asked for where there are many. */
  readonly rows: Iterable<readonly (string | number)[]>;
}

/** Something worth printing. A face that is absent makes no sense for it. */
export interface Report {
  /** What it is, for messages: `a verification`. */
  readonly what: string;
  /** What `--format json` prints. */
  readonly document: unknown;
  sheets(view: View): Iterable<Sheet>;
  csv(view: View): CsvRows;
  /** Lines in the manner of the selftests. */
  selftestLines?(): readonly string[];
}

/** One output format. */
export interface Reporter {
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** @returns text that ends with a newline, whole or in pieces; undefined when the report lacks the face this format shows. */
  render(report: Report, view: View): string | Iterable<string> | undefined;
}

/** All formats, the default first. */
export const REPORTERS: readonly Reporter[] = [
  { name: 'table', doc: 'Tables for a terminal: counters as rows, phases as columns.', render: renderTable },
  { name: 'json', doc: 'The document itself; several results make an array.', render: renderJson },
  { name: 'csv', doc: 'One value per line, for spreadsheets and scripts.', render: renderCsv },
  { name: 'markdown', doc: 'Tables for a document or an issue.', render: renderMarkdown },
  {
    name: 'selftest',
    doc: 'The lines the KVM selftests print, one per phase.',
    render: report =>
      report
        .selftestLines?.()
        .map(line => `${plainText(line)}\n`)
        .join(''),
  },
];

/** The format of a name. Throws `REPORT_UNKNOWN_FORMAT`, with the nearest name, when there is none. */
export function reporterFor(name: string): Reporter {
  const reporter = REPORTERS.find(candidate => candidate.name === name);
  if (reporter !== undefined) return reporter;
  throw unknownFormat(
    name,
    REPORTERS.map(candidate => candidate.name),
  );
}

/** Writes a report in a format, as one text. Throws as `renderParts` does. */
export function renderReport(report: Report, format: string, view: View): string {
  return [...renderParts(report, format, view)].join('');
}

/**
 * Writes a report in a format, piece by piece: the whole may be longer than a string can be.
 * Throws `REPORT_UNKNOWN_FORMAT`, or `REPORT_NO_SUCH_FORM` when the report cannot be written so; nothing once there is a piece.
 */
export function renderParts(report: Report, format: string, view: View): Iterable<string> {
  const text = reporterFor(format).render(report, view);
  if (text !== undefined) return typeof text === 'string' ? [text] : text;
  const possible = REPORTERS.filter(reporter => reporter.render(report, view) !== undefined);
  throw noSuchForm(
    format,
    report.what,
    possible.map(reporter => reporter.name),
  );
}
