/**
 * A private mapping of a file whose pages are in the page cache (a boot image, a snapshot that is restored by mapping it).
 *
 * A page that is read first is the page cache's, mapped read-only; a write copies it, and the host tells the MMU so, as where the zero page is copied. A page
 * that is written first is copied at once: nothing was mapped, so nothing is told. That is also how a page next to one that was read is taken here; a host
 * that maps around a fault (fault_around_bytes) has mapped it already, and tells of its copy too.
 *
 * Models: Linux mm/memory.c do_read_fault(), do_cow_fault(), wp_page_copy().
 */
import { hostFault, type HostBacking } from '@mmulab/api';
import { AnonymousState, COPY_ON_WRITE } from './anonymous';

const { Zero: Cached, Own } = AnonymousState;

export const privateFile: HostBacking = {
  name: 'private_file',
  doc: 'A private mapping of a file in the page cache, in small pages: read-only until a page is written, which copies it. Without fault-around. Not of the selftests.',
  pageLevel: 1,
  hugetlb: false,
  file: true,
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'cached', present: true, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
  ],
  populated: Own,
  faults: [
    hostFault(Cached, 1, false), // none, read
    hostFault(Own, 1, true), // none, write
    hostFault(Cached, 1, false), // cached, read
    hostFault(Own, 1, true, [COPY_ON_WRITE]), // cached, write
    hostFault(Own, 1, true), // own, read
    hostFault(Own, 1, true), // own, write
  ],
};
