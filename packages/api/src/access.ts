/**
 * What a vCPU does to memory: single accesses and runs of them.
 *
 * Guests touch memory in long regular runs. A run is data, so that a backend may lift it to whole table slots; a backend that cannot
 * lift it walks it page by page and must count the same.
 */
import type { Gfn, Level, Vfn } from './units';

/** How a guest touches a page. */
export const AccessKind = { Read: 0, Write: 1, Exec: 2 } as const;
export type AccessKind = (typeof AccessKind)[keyof typeof AccessKind];

/**
 * A run of accesses in ascending order. Access i (0 ≤ i < count) goes to frame `vfn + i * stride`; it is of kind `kind`, except that with
 * `writeEvery` = f every access whose index is a multiple of f is a write (the selftests' `-f`).
 */
export interface AccessRun {
  readonly vfn: Vfn;
  /** Number of accesses. */
  readonly count: number;
  /** Frames from one access to the next; 1 for neighbours. */
  readonly stride: number;
  readonly kind: AccessKind;
  /** Every n-th access, the first included, is a write; 0 when none differs from `kind`. */
  readonly writeEvery: number;
}

/**
 * A run whose pages or kinds come from the selftests' generator (state = state · 48271 mod 2147483647): per access one draw for the page
 * when `randomOrder`, then one draw for the kind: write when draw mod 100 < writePercent. The state belongs to the vCPU and runs on
 * from run to run.
 */
export interface RandomRun {
  readonly vfn: Vfn;
  /** Pages of the region, and number of accesses. */
  readonly count: number;
  /** Host frames in one page: a whole number, or 1/n. Absent: 1. */
  readonly pageFrames?: number;
  readonly randomOrder: boolean;
  readonly writePercent: number;
}

/** A stretch of a guest address space: `npages` frames from `vfn` map to `npages` frames from `gfn`. */
export interface GuestRun {
  readonly vfn: Vfn;
  readonly gfn: Gfn;
  readonly npages: number;
  /** Level of the guest entries that map it: 1 = 4 KiB entries, 2 = 2 MiB entries. */
  readonly level: Level;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  /** Whether the A and D bits of the guest's entries are set when the guest starts. */
  readonly accessed: boolean;
  readonly dirty: boolean;
}

/**
 * Frames of guest page-table pages. A table at `level` l holds entries of level l; table number k of that level covers the 512^l frames
 * from k · 512^l on. `count` tables from number `first` on lie in the frames `gfn`, `gfn + 1`, …
 */
export interface GuestTableRun {
  readonly level: Level;
  readonly first: number;
  readonly count: number;
  readonly gfn: Gfn;
}

/** One guest address space as far as an MMU sees it: what maps where, and where the table pages themselves lie. */
export interface GuestTables {
  readonly name: string;
  /** Levels of the guest's own paging: 4 or 5 on x86-64, 4 on arm64 with 48-bit addresses. */
  readonly levels: number;
  /** Frame of the top table (what CR3 or TTBR points to). */
  readonly root: Gfn;
  /** In ascending order of vfn, not overlapping. */
  readonly runs: readonly GuestRun[];
  /** All table pages below the root, per level in ascending order of `first`. */
  readonly tables: readonly GuestTableRun[];
}
