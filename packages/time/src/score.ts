/**
 * How predictions did: errors over cells.
 */
import type { PredictedCell, Score } from '@mmulab/api';

/** Scores cells; those that were refused do not count. */
export function judge(cells: readonly PredictedCell[]): Score {
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

function gme(cells: readonly PredictedCell[]): number | null {
  if (cells.length === 0) return null;
  return Math.exp(cells.reduce((sum, { predicted, published }) => sum + Math.abs(Math.log((predicted ?? 0) / published)), 0) / cells.length) - 1;
}

function median(sorted: readonly number[]): number | null {
  if (sorted.length === 0) return null;
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}
