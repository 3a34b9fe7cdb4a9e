/**
 * Errors of the interleaving explorer, by code: what a user got wrong, and the invariants a world may break.
 */
import { InvariantError, MmulabError } from '@mmulab/api';
import type { ExploredWorld } from './explored-world';

/** EXPLORER_SCHEDULE: a schedule that cannot be read, or that names an agent that is not there or cannot go on. */
export function badSchedule(text: string, why: string): MmulabError {
  return new MmulabError('EXPLORER_SCHEDULE', `schedule '${text}': ${why} (expected letters of agents with repetitions, for example a4b2a)`);
}

/** EXPLORER_STATES: more states than allowed. */
export function tooManyStates(limit: number): MmulabError {
  return new MmulabError('EXPLORER_STATES', `more than ${limit} states: make the scenario smaller, or use random schedules`, 'failed');
}

/** EXPLORER_CIRCLE: agents that go round in circles without waiting have no number of schedules. */
export function circle(): InvariantError {
  return new InvariantError('EXPLORER_CIRCLE', 'a schedule leads back to a state it came from', 0, 0, 'none');
}

/** AGENTS_STUCK: nobody is done and nobody can go on. */
export function stuck({ agents }: ExploredWorld): InvariantError {
  return new InvariantError('AGENTS_STUCK', 'all agents wait for one another', 0, 0, agents.map(({ nextName }) => nextName).join('; '));
}

/** TABLE_UNFILLED: a split's table is linked before it is filled. */
export function tableUnfilled(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TABLE_UNFILLED', 'a huge leaf is replaced by a table that lacks its parts', gfn, level, entry);
}

/** TABLE_LEAKED: table pages were taken that are neither linked nor on the way there or back. */
export function tableLeaked(tables: number): InvariantError {
  return new InvariantError('TABLE_LEAKED', 'table pages taken are not those linked, pending, unlinked or freed', 0, 0, `${tables} too many`);
}

/** TABLE_NOT_FREED: unlinked tables are left when all are done. */
export function tableNotFreed(tables: number): InvariantError {
  return new InvariantError('TABLE_NOT_FREED', 'a table was unlinked and never freed', 0, 0, `${tables} left`);
}

/** ENTRY_LOCKED: a locked entry is left when all are done. */
export function entryLocked(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('ENTRY_LOCKED', 'an entry stays locked', gfn, level, entry);
}

/** ENTRY_LOST: a page that must stay mapped is not, or with fewer rights. */
export function entryLost(gfn: number, entry: string): InvariantError {
  return new InvariantError('ENTRY_LOST', 'a mapped page that nobody zapped is not translated', gfn, 1, entry);
}

/** TRANSLATION_STALE: a cached translation outlives the flush that must take it away. */
export function translationStale(vcpu: string, gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TRANSLATION_STALE', `${vcpu} may still use a translation that no flush will take away in time`, gfn, level, entry);
}

/** TRANSLATION_CONFLICT: translations of two sizes for one page. */
export function translationConflict(vcpu: string, gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TRANSLATION_CONFLICT', `${vcpu} may still hold a translation of another size`, gfn, level, entry);
}

/** COUNTERS_DIFFER: the architecture's counters do not hold what its tables hold. */
export function countersDiffer(complaint: string, leaves: readonly number[]): InvariantError {
  return new InvariantError(
    'COUNTERS_DIFFER',
    `counters are not what the tables hold: ${complaint}`,
    0,
    0,
    `leaves by level ${leaves.slice(1).join(' ')}`,
  );
}
