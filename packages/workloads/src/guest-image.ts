/**
 * Where the test programs keep their code and data, and which pages of them the guest touches. Page numbers are guest virtual addresses
 * divided by 4 KiB, read from the measured binaries; programs that were not measured take the place of their relatives.
 *
 * x86 places: measured on dirty_log_perf_test, access_rounds, cr_churn and nested_rounds. execute_perf_test, access_tracking_perf_test and
 * demand_paging_test share dirty_log_perf_test's library and take its places; kvm_page_table_test was only counted (two pages of code, two of
 * globals). arm64 places: measured on kvm_page_table_test, taken for all.
 */
import type { Vfn } from '@mmulab/api';

/** A stretch of a program's image; stretches follow one another in guest physical memory without the gaps between them. */
export interface ImageSegment {
  readonly first: Vfn;
  readonly last: Vfn;
}

/** A test program as the guest sees it. */
export interface GuestImage {
  readonly segments: readonly ImageSegment[];
  /** Code page in which the guest starts and loops. */
  readonly entryCode: Vfn;
  /** Code page of the routine that synchronises with the host. */
  readonly syncCode: Vfn;
  /** Pages of globals read before the first access to test memory. */
  readonly globals: readonly Vfn[];
  /** Pages of globals read by the routine that synchronises. */
  readonly syncGlobals: readonly Vfn[];
  /** Pages of the argument structure, which the perf tests of 6.12 read one by one before each pass. */
  readonly arguments: readonly Vfn[];
}

/** Programs with an image of their own. */
export type ProgramName = 'perf' | 'page_table' | 'rounds' | 'churn' | 'nested';

/** What an architecture's selftest library puts where. */
export interface GuestArch {
  /** First stack page of vCPU 0; further stacks follow. */
  readonly stackFirst: Vfn;
  /** Frames taken for the top table: arm64 rounds up by a page too many. */
  readonly rootPages: number;
  /** First of the pages for descriptor tables, allocated after the first stack, and how many there are (GDT and TSS). */
  readonly systemFirst: Vfn;
  readonly systemPages: number;
  /** Whether the guest's entries start with the accessed bit set. */
  readonly accessed: boolean;
  /** Whether the guest synchronises by a store to an unbacked guest physical page instead of port I/O. */
  readonly syncsByStore: boolean;
  readonly images: Readonly<Record<ProgramName, GuestImage>>;
}

/** Pages of the argument structure of 6.12. */
const ARGUMENT_PAGES = 6;

function pagesFrom(first: Vfn, count: number): readonly Vfn[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

function x86Image(last: Vfn, entryCode: Vfn, globals: readonly Vfn[]): GuestImage {
  const lastGlobal = globals.at(-1) ?? last;
  const places = { entryCode, syncCode: 0x40f, globals, syncGlobals: [] };
  return { segments: [{ first: 0x400, last }], ...places, arguments: pagesFrom(lastGlobal + 1, ARGUMENT_PAGES) };
}

/** x86: GDT and TSS, port I/O. */
export const X86_GUEST: GuestArch = {
  stackFirst: 0xab6,
  rootPages: 1,
  systemFirst: 2,
  systemPages: 2,
  accessed: false,
  syncsByStore: false,
  images: {
    perf: x86Image(0x50f, 0x407, [0x501]),
    page_table: x86Image(0x50d, 0x402, [0x4f1, 0x4f2]),
    rounds: x86Image(0x50d, 0x402, [0x4f2]),
    churn: x86Image(0x50d, 0x401, [0x4f2]),
    nested: x86Image(0x50e, 0x402, [0x4f3]),
  },
};

const ARM64_IMAGE: GuestImage = {
  segments: [
    { first: 0x400, last: 0x4b6 },
    { first: 0x4d0, last: 0x4e2 },
  ],
  entryCode: 0x400,
  syncCode: 0x40c,
  globals: [0x4d2],
  syncGlobals: [0x4dd],
  arguments: pagesFrom(0x4d3, ARGUMENT_PAGES),
};

/** arm64: no descriptor tables, a store to an unbacked page. */
export const ARM64_GUEST: GuestArch = {
  stackFirst: 0xac0,
  rootPages: 2,
  systemFirst: 2,
  systemPages: 0,
  accessed: true,
  syncsByStore: true,
  images: { perf: ARM64_IMAGE, page_table: ARM64_IMAGE, rounds: ARM64_IMAGE, churn: ARM64_IMAGE, nested: ARM64_IMAGE },
};

/** Facts for an architecture by its name. Those nobody measured take x86's, which need nothing of the architecture but memory. */
export function guestArch(arch: string): GuestArch {
  return arch === 'arm64' ? ARM64_GUEST : X86_GUEST;
}
