/**
 * Shared memory (`-s shmem`, a memfd): no zero page, no copy; the page is writable whichever access comes first.
 *
 * With shmem_enabled=advise and madvise, or always, a block that lies wholly inside the slot comes as a huge page, and stays one in the page cache when the
 * mapping drops it, whole or in part: dropping breaks the mapping only, and the next access maps the huge page again.
 *
 * Models: Linux 6.1 mm/shmem.c, shmem_fault().
 */
import { hostFault, type HostBacking } from '@mmulab/api';

const OWN = 1;
const toOwn = hostFault(OWN, 1, true);

const HUGE = 2;
const PMD = 2;
const toHuge = hostFault(HUGE, PMD, true);

/** Shared memory in small pages. @param name `shmem`, or that of a memfd */
export const shmem = (name = 'shmem', doc = 'Shared memory in small pages, writable from the first access on.'): HostBacking => ({
  name,
  doc,
  pageLevel: 1,
  hugetlb: false,
  shared: true,
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
  ],
  populated: OWN,
  faults: [toOwn, toOwn, toOwn, toOwn],
});

/** Shared memory in transparent huge pages. */
export const shmemThp: HostBacking = {
  name: 'shmem_thp',
  doc: 'Shared memory (shmem or a memfd) with transparent huge pages: shmem_enabled is advise or always. Not of the selftests.',
  pageLevel: PMD,
  hugetlb: false,
  shared: true,
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
    { name: 'huge', present: true, writable: true, level: PMD, thp: true },
  ],
  populated: HUGE,
  faults: [toHuge, toHuge, toOwn, toOwn, toHuge, toHuge],
  edgeFaults: [toOwn, toOwn, toOwn, toOwn, toHuge, toHuge],
  dropped: { block: [0, 0, 0], page: [0, 0, 0], kept: [0, OWN, 0] },
  copied: OWN,
};
