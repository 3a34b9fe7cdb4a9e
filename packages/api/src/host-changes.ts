/**
 * What the host does to guest memory of a kind beyond faulting and dropping it, as data: per operation the state of a page after it, by the state before.
 *
 * A kind of memory that plugins bring without such tables gets them from the runner, by what its states say of themselves.
 */
import type { HostBacking } from './memslot';
import type { HostOp, MemoryAdvice } from './workload';

/** State of a page after an operation, by its state before. */
export type StateMap = readonly number[];

/** Tables of one kind of memory. */
export interface HostChanges {
  /** mprotect to PROT_READ, and back. Pages whose state stays are of memory that has that protection already. */
  readonly protect: StateMap;
  readonly unprotect: StateMap;
  /** mprotect tells the notifier of each GiB by itself (up to 6.11), from its first page table on. */
  readonly protectsByGib: boolean;
  /** What is left of a page that is dropped: untouched, in memory of the same kind and protection. */
  readonly untouched: StateMap;
  /** fork: the page is the child's, too. Absent: a shared mapping, of which nobody is told. */
  readonly share?: StateMap;
  /** The children end. Absent as `share`. */
  readonly unshare?: StateMap;
  /** Whether a page in that state is one of the process's own: a mapping without any is not copied by fork. */
  readonly own: readonly boolean[];
  /** MADV_FREE takes it: private memory without a file. */
  readonly freeable: boolean;
  /** MADV_HUGEPAGE and MADV_NOHUGEPAGE. Absent: memory that has no transparent huge pages. */
  readonly hugepage?: StateMap;
  readonly nohugepage?: StateMap;
  /** MADV_COLLAPSE: state of a block that becomes one huge page, by the state of any of its pages; -1 for pages that keep it from that. Absent: as above, or before 6.1. */
  readonly collapsed?: StateMap;
}

const REFUSED: Readonly<Record<MemoryAdvice, string>> = {
  free: 'MADV_FREE takes private memory without a file only (EINVAL)',
  cold: 'MADV_COLD takes no hugetlb memory (EINVAL)',
  collapse: 'MADV_COLLAPSE needs memory with transparent huge pages, and a kernel from 6.1 on (EINVAL)',
  hugepage: 'MADV_HUGEPAGE is followed for memory with transparent huge pages only (anonymous_thp where the host has them)',
  nohugepage: 'MADV_NOHUGEPAGE is followed for memory with transparent huge pages only (anonymous_thp where the host has them)',
};

/** Why the kernel refuses an operation of the host on memory of a kind; undefined where it does not. */
export function changeRefusal(op: HostOp, { changes, name, hugetlb }: HostBacking): string | undefined {
  if (op.op !== 'protect' && op.op !== 'madvise') return undefined;
  if (changes === undefined) return `${name}: nothing is known of what ${op.op} does to this kind of memory`;
  if (op.op === 'protect') return undefined;
  const { freeable, hugepage, nohugepage, collapsed } = changes;
  const isTaken: Readonly<Record<MemoryAdvice, boolean>> = {
    free: freeable,
    cold: !hugetlb,
    hugepage: hugepage !== undefined,
    nohugepage: nohugepage !== undefined,
    collapse: collapsed !== undefined,
  };
  return isTaken[op.advice] ? undefined : `${name}: ${REFUSED[op.advice]}`;
}
