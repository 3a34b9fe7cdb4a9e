/**
 * What the host does to guest memory of a kind beyond faulting and dropping it, as data: per operation the state of a page after it, by the state before.
 *
 * A kind of memory that plugins bring without such tables gets them from the runner, by what its states say of themselves.
 */
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
