/**
 * What a guest does to its own page tables while it runs.
 *
 * A table page is guest memory like any other: the guest reaches it through a virtual frame that maps it, so that each write is an ordinary write to that page, with
 * all its faults, and beside that changes what the guest's addresses mean. Whoever describes address spaces (`GuestTables`) describes them as they are at the start.
 */
import type { Gfn, Vfn } from './units';

/** Bits of an entry of a guest's table, as far as an MMU looks at them. `Large`: the entry maps a large page. */
export const GuestEntryBit = { Present: 1, Writable: 2, User: 4, Executable: 8, Accessed: 16, Dirty: 32, Large: 64 } as const;

/** What an entry becomes. */
export type EntryChange =
  /** The i-th entry is to point to frame `gfn + i * step`; without any bits it is empty. */
  | { readonly kind: 'store'; readonly gfn: Gfn; readonly step: number; readonly bits: number }
  /** Bits are set and taken away in one access, as by an atomic instruction; the frame stays. */
  | { readonly kind: 'modify'; readonly set: number; readonly clear: number }
  /** The i-th entry becomes what the i-th one from `first` on in the table pages at `vfn` is, which is read, without the bits of `clear`. */
  | { readonly kind: 'copy'; readonly vfn: Vfn; readonly first: number; readonly clear: number };

/** Writes to entries, in ascending order: write i (0 ≤ i < count) is to entry number `first + i * stride`. */
export interface GuestTableWrites {
  /** Virtual frame of the table page that entry 0 lies in; the entries behind its last one lie in the pages at the following virtual frames. */
  readonly vfn: Vfn;
  readonly first: number;
  readonly count: number;
  readonly stride: number;
  readonly change: EntryChange;
  /** Bytes of one write: the size of an entry unless given. Twice that size writes two neighbouring entries at once, less a part of one. */
  readonly bytes?: 1 | 2 | 4 | 8 | 16;
}
