/**
 * The errors of this package, sorted by code.
 */
import { MmulabError } from '@mmulab/api';

/** The run has more steps than can be shown. */
export function tooLarge(steps: number, maxSteps: number): MmulabError {
  return new MmulabError(
    'LAB_TOO_LARGE',
    `the run has more than ${maxSteps.toLocaleString('en-US')} steps to look at (at least ${steps.toLocaleString('en-US')}); fewer iterations, vCPUs or rounds make it smaller`,
  );
}

/** A page compares two policies at most. */
export function tooManySides(runs: number): MmulabError {
  return new MmulabError('LAB_TOO_MANY_RUNS', `the config means ${runs} runs; expected one to look at, or two to go through in lockstep`);
}

/** The page was not bundled. */
export function notBuilt(path: string): MmulabError {
  return new MmulabError('PAGE_NOT_BUILT', `${path}: the page is not there; expected what npm run build bundles`);
}
