/**
 * The guest of an architecture: where the selftests' library puts programs, stacks and tables, and the modes they run in.
 *
 * Workloads ask for the guest of the machine they are planned for, and lay memory out with it. A plugin with an architecture of its own brings its guest
 * (`contributeGuest`); without one no workload that lays a guest out runs there: none gets that of another architecture.
 */
import type { ContributionLoad } from './contribution';
import type { Vfn } from './units';
import type { Machine } from './machine';

/** A stretch of a program's image; stretches follow one another in guest physical memory without the gaps between them. */
export interface ImageSegment {
  readonly first: Vfn;
  readonly last: Vfn;
}

/** A test program as the guest sees it: pages of its code and data, in pages of 4 KiB. */
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

/** How a guest is set up. */
export interface GuestMode {
  /** As in the tests, without `VM_MODE_`; `P40V48_4K` is 40 bits physical, 48 bits virtual, 4 KiB pages. */
  readonly name: string;
  readonly physBits: number;
  readonly virtBits: number;
  readonly pageSizeBytes: number;
  /** Frames of the host in one page of the guest: a whole number, or 1/n. */
  readonly pageFrames: number;
  /** Levels of the guest's own tables. */
  readonly levels: number;
}

/** The guest of one architecture. Addresses are guest virtual ones divided by 4 KiB. */
export interface GuestDefinition {
  /** As in `BackendDefinition.arch`. */
  readonly arch: string;
  /** One sentence. */
  readonly doc: string;
  /** Modes it runs in, by name. `XX` for physical bits stands for what the machine has. */
  readonly modes: readonly string[];
  /** The mode that is taken without `-m`. */
  defaultMode(machine: Machine): string;
  /** What the numbers of `-m` mean, per generation of the tests. Absent: what they mean in the enumeration all architectures share. */
  readonly modeNumbers?: Readonly<Record<string, readonly string[]>>;
  /** Levels of the guest's own tables, which have 512 entries each. Absent: 4 in every mode. */
  levels?(mode: Omit<GuestMode, 'levels'>): number;
  /** First stack page of vCPU 0; further stacks follow. */
  readonly stackFirst: Vfn;
  /** Frames taken for the top table: arm64 rounds up by a page too many. */
  readonly rootPages: number;
  /** First of the pages for descriptor tables, allocated after the first stack, and how many there are (x86: GDT and TSS). */
  readonly systemFirst: Vfn;
  readonly systemPages: number;
  /** Whether the guest's entries start with the accessed bit set. */
  readonly accessed: boolean;
  /** Whether the guest synchronises by a store to an unbacked guest physical page instead of an instruction that exits. */
  readonly syncsByStore: boolean;
  /** The image of every program that has none of its own below. */
  readonly image: GuestImage;
  /** Images by program: `perf`, `page_table`, `rounds`, `churn`, `nested`, or what a workload calls its own. */
  readonly images?: Readonly<Record<string, GuestImage>>;
}

/** Multi-injection token of guests. */
export const GuestContribution = Symbol.for('mmulab.GuestContribution');

/** Registers the guest of an architecture. */
export function contributeGuest(load: ContributionLoad, guest: GuestDefinition): void {
  load.bind<GuestDefinition>(GuestContribution).toConstantValue(guest);
}
