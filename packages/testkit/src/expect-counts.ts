/**
 * Exact counts of a phase: what is not mentioned has to be 0, so that a new event shows wherever it happens; but for counters of work, which every phase has.
 */
import { MmulabError, suggestName, workEvents } from '@mmulab/api';
import type { PhaseResult } from '@mmulab/api';

const work = new Set(workEvents.map(({ name }) => name));

/** Counts by event name; an event that is left out is expected to be 0, or is one of the group `work`. */
export type ExpectedCounts = Readonly<Record<string, number>>;

/**
 * Compares all counters of a phase with what is expected.
 * @param phase of a run's result
 * @param expected every event that is not 0; of the group `work` those that are to be looked at
 * @throws MmulabError COUNTS_UNKNOWN_EVENT for a name that is no event of the backend; COUNTS_DIFFER naming every event that is off
 */
export function expectCounts(phase: PhaseResult, expected: ExpectedCounts): void {
  const names = Object.keys(phase.counters);
  const unknown = Object.keys(expected).find(name => !names.includes(name));
  if (unknown !== undefined) {
    throw new MmulabError('COUNTS_UNKNOWN_EVENT', `${phase.phase}: ${unknown} is no event of the backend${suggestName(unknown, names)}`, 'failed');
  }
  const off = names
    .filter(name => phase.counters[name] !== (expected[name] ?? 0) && (expected[name] !== undefined || !work.has(name)))
    .map(name => `${name} is ${phase.counters[name]}, expected ${expected[name] ?? '0 (not mentioned)'}`);
  if (off.length > 0) throw new MmulabError('COUNTS_DIFFER', `${phase.phase}: ${off.join('; ')}`, 'failed');
}
