/**
 * Private anonymous memory in small pages (`-s anonymous`, and slot 0 of every test).
 *
 * A read of an untouched page maps the shared zero page, read-only; a later write copies it, and the host tells the MMU so: the page is
 * invalidated and (kernels before 6.10) a change_pte follows.
 *
 * Models: Linux 6.1 mm/memory.c, do_anonymous_page() and wp_page_copy().
 */
import { hostFault, type HostBacking, type HostFault, type HostNotification, type HostState } from '@mmulab/api';

/** States of a page of anonymous memory; anonymous_thp goes on from here. */
export const AnonymousState = { None: 0, Zero: 1, Own: 2 } as const;
const { Zero, Own } = AnonymousState;

/** Copy-on-write of one page. */
export const COPY_ON_WRITE: HostNotification = { level: 1, state: Own, changePte: true };

/** Names and facts of the three states. */
export const anonymousStates: readonly HostState[] = [
  { name: 'none', present: false, writable: false, level: 1, thp: false },
  { name: 'zero', present: true, writable: false, level: 1, thp: false },
  { name: 'own', present: true, writable: true, level: 1, thp: false },
];

/** What faults do to small pages, read before write per state. */
export const anonymousFaults: readonly HostFault[] = [
  hostFault(Zero, 1, false), // none, read
  hostFault(Own, 1, true), // none, write
  hostFault(Zero, 1, false), // zero, read
  hostFault(Own, 1, true, [COPY_ON_WRITE]), // zero, write
  hostFault(Own, 1, true), // own, read
  hostFault(Own, 1, true), // own, write
];

export const anonymous: HostBacking = {
  name: 'anonymous',
  doc: 'Private anonymous memory in small pages; a page that is read first maps the zero page until it is written.',
  pageLevel: 1,
  hugetlb: false,
  states: anonymousStates,
  populated: Own,
  faults: anonymousFaults,
};
