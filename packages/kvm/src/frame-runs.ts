/**
 * Values of a frame map as runs, so that what is known of host memory or of a dirty bitmap can be put by, and laid down elsewhere.
 */
import type { FrameMap } from '@mmulab/pgtable';

/** Frames of one value. `first` counts from the beginning of the stretch that was put by. */
export interface FrameRun {
  readonly first: number;
  readonly npages: number;
  readonly value: number;
}

/** Calls for each run of equal values of frames [start, start + npages), ascending. Uniform stretches cost nothing. */
export function eachFrameRun(map: FrameMap, start: number, npages: number, call: (first: number, npages: number, value: number) => void): void {
  let [first, length, last] = [start, 0, -1];
  const walk = (at: number, count: number): void => {
    const value = map.get(at);
    if (!map.isUniform(at, count, value)) {
      const half = 2 ** (Math.ceil(Math.log2(count)) - 1);
      walk(at, half);
      walk(at + half, count - half);
      return;
    }
    if (value !== last && length > 0) call(first, length, last);
    if (value !== last) [first, length, last] = [at, 0, value];
    length += count;
  };
  if (npages > 0) walk(start, npages);
  if (length > 0) call(first, length, last);
}

/** The runs of frames [start, start + npages), ascending; those of value 0 are left out. */
export function frameRuns(map: FrameMap, start: number, npages: number): FrameRun[] {
  const runs: FrameRun[] = [];
  eachFrameRun(map, start, npages, (first, count, value) => {
    if (value !== 0) runs.push({ first: first - start, npages: count, value });
  });
  return runs;
}

/** Lays runs down from `start` on, as far as `npages` frames go; the frames between them become 0. */
export function layFrameRuns(map: FrameMap, start: number, npages: number, runs: readonly FrameRun[]): void {
  map.setRange(start, npages, 0);
  for (const { first, npages: count, value } of runs) {
    const from = Math.max(0, first);
    const to = Math.min(npages, first + count);
    if (to > from) map.setRange(start + from, to - from, value);
  }
}
