/**
 * The oracle's frame map: a plain map from frame to value, every question answered frame by frame.
 */
import type { Geometry, FrameMap } from '@mmulab/pgtable';

/** One value of 0 to 255 per frame; frames that are not in the map hold 0. */
export class OracleFrameMap implements FrameMap {
  private readonly values = new Map<number, number>();

  /** @param geometry decides how wide the block of a level is */
  constructor(private readonly geometry: Geometry) {}

  get(gfn: number): number {
    return this.values.get(gfn) ?? 0;
  }

  set(gfn: number, value: number): void {
    if (value === 0) this.values.delete(gfn);
    else this.values.set(gfn, value);
  }

  setRange(gfn: number, npages: number, value: number): void {
    for (let at = gfn; at < gfn + npages; at++) this.set(at, value);
  }

  isUniform(gfn: number, npages: number, value: number): boolean {
    for (let at = gfn; at < gfn + npages; at++) if (this.get(at) !== value) return false;
    return true;
  }

  uniformValue(level: number, gfn: number): number {
    const value = this.get(gfn);
    return this.isUniform(gfn, this.geometry.pagesAt(level), value) ? value : -1;
  }

  countNonZero(gfn: number, npages: number): number {
    let count = 0;
    for (let at = gfn; at < gfn + npages; at++) if (this.get(at) !== 0) count++;
    return count;
  }

  copyRange(from: FrameMap, gfn: number, npages: number): void {
    for (let at = gfn; at < gfn + npages; at++) this.set(at, from.get(at));
  }
}
