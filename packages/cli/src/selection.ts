/**
 * `--counters` and `--phases`, checked against what the runs are going to count before the first one starts: a run may take minutes, and a mistyped name must not
 * cost its result.
 */
import type { RunResult } from '@mmulab/api';
import { checkSelection, withGroup, type Catalog } from '@mmulab/report';
import { planRun } from '@mmulab/runner';
import type { SelectionOptions } from './options';
import type { PreparedRun } from './sources';

/** More phases than this are not looked through. */
const MOST_CHECKED_PHASES = 100_000;

/** The options with the counters of the group `work` where it is named. */
export function withCounterGroups<Options extends SelectionOptions>(options: Options, catalog: Catalog): Options {
  const counters = withGroup(options.counters, catalog);
  return counters === undefined ? options : { ...options, counters };
}

/**
 * Checks names against the counters and phases of all runs, those of results that were read from files included.
 * @throws REPORT_UNKNOWN_COUNTER, REPORT_UNKNOWN_PHASE, with the nearest name
 */
export function checkNames(options: SelectionOptions, prepared: readonly PreparedRun[], saved: readonly RunResult[] = []): void {
  const { counters, phases } = options;
  if (counters === undefined && phases === undefined) return;
  const ofRuns = prepared.map(({ run, registry }) => registry.backend(run.backend.name).events);
  const counted = [...new Set(ofRuns)].flatMap(events => events.map(event => event.name));
  const known = new Set([...counted, ...saved.flatMap(result => Object.keys(result.totals.counters))]);
  checkSelection(options, { counters: [...known], phases: phases === undefined ? [] : phasesOf(phases, prepared, saved) });
}

/** Phases of the runs; no more runs are planned for them than it takes to find all the wanted ones. */
function phasesOf(wanted: readonly string[], prepared: readonly PreparedRun[], saved: readonly RunResult[]): readonly string[] {
  const found = new Set(saved.flatMap(result => result.phases.map(phase => phase.phase)));
  for (const { run, registry } of prepared) {
    if (wanted.every(name => found.has(name))) break;
    for (const { name } of planRun(run, registry).phases) {
      found.add(name);
      // A plan may have billions of phases: beyond the first ones a name may be right.
      if (found.size > MOST_CHECKED_PHASES) return wanted;
    }
  }
  return [...found];
}
