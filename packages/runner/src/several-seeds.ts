/**
 * A run over several seeds: what it counts under the first, and how far its counters go apart where concurrency makes them depend on timing.
 */
import type { PhaseResult, PhaseWork, Spread } from '@mmulab/api';

/** What a run gives under one seed. */
export interface SeedOutcome {
  readonly phases: readonly PhaseResult[];
  readonly work: readonly PhaseWork[] | undefined;
}

/** The phases of the first seed, with the spread of the counters that are not the same under all. */
export function spreadPhases(outcomes: readonly [SeedOutcome, ...SeedOutcome[]]): readonly PhaseResult[] {
  const [first, ...others] = outcomes;
  return first.phases.map((phase, at) => {
    const counts = [phase, ...others.flatMap(({ phases }) => phases[at] ?? [])].map(({ counters }) => counters);
    const spread: Record<string, Spread> = {};
    for (const name of Object.keys(phase.counters)) {
      const values = counts.map(counters => counters[name] ?? 0);
      const [min, max] = [Math.min(...values), Math.max(...values)];
      if (min !== max) spread[name] = { mean: values.reduce((sum, value) => sum + value, 0) / values.length, min, max };
    }
    return Object.keys(spread).length === 0 ? phase : { ...phase, spread };
  });
}

/** What a reader of the result should know. */
export function seedsNote(seeds: number, seed: number, phases: readonly PhaseResult[]): string {
  const apart = phases.filter(({ spread }) => spread !== undefined).map(({ phase }) => phase);
  const range = `Run with ${seeds} seeds, ${seed} to ${seed + seeds - 1}`;
  if (apart.length === 0) return `${range}: no counter depends on them.`;
  const named = apart.length > MAX_NAMED ? `${apart.slice(0, MAX_NAMED).join(', ')} and ${apart.length - MAX_NAMED} more phases` : apart.join(', ');
  return `${range}: counters are those of the first; in ${named} some depend on timing (spread).`;
}

const MAX_NAMED = 4;
