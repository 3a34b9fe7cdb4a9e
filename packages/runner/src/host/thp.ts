/**
 * Private anonymous memory with transparent huge pages (`-s anonymous_thp`).
 *
 * A write to untouched memory brings a huge page, a read the huge zero page. A write to the huge zero page takes it away as a whole, leaves small
 * zero pages behind, and copies the one that is written: that block never becomes huge again (khugepaged is not modelled). Blocks that do
 * not lie wholly inside the slot get small pages.
 *
 * Models: Linux 6.1 mm/huge_memory.c, do_huge_pmd_anonymous_page() and do_huge_pmd_wp_page(); the same up to 6.12. Hosts from 6.13 on, where a
 * write to the huge zero page brings a huge page, are not modelled.
 */
import type { HostBacking, HostFault, HostNotification } from '@mmulab/api';
import { AnonymousState, COPY_ON_WRITE, anonymous, anonymousFaults, anonymousStates } from './anonymous';
import { hostFault } from './host-fault';

/** States of a page under transparent huge pages: those of small pages first. */
export const ThpState = { ...AnonymousState, HugeZero: 3, Huge: 4 } as const;
const { Own, Zero, HugeZero, Huge } = ThpState;

const PMD = 2;

/** The huge zero page is replaced by a table of small zero pages. */
const HUGE_ZERO_SPLIT: HostNotification = { level: PMD, state: Zero, changePte: false };

/** What faults do to present pages: the same inside the slot and at its edges. */
const presentFaults: readonly HostFault[] = [
  ...anonymousFaults.slice(2),
  hostFault(HugeZero, PMD, false), // huge_zero, read
  hostFault(Own, 1, true, [HUGE_ZERO_SPLIT, COPY_ON_WRITE]), // huge_zero, write
  hostFault(Huge, PMD, true), // huge, read
  hostFault(Huge, PMD, true), // huge, write
];

export const anonymousThp: HostBacking = {
  name: 'anonymous_thp',
  doc: 'Private anonymous memory with transparent huge pages; blocks at the edges of a slot get small pages.',
  pageLevel: PMD,
  hugetlb: false,
  states: [
    ...anonymousStates,
    { name: 'huge_zero', present: true, writable: false, level: PMD, thp: true },
    { name: 'huge', present: true, writable: true, level: PMD, thp: true },
  ],
  populated: Huge,
  faults: [hostFault(HugeZero, PMD, false), hostFault(Huge, PMD, true), ...presentFaults],
  edgeFaults: [...anonymousFaults.slice(0, 2), ...presentFaults],
};

/** anonymous_thp on a host with `thp: never`: aligned as before, but small pages throughout. */
export const anonymousThpNever: HostBacking = {
  ...anonymous,
  name: anonymousThp.name,
  doc: 'anonymous_thp where the host has transparent huge pages switched off: small pages.',
  pageLevel: PMD,
};
