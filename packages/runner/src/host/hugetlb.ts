/**
 * Memory from the hugetlb pools (`-s anonymous_hugetlb…`, `-s shared_hugetlb`).
 *
 * Pages come whole or not at all. In a private mapping a page that is read first is mapped read-only and becomes writable in place with the
 * first write, without a word to the MMU; in a shared one it is writable at once.
 *
 * Models: Linux 6.1 mm/hugetlb.c, hugetlb_no_page() and hugetlb_wp().
 */
import { formatSize, type HostBacking, type Level } from '@mmulab/api';
import { hostFault } from './host-fault';

const PrivateState = { None: 0, ReadOnly: 1, ReadWrite: 2 } as const;
const SharedState = { None: 0, Own: 1 } as const;

const BYTES_PER_ENTRY = 8;
const DEFAULT_LEVEL = 2;

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

/** The level whose entries map `sizeBytes`, 2 or 3; undefined when no table entry has that size (contiguous runs of entries included). */
export function hugetlbLevel(sizeBytes: number, pageSizeBytes: number): Level | undefined {
  return [2, 3].find(level => levelSizeBytes(level, pageSizeBytes) === sizeBytes);
}

/**
 * Private hugetlb memory.
 * @param name as in `-s`
 * @param level of its pages: 2 is the kernel's default size
 */
export function privateHugetlb(name: string, pageSizeBytes: number, level: Level = DEFAULT_LEVEL): HostBacking {
  const { ReadOnly, ReadWrite } = PrivateState;
  return {
    name,
    doc: `Private hugetlb memory in pages of ${formatSize(levelSizeBytes(level, pageSizeBytes))}; a page that is read first is read-only until it is written.`,
    pageLevel: level,
    hugetlb: true,
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

/** Shared hugetlb memory of the default size. */
export function sharedHugetlb(pageSizeBytes: number): HostBacking {
  const toOwn = hostFault(SharedState.Own, DEFAULT_LEVEL, true);
  return {
    name: 'shared_hugetlb',
    doc: `Shared hugetlb memory in pages of ${formatSize(levelSizeBytes(DEFAULT_LEVEL, pageSizeBytes))}, writable from the first access on.`,
    pageLevel: DEFAULT_LEVEL,
    hugetlb: true,
    states: [
      { name: 'none', present: false, writable: false, level: DEFAULT_LEVEL, thp: false },
      { name: 'own', present: true, writable: true, level: DEFAULT_LEVEL, thp: false },
    ],
    populated: SharedState.Own,
    faults: [toOwn, toOwn, toOwn, toOwn],
  };
}
