/**
 * The shape of a radix page table: entries per table, levels, width of the root.
 *
 * Levels count up from 1 (one page). A table of n entries takes log2(n) bits of the frame number per level; the root may be wider than a
 * table (arm64's concatenated start tables, RISC-V's four-page roots). Frame numbers have up to 45 bits and shifts cut at 32, so a
 * frame number is split once, by multiplication with a power of two, into the bits of levels 1 and 2 and the rest.
 */
import { MmulabError } from '@mmulab/api';

const ENTRY_COUNTS = [4, 512, 2048, 8192];

/** Shape of one page table. Immutable. */
export class Geometry {
  /** Bits of the frame number one level consumes. */
  readonly bits: number;
  /** Entries per table minus one: the index mask. */
  readonly mask: number;
  /** Pages mapped by one entry, by level (index 0 unused; index levels + 1: the whole root of one table). */
  readonly span: readonly number[];
  /** Frames covered by levels 1 and 2 together: the point where a frame number is split. */
  readonly split: number;
  readonly inverseSplit: number;
  /** Frames the root covers: the first frame number that is out of range. */
  readonly limit: number;

  /**
   * @param entries entries per table: 4, 512, 2048 or 8192
   * @param levels 2 to 5, the root included
   * @param rootTables tables the root is wide: 1 to 16
   */
  constructor(
    readonly entries: number,
    readonly levels: number,
    readonly rootTables = 1,
  ) {
    if (!ENTRY_COUNTS.includes(entries)) {
      throw new MmulabError('GEOMETRY_ENTRIES', `${entries} entries per table: expected one of ${ENTRY_COUNTS.join(', ')}`);
    }
    if (!Number.isInteger(levels) || levels < 2 || levels > 5) throw new MmulabError('GEOMETRY_LEVELS', `${levels} levels: expected 2 to 5`);
    if (!Number.isInteger(rootTables) || rootTables < 1 || rootTables > 16) {
      throw new MmulabError('GEOMETRY_ROOT', `a root of ${rootTables} tables: expected 1 to 16`);
    }
    // A small integer, not the floating-point number log2 gives: fields keep the representation they are first given.
    this.bits = Math.log2(entries) | 0;
    this.mask = entries - 1;
    const span = [0, 1];
    for (let level = 2; level <= levels + 1; level++) span.push((span[level - 1] ?? 1) * entries);
    this.span = span;
    this.split = entries * entries;
    this.inverseSplit = 1 / this.split;
    this.limit = (span[levels + 1] ?? 1) * rootTables;
    if (this.limit > 2 ** 52) throw new MmulabError('GEOMETRY_LIMIT', `${levels} levels of ${entries} entries exceed a 52-bit frame space`);
  }

  /** Pages mapped by one entry at a level. */
  pagesAt(level: number): number {
    return this.span[level];
  }
}
