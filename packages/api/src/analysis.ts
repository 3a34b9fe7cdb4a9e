/**
 * What an analysis of results says, as tables that are not yet in any format.
 */

/** A table; a column whose values are all numbers goes to the right. */
export interface AnalysedTable {
  readonly title: string;
  /** Above the table, one line each. */
  readonly lines: readonly string[];
  /** Names of the leading columns, which say what a row is. */
  readonly keys: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** Below the table, one line each. */
  readonly notes: readonly string[];
}
