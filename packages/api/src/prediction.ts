/**
 * Predicted times beside published ones: what is told of each cell of a table, and how far off all of them are.
 */

/** A cell with its prediction, or why it has none. */
export interface PredictedCell {
  readonly table: string;
  readonly name: string;
  readonly row: string;
  readonly column: string;
  /** Seconds. */
  readonly published: number;
  readonly predicted: number | null;
  readonly lo: number | null;
  readonly hi: number | null;
  /** Whether the model, or a factor of its host, was fitted to this cell. */
  readonly fitted: boolean;
  readonly basis: string | null;
  readonly bottleneck: string | null;
  readonly refused: string | null;
}

/** Errors over cells; null where there are none. */
export interface Score {
  /** exp(mean |ln(predicted/published)|) − 1. */
  readonly gme: { readonly all: number | null; readonly fitted: number | null; readonly heldOut: number | null };
  /** Median of |predicted/published − 1| over cells that were not fitted, or over all where every one was. */
  readonly medianError: number | null;
  /** Share of those cells whose published time lies in the interval. */
  readonly coverage: number | null;
}
