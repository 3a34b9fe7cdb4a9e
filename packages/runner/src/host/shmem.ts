/**
 * Shared memory in small pages (`-s shmem`): no zero page, no copy; the page is writable whichever access comes first.
 *
 * Models: Linux 6.1 mm/shmem.c, shmem_fault().
 */
import type { HostBacking } from '@mmulab/api';
import { hostFault } from './host-fault';

const OWN = 1;
const toOwn = hostFault(OWN, 1, true);

export const shmem: HostBacking = {
  name: 'shmem',
  doc: 'Shared memory in small pages, writable from the first access on.',
  pageLevel: 1,
  hugetlb: false,
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
  ],
  populated: OWN,
  faults: [toOwn, toOwn, toOwn, toOwn],
};
