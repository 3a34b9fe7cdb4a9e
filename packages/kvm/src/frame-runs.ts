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

/** The runs of frames [start, start + npages), ascending; those of value 0 are left out. Uniform stretches cost nothing. */
export function frameRuns(map: FrameMap, start: number, npages: number): FrameRun[] {
  const runs: { first: number; npages: number; value: number }[] = [];
  const walk = (at: number, count: number): void => {
    const value = map.get(at);
    if (!map.isUniform(at, count, value)) {
      const half = 2 ** (Math.ceil(Math.log2(count)) - 1);
      walk(at, half);
      walk(at + half, count - half);
      return;
    }
    const last = runs[runs.length - 1];
    if (last?.value === value && last.first + last.npages === at - start) last.npages += count;
    else runs.push({ first: at - start, npages: count, value });
  };
  walk(start, npages);
  return runs.filter(run => run.value !== 0);
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
