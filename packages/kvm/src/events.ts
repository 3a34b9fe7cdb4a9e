/**
 * Counters that every KVM has, each with its one name and meaning. A backend lists them among its own events, where they belong in its order.
 */
import type { EventDef } from '@mmulab/api';

type Unit = EventDef['unit'];

/** Makes definitions of counters of one unit. */
export function counted(unit: Unit): (name: string, doc: string) => EventDef {
  return (name, doc) => ({ name, unit, gauge: false, doc });
}

const event = counted('events');

/** The common ones. */
export const CommonEvents = {
  remoteTlbFlushRequests: event(
    'remote_tlb_flush_requests',
    'Requests to flush the TLBs of all vCPUs (KVM statistic); not bumped where a range or a slot is flushed by its addresses.',
  ),
  markPageDirty: event('mark_page_dirty', 'Calls that mark a page dirty, whether or not the bit was clear or the slot is logged.'),
  dirtyBitmapSet: event('dirty_bitmap.set', 'Bits of dirty bitmaps that went from clear to set.'),
  exit: event('exit', 'Guest exits the MMU caused.'),
} as const;

/** Finds events of a list by their names, at load time. */
export function eventIndices(events: readonly EventDef[]): (name: string) => number {
  return name => {
    const index = events.findIndex(candidate => candidate.name === name);
    if (index < 0) throw new Error(`no event ${name}`);
    return index;
  };
}
