/**
 * What a test asserts of its run: checks of a phase, looked at when the phase is over.
 *
 * A check compares what a phase left behind (counters and gauges, answers of host operations, what frames translate to) with a number or with what another phase
 * left. The runner evaluates it, results carry it, and a run with one that fails is a failed run.
 */
import type { Gfn } from './units';

/** How the two sides are to compare. */
export type CheckRelation = '==' | '!=' | '<' | '<=' | '>' | '>=';

/**
 * What host operations of a phase answered, summed over them:
 * - `dirty.pages`: pages in the bitmaps that KVM_GET_DIRTY_LOG returned, or in the entries that were collected of dirty rings;
 * - `dirty.missing`: pages that were written since they were harvested last and that are in neither;
 * - `dirty.unexplained`: pages in them that were written neither since the last harvest nor in the interval before it (a page may be written while it is
 *   harvested, and then be told once more). A bitmap that starts full explains itself;
 * - `ring.collected`, `ring.reset`: entries of dirty rings that user space collected, and that KVM_RESET_DIRTY_RINGS says it has reset; of the VM, no slot;
 * - `young.leaves`: leaves that aging found young, where the backend tells.
 */
export type HostFigure = 'dirty.pages' | 'dirty.missing' | 'dirty.unexplained' | 'ring.collected' | 'ring.reset' | 'young.leaves';

interface Quantity {
  /** What it is multiplied by. Absent: 1. */
  readonly times?: number;
}

/** A counter or gauge at the end of a phase, of the whole VM. */
export interface CountedQuantity extends Quantity {
  readonly counter: string;
  /** An earlier phase, by name; `total` is the run so far. Absent: the phase of the check. */
  readonly phase?: string;
}

/** What user space saw of host operations in the phase of the check. */
export interface AnsweredQuantity extends Quantity {
  readonly answer: HostFigure;
  /** Absent: of the whole VM. */
  readonly slot?: number;
}

/** How many of the frames from `gfn` on translate when the phase is over. */
export interface MappedQuantity extends Quantity {
  readonly mapped: 'readable' | 'writable';
  readonly gfn: Gfn;
  readonly npages: number;
}

export type CheckedQuantity = CountedQuantity | AnsweredQuantity | MappedQuantity;

/** One assertion. */
export interface PhaseCheck {
  /** What is asserted, in the test's own terms: `pages_2m once the first huge page is executed`. Unique within its phase. */
  readonly name: string;
  /** Looked at; the sum where there are several. */
  readonly of: readonly CheckedQuantity[];
  readonly relation: CheckRelation;
  /** A number, or the sum of counters. */
  readonly expected: number | readonly CountedQuantity[];
}

/** A check that was looked at. */
export interface CheckResult {
  readonly phase: string;
  readonly name: string;
  /** What was looked at, written out: `512 * pages_2m + pages_4k`. */
  readonly of: string;
  readonly relation: CheckRelation;
  readonly expected: number;
  /** Absent where nothing answered: such a check fails. */
  readonly actual?: number;
  readonly passed: boolean;
}
