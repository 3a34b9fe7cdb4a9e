/**
 * Reports: one thing worth printing (results, a comparison, a verification, a list, an explanation) with several faces. A report knows nothing of terminals; the
 * formats that show its faces are in reporter.ts.
 */
import type { Sheet } from './sheet';

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
