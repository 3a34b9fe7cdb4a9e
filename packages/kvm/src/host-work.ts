/**
 * What a host fault takes time for beyond finding the page, as stages between which other vCPUs may come.
 *
 * A page of its own has to be allocated and cleared, which the zero page does not: who reads first is faster than who writes first. The work is done for what the host found
 * when it began; where another fault has changed the entry meanwhile, it was in vain.
 *
 * Models: Linux mm/memory.c do_anonymous_page(), wp_page_copy(); mm/huge_memory.c do_huge_pmd_anonymous_page(), do_huge_pmd_wp_page(),
 * __split_huge_pmd(); mm/hugetlb.c hugetlb_no_page(). Hot path.
 */
import type { HostFault, HostNotification, StageDef } from '@mmulab/api';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { Work } from './work-events';

const PMD = 2;

/** Kinds of work, in the order of `hostStages`: what to add to the number of a backend's first host stage. */
export const HostWork = { None: 0, Alloc: 1, ClearPmd: 2, ClearPud: 3, Copy: 4, SplitZero: 5 } as const;

/**
 * Nominal durations. Clearing is that of published tables; copying and allocating a page are orders of magnitude. Splitting a huge zero page writes 512 entries; its duration is
 * fitted to one published cell (the gain of the series of 5.14 in creating mappings of transparent huge pages, which hangs on how many readers map the zero page before).
 */
const ALLOC_NS = 300;
const CLEAR_2M_NS = 107_000;
const CLEAR_1G_NS = 56_100_000;
const COPY_NS = 600;
const SPLIT_ZERO_NS = 2200;

/** The host's stages. @param findNs what it takes to find a page that is there */
export function hostStages(findNs: number): readonly StageDef[] {
  return [
    { name: 'host_page', nominalNs: findNs, lock: 'none' },
    { name: 'host_alloc', nominalNs: ALLOC_NS, lock: 'none' },
    { name: 'host_clear.pmd', nominalNs: CLEAR_2M_NS, lock: 'none' },
    { name: 'host_clear.pud', nominalNs: CLEAR_1G_NS, lock: 'none' },
    { name: 'host_copy', nominalNs: COPY_NS, lock: 'none' },
    { name: 'host_split_zero', nominalNs: SPLIT_ZERO_NS, lock: 'none' },
  ];
}

/** Work before a page becomes what a fault makes of it. @param state of the page before */
export function hostWork({ spec }: Memslot, state: number, fault: HostFault): number {
  const { backing } = spec;
  if (backing.states[state]?.present === true || backing.device === true || !(fault.writable || backing.hugetlb)) return HostWork.None;
  if (fault.spanLevel === 1) return HostWork.Alloc;
  return fault.spanLevel === PMD ? HostWork.ClearPmd : HostWork.ClearPud;
}

/** Work before a change that notifier calls announce. */
export function notifiedWork({ spec }: Memslot, { level, state }: HostNotification): number {
  if (level === 1) return HostWork.Copy;
  return (spec.backing.states[state]?.level ?? 1) >= PMD ? HostWork.ClearPmd : HostWork.SplitZero;
}

/** Counts the work of a host fault, as it is begun. @param work a `HostWork` */
export function countHostWork({ work: counts, geometry }: Memslots, work: number): void {
  if (work === HostWork.Copy) counts.add(Work.copy, 1);
  else if (work === HostWork.SplitZero) counts.add(Work.splitZero, 1);
  else if (work !== HostWork.None) counts.add(Work.clear, geometry.pagesAt(work === HostWork.Alloc ? 1 : work === HostWork.ClearPmd ? PMD : PMD + 1));
}

/** A host fault has changed a page: a read may have mapped what is shared, for which there was nothing to do. @param state of the page before */
export function countShared({ work }: Memslots, { spec }: Memslot, state: number, fault: HostFault): void {
  const { states, device } = spec.backing;
  if (!fault.writable && device !== true && states[state]?.present !== true && states[fault.state]?.writable === false) work.add(Work.mapShared, 1);
}
