/**
 * Host memory that shows when a page was resolved: writable until the host drops it, and read-only afterwards until it is written. Who maps what was resolved before the
 * host dropped it maps a page writable that the host has read-only now.
 */
import { hostFault, type HostBacking, type HostNotification, type HostState } from '@mmulab/api';

const State = { None: 0, Own: 1, Dropped: 2, Shared: 3 } as const;
const { Own, Dropped, Shared } = State;

const replaced: HostNotification = { level: 1, state: Own, changePte: true };
const own = hostFault(Own, 1, true);
const shared = hostFault(Shared, 1, false);
const copied = hostFault(Own, 1, true, [replaced]);

const state = (name: string, present: boolean, writable: boolean): HostState => ({ name, present, writable, level: 1, thp: false });
const gone = [Dropped, Dropped, Dropped, Dropped];

/** Name under which scenarios ask for it. */
export const FICKLE = 'fickle';

export const fickleMemory: HostBacking = {
  name: FICKLE,
  doc: 'Small pages, writable from the first access on; once the host has dropped a page it comes back read-only, and is copied when it is written.',
  pageLevel: 1,
  hugetlb: false,
  states: [state('none', false, false), state('own', true, true), state('dropped', false, false), state('shared', true, false)],
  populated: Own,
  faults: [own, own, own, own, shared, own, shared, copied],
  dropped: { block: gone, page: gone, kept: [State.None, Own, Dropped, Shared] },
};
