/**
 * The kernel of a run as a release, for tests that ask for one.
 */
import { compareReleases, parseRelease } from '@mmulab/api';

/** The release that a run names, `6.1.192` or `5.9 (as 5.10.262)`; undefined for none. */
export function kernelRelease(kernel: string | undefined): ReturnType<typeof parseRelease> {
  return parseRelease((kernel ?? '').replace(/ \(as .*$/, ''));
}

/** Whether a kernel is older than a release. A run without a kernel is not. */
export function isBeforeRelease(kernel: string | undefined, first: readonly [number, number, number]): boolean {
  const release = kernelRelease(kernel);
  return release !== undefined && compareReleases(release, [...first]) < 0;
}
