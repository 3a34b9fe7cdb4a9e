/**
 * Counters of work (`EventDef.group`), which readers of tables and pages are shown when they ask: by name, by the name of the group, or all counters there are.
 */
import type { CounterValues, PhaseResult, ReportView, RunResult } from '@mmulab/api';
import type { Catalog } from './describe';

/** Stands for all of them where counters are named. */
export const WORK_GROUP = 'work';

/** Their names. */
export function workCounters({ backends }: Pick<Catalog, 'backends'>): ReadonlySet<string> {
  return new Set(backends.flatMap(({ events }) => events.flatMap(({ name, group }) => (group === 'work' ? [name] : []))));
}

/** Names of counters with those of the group in the place of its name. */
export function withGroup(names: readonly string[] | undefined, catalog: Pick<Catalog, 'backends'>): readonly string[] | undefined {
  return names === undefined ? undefined : [...new Set(names.flatMap(name => (name === WORK_GROUP ? [...workCounters(catalog)] : [name])))];
}

/** Results as a view shows them. */
export function visibleResults(results: readonly RunResult[], catalog: Catalog, view: Pick<ReportView, 'all' | 'unfolded'>): readonly RunResult[] {
  const hidden = hiddenIn(view, catalog);
  if (hidden.size === 0) return results;
  const of = (counters: CounterValues): CounterValues => Object.fromEntries(Object.entries(counters).filter(([name]) => !hidden.has(name)));
  const phaseOf = (phase: PhaseResult): PhaseResult => ({ ...phase, counters: of(phase.counters) });
  return results.map(result => ({ ...result, phases: result.phases.map(phaseOf), totals: { counters: of(result.totals.counters) } }));
}

/** Counters that a view does not show. */
export function hiddenIn({ all, unfolded }: Pick<ReportView, 'all' | 'unfolded'>, catalog: Catalog): ReadonlySet<string> {
  return all || unfolded === true ? new Set() : workCounters(catalog);
}
