/**
 * A map of bits, told as user space reads it.
 */
import type { FrameMap } from '@mmulab/pgtable';
import type { Memslot } from './memslot';

/** Tells the runs of pages with a bit, ascending, relative to their slot. Uniform stretches cost nothing. */
export function tellDirty(read: FrameMap, { base, spec }: Memslot, tell: (firstPage: number, npages: number) => void): void {
  let from = -1;
  const walk = (start: number, npages: number): void => {
    if (read.isUniform(start, npages, 0)) {
      if (from >= 0) tell(from - base, start - from);
      from = -1;
    } else if (read.isUniform(start, npages, 1)) {
      if (from < 0) from = start;
    } else {
      const half = 2 ** (Math.ceil(Math.log2(npages)) - 1);
      walk(start, half);
      walk(start + half, npages - half);
    }
  };
  walk(base, spec.npages);
  if (from >= 0) tell(from - base, base + spec.npages - from);
}
