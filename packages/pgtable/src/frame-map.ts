/**
 * What a backend sees of a frame map: one small value per guest frame, in the storage of whichever engine it goes with.
 */

/** One value of 0 to 255 per guest frame: host page states, dirty bitmaps. All 0 at first. */
export interface FrameMap {
  get(gfn: number): number;
  set(gfn: number, value: number): void;
  setRange(gfn: number, npages: number, value: number): void;
  /** Whether every frame of a range has the value. */
  isUniform(gfn: number, npages: number, value: number): boolean;
  /** The value all frames of the aligned block of `level` at `gfn` have, or -1. */
  uniformValue(level: number, gfn: number): number;
  /** Number of frames with a value other than 0 in a range. */
  countNonZero(gfn: number, npages: number): number;
  /** Makes this map equal to another one over a range. */
  copyRange(from: FrameMap, gfn: number, npages: number): void;
}
