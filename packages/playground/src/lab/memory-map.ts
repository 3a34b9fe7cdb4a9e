/**
 * Guest memory as a map of cells: how each page is mapped now. A cell is one page where the window is small; in a larger one it stands for neighbouring pages, of which some are
 * looked at (`SAMPLES`), and says when they differ.
 */
import { EntryKind, type Gfn, type Translation, type WalkedEntry } from '@mmulab/api';

/** A cell: level in the low bits, 0 for a page that is not mapped; then what its leaf allows and remembers. Special: no mapping, but an entry that is frozen or marks MMIO. */
export const Cell = { LevelMask: 7, Writable: 8, Executable: 16, Accessed: 32, Dirty: 64, Unreadable: 128, Mixed: 256, Special: 512 } as const;

/** Pages of a cell that are looked at. */
const SAMPLES = 8;
/** Cells of a window at most. */
export const MAX_CELLS = 4096;

/** What a page's translation comes to. */
export function cellOf(translation: Translation | undefined): number {
  if (translation === undefined) return 0;
  const { level, readable, writable, executable, accessed, dirty } = translation;
  return (
    level |
    (writable ? Cell.Writable : 0) |
    (executable ? Cell.Executable : 0) |
    (accessed ? Cell.Accessed : 0) |
    (dirty ? Cell.Dirty : 0) |
    (readable ? 0 : Cell.Unreadable)
  );
}

/** What a walk comes to whose leaf is an entry of EPT or of the other x86 formats: a nested guest's page. */
export function cellOfWalk(walk: readonly WalkedEntry[], format: string): number {
  const leaf = walk.at(-1);
  if (leaf?.kind !== EntryKind.Leaf) return 0;
  const word = BigInt(`0x${leaf.word}`);
  const has = (bit: number): boolean => ((word >> BigInt(bit)) & 1n) === 1n;
  const isEpt = format === 'ept';
  return cellOf({
    level: leaf.level,
    readable: has(0),
    writable: has(1),
    executable: isEpt ? has(2) : !has(63),
    accessed: has(isEpt ? 8 : 5),
    dirty: has(isEpt ? 9 : 6),
    descriptor: leaf.word,
  });
}

/** What a page without a mapping comes to: whether its walk ends at an entry that a walker has frozen, or that marks MMIO. */
export function cellOfAbsent(walk: readonly WalkedEntry[]): number {
  return walk.at(-1)?.kind === EntryKind.Special ? Cell.Special : 0;
}

/** How a page is mapped: its cell. */
export type LookAt = (gfn: Gfn) => number;

/** A window into guest memory. */
export class MemoryMap {
  /** Frames that a cell stands for. */
  readonly span: number;
  readonly cells: Uint16Array;

  /** @param base first frame; @param npages frames of the window */
  constructor(
    readonly base: Gfn,
    readonly npages: number,
  ) {
    this.span = Math.max(1, 2 ** Math.ceil(Math.log2(npages / MAX_CELLS)));
    this.cells = new Uint16Array(Math.ceil(npages / this.span));
  }

  /** First frame of a cell. */
  gfnOf(cell: number): Gfn {
    return this.base + cell * this.span;
  }

  /** The cell of a frame, -1 outside. */
  cellAt(gfn: Gfn): number {
    return gfn < this.base || gfn >= this.base + this.npages ? -1 : Math.floor((gfn - this.base) / this.span);
  }

  /** Looks at all cells again. */
  refresh(look: LookAt): void {
    this.refreshCells(look, 0, this.cells.length);
  }

  /** Looks at the cells again that have frames in [start, end). */
  refreshFrames(look: LookAt, start: Gfn, end: Gfn): void {
    const first = Math.max(0, Math.floor((start - this.base) / this.span));
    const last = Math.min(this.cells.length, Math.ceil((end - this.base) / this.span));
    if (first < last) this.refreshCells(look, first, last);
  }

  private refreshCells(look: LookAt, first: number, end: number): void {
    for (let cell = first; cell < end; cell++) this.cells[cell] = this.look(look, this.gfnOf(cell));
  }

  private look(look: LookAt, gfn: Gfn): number {
    const state = look(gfn);
    const count = Math.min(SAMPLES, this.span);
    for (let i = 1; i < count; i++) {
      const other = gfn + Math.floor((i * this.span) / count);
      if (other >= this.base + this.npages) break;
      if (look(other) !== state) return state | Cell.Mixed;
    }
    return state;
  }
}
