/**
 * A lesson: runs to look at, and steps through them, each with a sentence or two. Every figure in a text is taken from the run, and what a text says beside figures stands in `holds`,
 * which a test asks of every step.
 */
import type { RawConfig } from '@mmulab/runner';
import type { LessonFacts } from './lesson-facts';

/** Where a step goes, from where the one before it stood. */
export type Move =
  /** Another pair of runs, from their beginning. */
  | { readonly scene: number }
  /** The beginning of a phase, and some steps into it. */
  | { readonly phase: string; readonly steps?: number }
  /** The end of a phase. */
  | { readonly endOf: string }
  | { readonly steps: number }
  /** The next step in which a run counts something. */
  | { readonly until: string; readonly side?: number }
  /** A page of the memory that is shown, by number. */
  | { readonly page: number };

/** One step of a lesson. */
export interface LessonStep {
  readonly go: readonly Move[];
  readonly say: (facts: LessonFacts) => string;
  readonly holds: (facts: LessonFacts) => boolean;
}

export interface Lesson {
  readonly id: string;
  readonly title: string;
  /** The posting it is about. */
  readonly document: string;
  readonly question: string;
  /** Runs by scene: one, or two in lockstep. */
  readonly scenes: readonly (readonly RawConfig[])[];
  readonly steps: readonly LessonStep[];
}
