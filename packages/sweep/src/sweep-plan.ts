/**
 * What a sweep is going to run, checked as far as that can be done without looking at each of its runs.
 *
 * Every value of every axis is tried, with the first values of the other axes: what is misspelt or out of range shows before anything runs, in a plan of a
 * million runs too. A combination that its backend refuses is a failed run, and found when it is its turn.
 */
import { openMatrix, type MatrixAxis, type RawConfig, type Registry, type ResolvedRun, type RunMatrix } from '@mmulab/runner';
import { createHash } from 'node:crypto';
import { measuredThreshold } from './errors';
import { identityOf } from './identity';
import { RunKeys, canonicalJson } from './run-key';
import { SWEEP_SCHEMA, type SweepDocument } from './sweep-folder';

/** A sweep that can be run. */
export interface SweepPlan {
  readonly document: SweepDocument;
  readonly matrix: RunMatrix;
  readonly keys: RunKeys;
}

/** How a sweep keeps its results. */
export interface PlanOptions {
  /** Keep the counters of every vCPU too. */
  readonly perVcpu?: boolean;
}

const ID_DIGITS = 12;
/** Most values of one axis that are tried; of longer ones as many, evenly spread. */
const MAX_TRIED = 2000;
/** Other combinations in which a value is tried before it counts as wrong. */
const OTHER_COMBINATIONS = 16;

/**
 * Plans a sweep.
 * @throws typed errors for everything wrong with the config that no combination of the other values mends; SWEEP_MEASURED_THRESHOLD
 */
export function planSweep(config: RawConfig, registry: Registry, { perVcpu = false }: PlanOptions = {}): SweepPlan {
  const matrix = openMatrix(config, registry);
  const first = checkAxes(matrix);
  for (const { path, target } of first.thresholds) {
    if (target.at === 'wallMs' || (target.at === 'memory' && target.field === 'simulatorBytes')) throw measuredThreshold(path);
  }
  const identity = identityOf(registry);
  const what = canonicalJson({ config, identity, perVcpu });
  const document: SweepDocument = {
    schema: SWEEP_SCHEMA,
    id: createHash('sha256').update(what).digest('hex').slice(0, ID_DIGITS),
    name: first.name,
    runs: matrix.size,
    axes: matrix.axes.map(({ keys, length }) => ({ keys, length })),
    config,
    perVcpu,
    identity,
  };
  return { document, matrix, keys: new RunKeys(identity, perVcpu) };
}

/** @returns the first run that can be resolved */
function checkAxes(matrix: RunMatrix): ResolvedRun {
  const { axes } = matrix;
  const resolveAt = (positions: readonly number[]): ResolvedRun => matrix.resolveAt(positions);
  const first = axes.map(() => 0);
  const run = tryPositions(first, axes, undefined, resolveAt);
  axes.forEach((axis, a) => {
    for (const value of triedValues(axis.length)) {
      if (value > 0)
        tryPositions(
          first.map((zero, other) => (other === a ? value : zero)),
          axes,
          a,
          resolveAt,
        );
    }
  });
  return run;
}

/** Positions along an axis, all of them when there are few. */
function triedValues(length: number): readonly number[] {
  const count = Math.min(length, MAX_TRIED);
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.round((i * (length - 1)) / (count - 1))));
}

/** Resolves a combination; where it is refused, others with the same value along `axis`. Throws what the first one threw when none is accepted. */
function tryPositions(
  positions: readonly number[],
  axes: readonly MatrixAxis[],
  axis: number | undefined,
  resolveAt: (positions: readonly number[]) => ResolvedRun,
): ResolvedRun {
  try {
    return resolveAt(positions);
  } catch (error) {
    for (let other = 1; other <= OTHER_COMBINATIONS; other++) {
      // Along each axis at a pace of its own, so that few combinations see many pairs of values.
      const moved = positions.map((at, a) => (a === axis ? at : (at + other * (2 * a + 1)) % (axes[a]?.length ?? 1)));
      const run = attempt(() => resolveAt(moved));
      if (run !== undefined) return run;
    }
    throw error;
  }
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
