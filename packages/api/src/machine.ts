/**
 * The simulated machine, as far as whoever lays out a guest has to know it.
 */
import type { Gfn, Level } from './units';

/** Facts about the simulated machine that decide where a workload puts its memory. */
export interface Machine {
  readonly arch: string;
  readonly pageSizeBytes: number;
  /** Last usable guest frame for a given number of guest physical address bits. */
  maxGfn(physBits: number): Gfn;
  /** Guest physical address bits without a guest mode that says otherwise. */
  readonly physBits: number;
  /** Neighbouring entries the host's tables can treat as one (contiguous hugetlb pages), by level. Absent: none. */
  readonly contiguous?: Readonly<Partial<Record<Level, number>>>;
  /** What a guest runs a guest of its own with, and so the form of its second-stage tables (NPT, EPT). Absent: the guest cannot. */
  readonly nesting?: 'svm' | 'vmx';
}
