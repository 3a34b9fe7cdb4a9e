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
  dirtyRingPush: event('dirty_ring_push', 'Pages pushed to dirty rings.'),
  dirtyRingExit: event('dirty_ring_exit', 'Exits to user space because a dirty ring was soft full (KVM_EXIT_DIRTY_RING_FULL).'),
  dirtyRingReset: event('dirty_ring_reset', 'Dirty rings that KVM_RESET_DIRTY_RINGS went through, one per vCPU and call.'),
  dirtyRingGroup: event('dirty_ring_reset.group', 'Groups of up to 64 neighbouring pages that it protected again, each in one call under mmu_lock.'),
  notifierInvalidate: event('notifier.invalidate', 'MMU notifier: pairs of invalidate start and end.'),
  exit: event('exit', 'Guest exits the MMU caused.'),
} as const;

/** Those of dirty rings, in order. */
export const RING_EVENTS: readonly EventDef[] = [
  CommonEvents.dirtyRingPush,
  CommonEvents.dirtyRingExit,
  CommonEvents.dirtyRingReset,
  CommonEvents.dirtyRingGroup,
];

/** Places of the counters of dirty rings among a backend's. */
export interface RingEvents {
  readonly push: number;
  readonly exit: number;
  readonly reset: number;
  readonly group: number;
}

/** Finds the counters of dirty rings. @param indexOf as `eventIndices` makes it */
export function ringEvents(indexOf: (name: string) => number): RingEvents {
  const [push, exit, reset, group] = RING_EVENTS.map(({ name }) => indexOf(name));
  return { push, exit, reset, group };
}

/** Finds events of a list by their names, at load time. */
export function eventIndices(events: readonly EventDef[]): (name: string) => number {
  return name => {
    const index = events.findIndex(candidate => candidate.name === name);
    if (index < 0) throw new Error(`no event ${name}`);
    return index;
  };
}
