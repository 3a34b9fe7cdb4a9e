/**
 * Tables that go: their own entry first, then the table's zap, then what it held, entry by entry.
 *
 * Zapped by several at once (the shared mode of the lock), a table has an event for each of its entries, empty ones too; zapped exclusively, for those alone that were present. Which of the two it is
 * shows at the first empty entry; from then on none may be missing.
 */
import { EntryKind } from '@mmulab/api';
import type { ReplayPort } from '@mmulab/api';
import type { Actor, Removal } from './actors';
import type { EntryCopy } from './entry-copy';
import { isAfterHardware, sameEntry } from './entry-copy';
import type { CheckTally } from './tally';
import type { TraceEvent } from './trace-event';

const ENTRIES = 512;

/** Tells of the next simulated change whether it is the recorded one; where it is not, later ones are looked through. */
export function matchChange(actor: Actor, event: TraceEvent, old: EntryCopy, now: EntryCopy, tally: CheckTally, port: ReplayPort): void {
  const { head } = actor.queue;
  const isHead = head !== undefined && !head.removed && head.gfn === event.gfn && head.level === event.level;
  const at = isHead ? 0 : actor.queue.find(({ removed, gfn, level }) => !removed && gfn === event.gfn && level === event.level);
  const change = at < 0 ? undefined : actor.queue.at(at);
  const words = (): string =>
    `gfn 0x${event.gfn.toString(16)} level ${event.level}: ${port.describe(old.kind, old.bits)} -> ${port.describe(now.kind, now.bits)}`;
  if (change === undefined) {
    const next = actor.queue.head;
    tally.differ(event.line, actor.name, words(), next === undefined ? 'no change' : `gfn 0x${next.gfn.toString(16)} level ${next.level} first`);
    return;
  }
  if (at > 0) {
    tally.missing += at;
    tally.differ(event.line, actor.name, words(), `${at} other changes first`);
  }
  actor.queue.drop(at + 1);
  if (isAfterHardware(change.oldKind, change.oldBits, old, port.hardwareBits) && sameEntry(change.newKind, change.newBits, now))
    tally.transitions.equal++;
  else
    tally.differ(
      event.line,
      actor.name,
      words(),
      `${port.describe(change.oldKind, change.oldBits)} -> ${port.describe(change.newKind, change.newBits)}`,
    );
}

/** A table is zapped. */
export function matchZap(actor: Actor, event: TraceEvent, tally: CheckTally): void {
  const { head } = actor.queue;
  const place = event.gfn < 0 ? '' : ` at gfn 0x${event.gfn.toString(16)}`;
  if (head === undefined || !head.removed) {
    if (tally.attached) tally.adopted++;
    else tally.differ(event.line, actor.name, `a table of level ${event.level}${place} zapped`, 'none');
    return;
  }
  actor.queue.drop();
  if (head.level - 1 === event.level && (event.gfn < 0 || event.gfn === head.gfn)) tally.zaps.equal++;
  else
    tally.differ(
      event.line,
      actor.name,
      `a table of level ${event.level}${place} zapped`,
      `one of level ${head.level - 1} at gfn 0x${head.gfn.toString(16)}`,
    );
  actor.removals.push(removalOf(head.gfn, head.level));
}

/** An event of an entry in a table that goes. @returns whether it was one */
export function matchRemovedEntry(
  actor: Actor,
  event: TraceEvent,
  old: EntryCopy,
  tally: CheckTally,
  tellsZaps: boolean,
  hardwareBits: number,
): boolean {
  const { head } = actor.queue;
  if (!tellsZaps && head?.removed === true) {
    actor.queue.drop();
    actor.removals.push(removalOf(head.gfn, head.level));
  }
  const table = tableOf(actor, event, tally);
  if (table === undefined) return false;
  const isNext = event.gfn === table.next;
  table.next = event.gfn + 512 ** (table.level - 1);
  if (old.kind === EntryKind.Empty) table.shared = true;
  const problem = problemOf(actor, event, old, table, isNext, tally, hardwareBits);
  if (problem === undefined) tally.transitions.equal++;
  else tally.differ(event.line, actor.name, `gfn 0x${event.gfn.toString(16)} level ${event.level} of a removed table`, problem);
  return true;
}

function problemOf(
  actor: Actor,
  event: TraceEvent,
  old: EntryCopy,
  table: Removal,
  isNext: boolean,
  tally: CheckTally,
  hardwareBits: number,
): string | undefined {
  if (table.shared && !isNext) return 'an entry before it';
  const { head } = actor.queue;
  const isHead = head !== undefined && !head.removed && head.gfn === event.gfn && head.level === event.level;
  if (old.kind === EntryKind.Empty) return isHead ? 'an entry that is there' : undefined;
  if (!isHead && tally.attached) {
    tally.adopted++;
    return undefined;
  }
  if (!isHead) return head === undefined ? 'an empty entry' : `gfn 0x${head.gfn.toString(16)} level ${head.level} next`;
  actor.queue.drop();
  return isAfterHardware(head.oldKind, head.oldBits, old, hardwareBits) ? undefined : 'another entry';
}

/** The innermost table that goes and holds the entry; those that are through are left. */
function tableOf(actor: Actor, event: TraceEvent, tally: CheckTally): Removal | undefined {
  const { removals } = actor;
  for (let table = removals.at(-1); table !== undefined; table = removals.at(-1)) {
    if (event.level === table.level && event.gfn >= table.next && event.gfn < table.end) return table;
    removals.pop();
    if (table.shared && table.next < table.end) {
      tally.differ(
        event.line,
        actor.name,
        `${(table.end - table.next) / 512 ** (table.level - 1)} entries of a removed table without an event`,
        'one each',
      );
    }
  }
  return undefined;
}

function removalOf(gfn: number, level: number): Removal {
  return { level: level - 1, base: gfn, end: gfn + ENTRIES * 512 ** (level - 2), next: gfn, shared: false };
}
