/**
 * What a page is given: runs to begin with, lessons if it has any, and where the sources lie.
 */
import type { LabConfig } from './lab/lab-config';

export const PAGE_SCHEMA = 'mmulab.playground.v1';

export interface PageData {
  readonly schema: typeof PAGE_SCHEMA;
  /** `mmulab 0.1.0`. */
  readonly madeBy: string;
  /** One run, or two in lockstep. */
  readonly runs: readonly LabConfig[];
  /** Whether the prepared lessons are shown. */
  readonly lessons: boolean;
  /** Where the packages' folders lie, seen from the page; absent where they are not beside it. */
  readonly sources?: string;
}
