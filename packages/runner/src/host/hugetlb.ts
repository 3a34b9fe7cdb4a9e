/**
 * Memory from the hugetlb pools (`-s anonymous_hugetlb…`, `-s shared_hugetlb`).
 *
 * Pages come whole or not at all. In a private mapping a page that is read first is mapped read-only and becomes writable in place with the
 * first write, without a word to the MMU; in a shared one it is writable at once.
 *
 * Models: Linux 6.1 mm/hugetlb.c, hugetlb_no_page() and hugetlb_wp().
 */
import { hostFault, PAGE_SIZE_BYTES, formatSize, type HostBacking, type Level } from '@mmulab/api';

const PrivateState = { None: 0, ReadOnly: 1, ReadWrite: 2 } as const;
const SharedState = { None: 0, Own: 1 } as const;

const BYTES_PER_ENTRY = 8;

/** Page sizes the selftests have names for (`anonymous_hugetlb_2mb`), in bytes by the name's last part. */
export const HUGETLB_SIZES: Readonly<Record<string, number>> = {
  '16kb': 2 ** 14,
  '64kb': 2 ** 16,
  '512kb': 2 ** 19,
  '1mb': 2 ** 20,
  '2mb': 2 ** 21,
  '8mb': 2 ** 23,
  '16mb': 2 ** 24,
  '32mb': 2 ** 25,
  '256mb': 2 ** 28,
  '512mb': 2 ** 29,
  '1gb': 2 ** 30,
  '2gb': 2 ** 31,
  '16gb': 2 ** 34,
};

/** Bytes that an entry of a level maps with base pages of `pageSizeBytes`. */
export function levelSizeBytes(level: Level, pageSizeBytes: number): number {
  return pageSizeBytes * (pageSizeBytes / BYTES_PER_ENTRY) ** (level - 1);
}

/** A size of hugetlb pages: neighbouring entries of a level that the host treats as one. */
export interface HugetlbSize {
  readonly level: Level;
  /** Entries in a page: 1, unless the page is a contiguous one. */
  readonly entries: number;
}

/** What of the host decides about hugetlb memory. */
export interface HugetlbHost {
  readonly pageSizeBytes: number;
  /** Entries of a contiguous page, by level. */
  readonly contiguous?: Readonly<Partial<Record<Level, number>>> | undefined;
  /** MADV_DONTNEED drops hugetlb memory. Absent: it does. */
  readonly hugetlbDontneed?: boolean;
}

/** The default size. */
const DEFAULT_SIZE: HugetlbSize = { level: 2, entries: 1 };

/** Sizes the pools of a host can have, the smallest first. Blocks of level 3 are 1 GiB, and hosts with other granules have none. */
export function hugetlbSizes({ pageSizeBytes, contiguous = {} }: HugetlbHost): readonly HugetlbSize[] {
  const blocks = (pageSizeBytes === PAGE_SIZE_BYTES ? [2, 3] : [2]).map(level => ({ level, entries: 1 }));
  const runs = Object.entries(contiguous).map(([level, entries]) => ({ level: Number(level), entries: Number(entries) }));
  return [...blocks, ...runs].sort((a, b) => hugetlbBytes(a, pageSizeBytes) - hugetlbBytes(b, pageSizeBytes));
}

/** Bytes of a page of that size. */
export function hugetlbBytes({ level, entries }: HugetlbSize, pageSizeBytes: number): number {
  return levelSizeBytes(level, pageSizeBytes) * entries;
}

/** What all hugetlb memory has in common. */
function commonOf({ level, entries }: HugetlbSize, { hugetlbDontneed = true }: HugetlbHost): Pick<HostBacking, 'pageLevel' | 'hugetlb'> {
  return { pageLevel: level, hugetlb: true, ...(entries === 1 ? {} : { contiguous: entries }), ...(hugetlbDontneed ? {} : { droppable: false }) };
}

/** How KVM maps pages of that size. */
function mappedAs({ level, entries }: HugetlbSize, pageSizeBytes: number): string {
  return entries === 1
    ? ''
    : ` (${entries} contiguous entries, which the second stage maps one by one, in leaves of ${formatSize(levelSizeBytes(level, pageSizeBytes))})`;
}

/**
 * Private hugetlb memory.
 * @param name as in `-s`
 * @param size of its pages
 */
export function privateHugetlb(name: string, host: HugetlbHost, size = DEFAULT_SIZE): HostBacking {
  const { ReadOnly, ReadWrite } = PrivateState;
  const { level } = size;
  const { pageSizeBytes } = host;
  return {
    name,
    doc: `Private hugetlb memory in pages of ${formatSize(hugetlbBytes(size, pageSizeBytes))}${mappedAs(size, pageSizeBytes)}; a page that is read first is read-only until it is written.`,
    ...commonOf(size, host),
    states: [
      { name: 'none', present: false, writable: false, level, thp: false },
      { name: 'ro', present: true, writable: false, level, thp: false },
      { name: 'rw', present: true, writable: true, level, thp: false },
    ],
    populated: ReadWrite,
    faults: [
      hostFault(ReadOnly, level, false), // none, read
      hostFault(ReadWrite, level, true), // none, write
      hostFault(ReadOnly, level, false), // ro, read
      hostFault(ReadWrite, level, true), // ro, write
      hostFault(ReadWrite, level, true), // rw, read
      hostFault(ReadWrite, level, true), // rw, write
    ],
  };
}

/** Shared hugetlb memory. @param name `shared_hugetlb`, or that of a memfd */
export function sharedHugetlb(name: string, host: HugetlbHost, size = DEFAULT_SIZE): HostBacking {
  const { level } = size;
  const { pageSizeBytes } = host;
  const toOwn = hostFault(SharedState.Own, level, true);
  return {
    name,
    doc: `Shared hugetlb memory in pages of ${formatSize(hugetlbBytes(size, pageSizeBytes))}${mappedAs(size, pageSizeBytes)}, writable from the first access on.`,
    ...commonOf(size, host),
    shared: true,
    states: [
      { name: 'none', present: false, writable: false, level, thp: false },
      { name: 'own', present: true, writable: true, level, thp: false },
    ],
    populated: SharedState.Own,
    faults: [toOwn, toOwn, toOwn, toOwn],
  };
}
