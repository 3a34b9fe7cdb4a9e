/**
 * Private anonymous memory with transparent huge pages (`-s anonymous_thp`).
 *
 * A write to untouched memory brings a huge page, a read the huge zero page. A write to the huge zero page brings a huge page in its place (from
 * 6.13 on); before, it left small zero pages and copied the one that is written: such a block stays small (khugepaged is not modelled). Blocks that
 * do not lie wholly inside the slot get small pages.
 *
 * Memory that the host drops is untouched again, but a block that had fallen apart keeps its table of small pages, so that later faults bring small
 * pages; with page-table reclaim an empty table goes when the range dropped covers all of it, and the block can be huge again.
 *
 * Models: Linux mm/huge_memory.c, do_huge_pmd_anonymous_page(), do_huge_pmd_wp_page(), do_huge_zero_wp_pmd() (6.13); mm/memory.c zap_pte_range(),
 * mm/pt_reclaim.c.
 */
import { hostFault, type DroppedPages, type HostBacking, type HostFault, type HostNotification } from '@mmulab/api';
import { AnonymousState, COPY_ON_WRITE, anonymous, anonymousFaults, anonymousStates } from './anonymous';

/** States of a page under transparent huge pages: those of small pages first; in the last one nothing is there but the table of small pages. */
const ThpState = { ...AnonymousState, HugeZero: 3, Huge: 4, NoneSmall: 5 } as const;
const { None, Own, Zero, HugeZero, Huge, NoneSmall } = ThpState;

const PMD = 2;

/** What a host's kernel does with transparent huge pages. */
export interface ThpPolicy {
  /** A write to the huge zero page brings a huge page. */
  readonly hugeZeroWrite: boolean;
  /** Empty tables of small pages are freed when memory is dropped. */
  readonly pageTableReclaim: boolean;
}

/** The huge zero page is replaced by a table of small zero pages. */
const HUGE_ZERO_SPLIT: HostNotification = { level: PMD, state: Zero, changePte: false };
/** The huge zero page is replaced by a huge page. */
const HUGE_ZERO_REPLACED: HostNotification = { level: PMD, state: Huge, changePte: false };

const fallsApart = hostFault(Own, 1, true, [HUGE_ZERO_SPLIT, COPY_ON_WRITE]);
const isReplaced = hostFault(Huge, PMD, true, [HUGE_ZERO_REPLACED]);

/** What faults do to pages of touched blocks: the same inside the slot and at its edges. */
const touchedFaults = (hugeZeroWrite: HostFault): readonly HostFault[] => [
  ...anonymousFaults.slice(2),
  hostFault(HugeZero, PMD, false), // huge_zero, read
  hugeZeroWrite, // huge_zero, write
  hostFault(Huge, PMD, true), // huge, read
  hostFault(Huge, PMD, true), // huge, write
  ...anonymousFaults.slice(0, 2), // none_small, read and write
];

/** Memory dropped in part leaves small pages, whatever was there. */
const dropped = (reclaims: boolean): DroppedPages => ({
  block: reclaims ? [None, None, None, None, None, None] : [None, NoneSmall, NoneSmall, None, None, NoneSmall],
  page: [None, NoneSmall, NoneSmall, NoneSmall, NoneSmall, NoneSmall],
  kept: [None, Zero, Own, Zero, Own, NoneSmall],
});

/** anonymous_thp on a host. */
export function anonymousThp({ hugeZeroWrite, pageTableReclaim }: ThpPolicy): HostBacking {
  const touched = touchedFaults(hugeZeroWrite ? isReplaced : fallsApart);
  return {
    name: 'anonymous_thp',
    doc: 'Private anonymous memory with transparent huge pages; blocks at the edges of a slot get small pages.',
    pageLevel: PMD,
    hugetlb: false,
    states: [
      ...anonymousStates,
      { name: 'huge_zero', present: true, writable: false, level: PMD, thp: true },
      { name: 'huge', present: true, writable: true, level: PMD, thp: true },
      { name: 'none_small', present: false, writable: false, level: 1, thp: false },
    ],
    populated: Huge,
    faults: [hostFault(HugeZero, PMD, false), hostFault(Huge, PMD, true), ...touched],
    edgeFaults: [...anonymousFaults.slice(0, 2), ...touched],
    dropped: dropped(pageTableReclaim),
    copied: Own,
  };
}

/** anonymous_thp on a host with `thp: never`: aligned as before, but small pages throughout. */
export const anonymousThpNever: HostBacking = {
  ...anonymous,
  name: 'anonymous_thp',
  doc: 'anonymous_thp where the host has transparent huge pages switched off: small pages.',
  pageLevel: PMD,
};
