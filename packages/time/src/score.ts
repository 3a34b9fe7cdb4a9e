/**
 * How predictions did: errors over cells.
 */

/** A cell with its prediction, or why it has none. */
export interface CellOutcome {
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

/** Scores cells; those that were refused do not count. */
export function judge(cells: readonly CellOutcome[]): Score {
  const priced = cells.filter(({ predicted, published }) => predicted !== null && published > 0);
  const heldOut = priced.filter(({ fitted }) => !fitted);
  const judged = heldOut.length > 0 ? heldOut : priced;
  const errors = judged.map(({ predicted, published }) => Math.abs((predicted ?? 0) / published - 1)).sort((a, b) => a - b);
  const inside = judged.filter(({ lo, hi, published }) => lo !== null && hi !== null && lo <= published && published <= hi).length;
  return {
    gme: { all: gme(priced), fitted: gme(priced.filter(({ fitted }) => fitted)), heldOut: gme(heldOut) },
    medianError: median(errors),
    coverage: judged.length === 0 ? null : inside / judged.length,
  };
}

function gme(cells: readonly CellOutcome[]): number | null {
  if (cells.length === 0) return null;
  return Math.exp(cells.reduce((sum, { predicted, published }) => sum + Math.abs(Math.log((predicted ?? 0) / published)), 0) / cells.length) - 1;
}

function median(sorted: readonly number[]): number | null {
  if (sorted.length === 0) return null;
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}
