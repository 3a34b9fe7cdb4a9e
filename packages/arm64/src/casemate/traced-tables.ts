/**
 * Where the tables of an exported run lie, and what host frames its leaves point to: what the engine's entries do not say.
 *
 * Tables are found by the entry they hang from. Models nothing of its own.
 */
import type { Geometry } from '@mmulab/pgtable';

const ENTRY_BYTES = 8;
/** More levels than there are, for keys. */
const LEVELS = 8;

const keyOf = (level: number, gfn: number): number => gfn * LEVELS + level;

/** Physical addresses and frames of one VM's tree. */
export class TracedTables {
  /** By entry: the page of the table below it. */
  private readonly pages = new Map<number, number>();
  /** By entry: the host frame of a leaf. */
  private readonly frames = new Map<number, number>();

  /** @param start table pages of the start level */
  constructor(
    private readonly geometry: Geometry,
    readonly start: readonly number[],
  ) {}

  /** Physical address of an entry whose table is linked, or known. */
  addressOf(level: number, gfn: number): number {
    const { geometry, start } = this;
    const { entries, levels } = geometry;
    const index = Math.floor(gfn / geometry.pagesAt(level));
    const page = level === levels ? start[Math.floor(index / entries)] : this.pageBelow(level + 1, gfn - (gfn % geometry.pagesAt(level + 1)));
    return page + (index % entries) * ENTRY_BYTES;
  }

  /** Page of the table below an entry. */
  pageBelow(level: number, gfn: number): number {
    return this.pages.get(keyOf(level, gfn)) ?? 0;
  }

  /** A table hangs from an entry now. */
  setTable(level: number, gfn: number, page: number): void {
    this.pages.set(keyOf(level, gfn), page);
    this.frames.delete(keyOf(level, gfn));
  }

  /** The table below an entry hangs there no longer. @returns its page */
  takeTable(level: number, gfn: number): number {
    const page = this.pageBelow(level, gfn);
    this.pages.delete(keyOf(level, gfn));
    return page;
  }

  /** Host frame that a leaf points to; 0 for everything else. */
  frameOf(level: number, gfn: number): number {
    return this.frames.get(keyOf(level, gfn)) ?? 0;
  }

  setFrame(level: number, gfn: number, frame: number): void {
    if (frame === 0) this.frames.delete(keyOf(level, gfn));
    else this.frames.set(keyOf(level, gfn), frame);
  }
}
