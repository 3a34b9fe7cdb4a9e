/**
 * Errors of the page-table engine, by code.
 */
import { InvariantError } from '@mmulab/api';

/** LIFT_ACTOR: a block was run for one actor and left another one selected, so that what it counted is nobody's. */
export function otherActor(constants: string, gfn: number, level: number): InvariantError {
  return new InvariantError('LIFT_ACTOR', `the program "${constants}" ends a block with another actor selected`, gfn, level, '');
}

/** TABLE_FREED_IN_USE: a table was freed while a walk stood in it. */
export function freedInUse(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TABLE_FREED_IN_USE', 'a table is freed while a walk stands in it', gfn, level, entry);
}

/** TABLE_FREED_READ: a walk read an entry of a table that had been freed. */
export function readFreed(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TABLE_FREED_READ', 'a walk reads a table that was freed', gfn, level, entry);
}

/** TABLE_GONE: the table a walk stands in lost its place without being unlinked. */
export function tableGone(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TABLE_GONE', 'the table a walk stands in was overwritten, not unlinked', gfn, level, entry);
}

/** TABLE_REMOVED_WRITE: a walk stored into a table whose remover had already accounted for it. */
export function wroteRemoved(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('TABLE_REMOVED_WRITE', 'a walk stores into a removed table', gfn, level, entry);
}

/** PROTOCOL_STEP: a step of a protocol has nothing to act on. */
export function badStep(name: string, why: string, gfn: number, level: number): InvariantError {
  return new InvariantError('PROTOCOL_STEP', `protocol ${name}: ${why}`, gfn, level, '');
}
