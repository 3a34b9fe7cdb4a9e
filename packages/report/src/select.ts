/**
 * Takes from results only the counters and phases a reader asked for.
 */
import type { CounterValues, PhaseResult, RunResult } from '@mmulab/api';
import { unknownCounter, unknownPhase } from './errors';
import { counterNames } from './results';

/** What is wanted; an absent list means everything. Counters come in the order in which they are named. */
export interface Selection {
  readonly counters?: readonly string[];
  readonly phases?: readonly string[];
}

/**
 * Checks the names of a selection, before anything runs for it.
 * @param known every counter and phase that the results are going to have
 * @throws REPORT_UNKNOWN_COUNTER, REPORT_UNKNOWN_PHASE, with the nearest name
 */
export function checkSelection({ counters = [], phases = [] }: Selection, known: Required<Selection>): void {
  for (const name of counters) if (!known.counters.includes(name)) throw unknownCounter(name, known.counters);
  for (const name of phases) if (!known.phases.includes(name)) throw unknownPhase(name, known.phases);
}

/**
 * The chosen parts of results. Totals stay those of whole runs.
 * Throws `REPORT_UNKNOWN_COUNTER` or `REPORT_UNKNOWN_PHASE`, with the nearest name, for what none of the results has.
 */
export function selectParts(results: readonly RunResult[], selection: Selection): readonly RunResult[] {
  const { counters, phases } = selection;
  const knownCounters = counterNames(results.map(result => result.totals.counters));
  const knownPhases = [...new Set(results.flatMap(result => result.phases.map(phase => phase.phase)))];
  checkSelection(selection, { counters: knownCounters, phases: knownPhases });
  const of = (values: CounterValues): CounterValues => (counters === undefined ? values : pick(values, counters));
  const phaseOf = (phase: PhaseResult): PhaseResult => ({
    ...phase,
    counters: of(phase.counters),
    ...(phase.spread === undefined ? {} : { spread: pick(phase.spread, counters ?? Object.keys(phase.spread)) }),
    vcpus: phase.vcpus.map(vcpu => ({ counters: of(vcpu.counters) })),
  });
  return results.map(result => ({
    ...result,
    phases: result.phases.filter(phase => phases === undefined || phases.includes(phase.phase)).map(phaseOf),
    totals: { counters: of(result.totals.counters) },
  }));
}

function pick<T>(values: Readonly<Record<string, T>>, names: readonly string[]): Readonly<Record<string, T>> {
  return Object.fromEntries(names.flatMap(name => (values[name] === undefined ? [] : [[name, values[name]]])));
}
