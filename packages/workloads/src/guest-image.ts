/**
 * Where the test programs keep their code and data, and which pages of them the guest touches. Page numbers are guest virtual addresses
 * divided by 4 KiB, read from the measured binaries; programs that were not measured take the place of their relatives.
 *
 * x86 places: measured on dirty_log_perf_test, access_rounds, cr_churn and nested_rounds. execute_perf_test, access_tracking_perf_test and
 * demand_paging_test share dirty_log_perf_test's library and take its places; kvm_page_table_test was only counted (two pages of code, two of
 * globals). arm64 places: measured on kvm_page_table_test, taken for all.
 */
import type { GuestDefinition, GuestImage, Vfn } from '@mmulab/api';
import { ALL_MODES } from './mode-numbers';

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

/** x86: GDT and TSS, port I/O. Measured on programs apart, as far as they were. */
export const X86_GUEST: GuestDefinition = {
  arch: 'x86',
  doc: 'x86-64 guests of the selftests: four levels, as many physical bits as the machine has.',
  modes: ALL_MODES.filter(name => name.startsWith('PXX')),
  defaultMode: () => 'PXXV48_4K',
  stackFirst: 0xab6,
  rootPages: 1,
  systemFirst: 2,
  systemPages: 2,
  accessed: false,
  syncsByStore: false,
  image: x86Image(0x50f, 0x407, [0x501]),
  images: {
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
export const ARM64_GUEST: GuestDefinition = {
  arch: 'arm64',
  doc: 'arm64 guests of the selftests, in pages of 4, 16 and 64 KiB.',
  modes: ALL_MODES.filter(name => !name.startsWith('PXX') && !name.includes('V64')),
  defaultMode: ({ pageSizeBytes }) => `P40V48_${pageSizeBytes / 1024}K`,
  stackFirst: 0xac0,
  rootPages: 2,
  systemFirst: 2,
  systemPages: 0,
  accessed: true,
  syncsByStore: true,
  image: ARM64_IMAGE,
};

/** The image of one of an architecture's programs. */
export function imageOf({ image, images = {} }: GuestDefinition, program: string): GuestImage {
  return images[program] ?? image;
}
