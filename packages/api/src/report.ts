/**
 * Reports and the formats they are written in, as plugins meet them.
 *
 * A report is one thing worth printing (results, a comparison, a verification, a list) with several faces; a reporter picks the face it needs and writes it as text.
 * So every report knows nothing of terminals, and every format nothing of counters.
 */
import type { ContributionLoad } from './contribution';

/** How a cell is set off from others, where the format can. `code` is text to be typed as it stands. */
export type Tone = 'strong' | 'faint' | 'good' | 'bad' | 'code';

/** A cell with a tone. */
export interface TonedCell {
  readonly value: string | number;
  readonly tone: Tone;
}

/** Text, or a number to be written with its thousands set apart. */
export type Cell = string | number | TonedCell;

/** A column of a sheet. */
export interface Column {
  readonly name: string;
  readonly align: 'left' | 'right';
  /** True when the column makes sense only beside the one before it: the two are never parted. */
  readonly glued?: boolean;
}

/** One table with a title, lines above and notes below, not yet in any format. */
export interface Sheet {
  readonly title: string;
  /** Above the table, one line each. */
  readonly lines: readonly string[];
  /** Number of leading columns that name a row; they come again in every block when the sheet is cut to a width. */
  readonly keys: number;
  readonly columns: readonly Column[];
  /** One array per row, as long as `columns`. */
  readonly rows: readonly (readonly Cell[])[];
  /** Below the table, one line each. */
  readonly notes: readonly string[];
}

/** How the reader sees a report. */
export interface ReportView {
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
  /** What it is, for messages: `a result`, `a comparison`, `a verification`, `a list`. */
  readonly what: string;
  /** What `--format json` prints: one `RunResult` or an array of them, where it is a result. */
  readonly document: unknown;
  sheets(view: ReportView): Iterable<Sheet>;
  csv(view: ReportView): CsvRows;
  /** Lines in the manner of the selftests. */
  selftestLines?(): readonly string[];
}

/** One output format. */
export interface Reporter {
  /** As in `--format NAME`. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** @returns text that ends with a newline, whole or in pieces; undefined when the report lacks the face this format shows */
  render(report: Report, view: ReportView): string | Iterable<string> | undefined;
}

/** Names of the formats that are there without any plugin. */
export const BUILT_IN_FORMATS: readonly string[] = ['table', 'json', 'csv', 'markdown', 'selftest'];

/** Multi-injection token of output formats. */
export const ReporterContribution = Symbol.for('mmulab.ReporterContribution');

/** Registers an output format. */
export function contributeReporter(load: ContributionLoad, reporter: Reporter): void {
  load.bind<Reporter>(ReporterContribution).toConstantValue(reporter);
}
