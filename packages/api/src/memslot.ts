/**
 * Guest memory and what the host has behind it.
 *
 * A host backing is a small state machine, declared as data: per state of a page and kind of host fault, what the page becomes, whether the
 * host's own entry is writable, how large it is, and which MMU-notifier calls the fault causes. Backends keep the state of every page in a
 * frame map of their engine and ask this table, so that the host's behaviour lifts to ranges like everything else.
 */
import type { HostChanges } from './host-changes';
import type { Gfn, Hvf, Level } from './units';

/** One MMU-notifier call pair (invalidate start and end) that a host fault causes before it returns. */
export interface HostNotification {
  /** The naturally aligned block around the faulting page that is invalidated: 1 = one page, 2 = one PMD. */
  readonly level: Level;
  /** State of every page of that block once the notification is over. */
  readonly state: number;
  /** Whether a change_pte notifier (kernels before 6.10) follows inside the pair: copy-on-write of one page. */
  readonly changePte: boolean;
}

/** What one host fault (get_user_pages on one page) does. Immutable; one object per state and kind. */
export interface HostFault {
  /** False when the host cannot provide the page. */
  readonly ok: boolean;
  /** New state of the block of `spanLevel` around the page. */
  readonly state: number;
  /** The naturally aligned block that changes state with the page: 1 for small pages, the backing's own size for huge ones. */
  readonly spanLevel: Level;
  /** Whether the host's entry allows writing after the fault: only then the MMU may map the page writable. */
  readonly writable: boolean;
  /** Notifier calls on the way, in order. Empty in the common case. */
  readonly notifications: readonly HostNotification[];
}

/** Facts about a page state. */
export interface HostState {
  readonly name: string;
  /** Whether the host has an entry for the page. */
  readonly present: boolean;
  /** Whether that entry allows writing. */
  readonly writable: boolean;
  /** Level of the host's own leaf: 1, 2 (PMD) or 3 (PUD). */
  readonly level: Level;
  /** Whether the leaf is a transparent huge page (or the huge zero page), not hugetlb: kernels treat the two apart. */
  readonly thp: boolean;
}

/** What the host leaves behind where it drops pages (MADV_DONTNEED). All lists are indexed by the state before. */
export interface DroppedPages {
  /** State of the pages of a block of `pageLevel` that goes as a whole, by that of its first page. */
  readonly block: readonly number[];
  /** State of a page that goes while others of its block stay. */
  readonly page: readonly number[];
  /** State of a page that stays while others of its block go. Where it differs from the state before, the host breaks a huge page up. */
  readonly kept: readonly number[];
}

/** A kind of host memory (`-s` of the selftests). State 0 is "untouched". */
export interface HostBacking {
  readonly name: string;
  readonly doc: string;
  /** Size of the pages the test asks for, as a level: alignment of region and slot, and step of tests that touch large pages. */
  readonly pageLevel: Level;
  /** Neighbouring entries of `pageLevel` that make up one page (contiguous hugetlb pages): a fault brings them together. Absent: 1. */
  readonly contiguous?: number;
  /** hugetlb: the size is that of the mapping itself (a VMA property), whatever is present. */
  readonly hugetlb: boolean;
  /** Device memory mapped into user space (PFNMAP) instead of pages of RAM: never in blocks, never executable, not cached. Absent: RAM. */
  readonly device?: boolean;
  readonly states: readonly HostState[];
  /** State of a page that the host itself has written before the guest ran. */
  readonly populated: number;
  /** Indexed by state · 2 + (write ? 1 : 0). */
  readonly faults: readonly HostFault[];
  /** The same for pages whose block of `pageLevel` does not lie wholly inside the slot, or is not congruent with it: small pages only. */
  readonly edgeFaults?: readonly HostFault[];
  /** What is left where the host drops pages. Absent: every page is untouched again. */
  readonly dropped?: DroppedPages;
  /** False where the kernel refuses to drop pages of this kind (MADV_DONTNEED on hugetlb, before 5.18). */
  readonly droppable?: boolean;
  /** State of a page that a userfaultfd handler has copied in. Absent: that of `populated`. */
  readonly copied?: number;
  /** A shared mapping (MAP_SHARED): its pages are never copied, and fork tells nobody of it. Absent: private. */
  readonly shared?: boolean;
  /** Pages that nobody has written are a file's. */
  readonly file?: boolean;
  /** What else the host does to its pages. Absent: the runner derives it. */
  readonly changes?: HostChanges;
}

const NO_NOTIFICATIONS: readonly HostNotification[] = [];

/**
 * A line of `HostBacking.faults`: what a host fault makes of a page.
 * @param state what the block of `spanLevel` around the page becomes
 * @param spanLevel 1 for small pages, the backing's own level for huge ones
 * @param writable whether the host's entry then allows writing
 * @param notifications MMU-notifier calls on the way, in order
 */
export function hostFault(
  state: number,
  spanLevel: Level,
  writable: boolean,
  notifications: readonly HostNotification[] = NO_NOTIFICATIONS,
): HostFault {
  return { ok: true, state, spanLevel, writable, notifications };
}

/** Memory that the host filled before the guest started (images, page tables, `-H`). */
export interface PopulatedRun {
  readonly gfn: Gfn;
  readonly npages: number;
}

/** One memslot: guest frames backed by host memory. */
export interface MemslotSpec {
  readonly id: number;
  readonly baseGfn: Gfn;
  readonly npages: number;
  /** Host virtual frame of the slot's first page; huge mappings need it congruent with `baseGfn`. */
  readonly hvf: Hvf;
  readonly backing: HostBacking;
  readonly readonly: boolean;
  /** KVM_MEM_LOG_DIRTY_PAGES from the beginning. Absent: logging is off until it is switched on. */
  readonly logged?: boolean;
  readonly populated: readonly PopulatedRun[];
}
