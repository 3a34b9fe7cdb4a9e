/**
 * What the kernel refuses to do to guest memory of a kind.
 */
import type { HostBacking } from './memslot';
import type { HostOp, MemoryAdvice } from './workload';

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
