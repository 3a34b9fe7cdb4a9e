/**
 * The guest's memory as far as a trace tells: memslots, and what the host has behind each block of one table (2 MiB).
 *
 * A trace names no memslots. Where none are given, each aligned window of two levels of tables (1 GiB with 4 KiB pages) in which something happens becomes one, since neither alignment nor dirty logging can be told apart more finely;
 * how large the host's pages are is learnt from the first leaf of a block that nothing kept small, and unlearnt when a notifier takes the block away.
 */
import type { MemslotSpec, MmuBackend, ReplayPort } from '@mmulab/api';
import { tracedBacking } from './traced-backing';

/** Largest level of a leaf: an unknown block may have been anything. */
const UNKNOWN_LEVEL = 3;

/** A memslot the user gave. */
export interface GivenSlot {
  readonly baseGfn: number;
  readonly npages: number;
  /** First host frame; only its congruence with the guest's matters. */
  readonly hvf: number;
}

/** Memory of one VM. */
export class GuestMemory {
  private readonly blockPages: number;
  private readonly windowPages: number;
  /** Slots made so far. */
  readonly slots: MemslotSpec[] = [];
  private readonly windows = new Set<number>();
  private readonly levels = new Map<number, number>();
  private readonly touched = new Set<number>();
  private lastBlock = -1;
  private lastWindow = -1;

  /**
   * @param fixedLevel level of all host pages, where the user says so; else 0
   * @param limit first frame beyond guest memory
   * @param entries per table
   */
  constructor(
    private readonly backend: MmuBackend,
    private readonly port: ReplayPort,
    private readonly given: readonly GivenSlot[],
    private readonly fixedLevel: number,
    private readonly limit: number,
    private readonly entries = 512,
  ) {
    this.blockPages = entries;
    this.windowPages = entries * entries;
    for (const { baseGfn, npages, hvf } of given) this.addSlot(baseGfn, npages, hvf);
  }

  /** Something happens at a frame: it has a memslot from now on. */
  touch(gfn: number): void {
    const block = Math.floor(gfn / this.blockPages);
    if (block === this.lastBlock) return;
    this.lastBlock = block;
    this.touched.add(block);
    const window = Math.floor(gfn / this.windowPages);
    if (window === this.lastWindow) return;
    this.lastWindow = window;
    if (this.given.length > 0 || this.windows.has(window)) return;
    this.windows.add(window);
    const base = window * this.windowPages;
    if (base < this.limit) this.addSlot(base, Math.min(this.windowPages, this.limit - base), base);
  }

  /** Level of the host's pages in a block, or 0 while it is not known. */
  levelOf(gfn: number): number {
    return this.fixedLevel !== 0 ? this.fixedLevel : (this.levels.get(Math.floor(gfn / this.blockPages)) ?? 0);
  }

  /** Before a fault maps: what stands behind its frame, as far as it is known. */
  assume(gfn: number, atMost = UNKNOWN_LEVEL): void {
    const level = this.levelOf(gfn);
    if (level === 0 || this.fixedLevel !== 0) this.setBlock(gfn, { level: level === 0 ? atMost : level, writable: true });
  }

  /** A leaf of `level` was mapped. @param forced something else than the host kept it at 4 KiB */
  learnLeaf(gfn: number, level: number, writable: boolean, forced: boolean): void {
    if (level === 1) {
      if (!forced && this.levelOf(gfn) === 0) this.levels.set(Math.floor(gfn / this.blockPages), 1);
      const known = this.levelOf(gfn);
      this.port.setHostPages(gfn, 1, { level: known === 0 ? 1 : known, writable });
      return;
    }
    this.learnLevel(gfn, level, writable);
  }

  /** A huge page stands behind a frame. */
  learnLevel(gfn: number, level: number, writable: boolean): void {
    const npages = this.entries ** (level - 1);
    const base = gfn - (gfn % npages);
    for (let block = base / this.blockPages; block < (base + npages) / this.blockPages; block++) this.levels.set(block, level);
    this.port.setHostPages(base, npages, { level, writable });
  }

  /** The host has taken frames away. */
  forget(start: number, end: number): void {
    if (end - start < this.blockPages && (this.levels.get(Math.floor(start / this.blockPages)) ?? 1) === 1) return;
    for (let block = Math.floor(start / this.blockPages); block < Math.ceil(end / this.blockPages); block++) this.levels.delete(block);
  }

  /** There is no memory behind a frame. */
  learnMmio(gfn: number): void {
    this.port.setHostPages(gfn, 1, { level: 0, writable: false });
  }

  /** First frame of the neighbouring blocks in which something happened. */
  startOf(gfn: number): number {
    let block = Math.floor(gfn / this.blockPages);
    while (this.touched.has(block - 1)) block--;
    return block * this.blockPages;
  }

  /** First frame behind them. */
  endOf(gfn: number): number {
    let block = Math.floor(gfn / this.blockPages);
    while (this.touched.has(block)) block++;
    return block * this.blockPages;
  }

  /** Whether something happened in every block between two frames. */
  isContiguous(from: number, to: number): boolean {
    for (let block = Math.floor(from / this.blockPages); block < Math.floor(to / this.blockPages); block++)
      if (!this.touched.has(block)) return false;
    return true;
  }

  private setBlock(gfn: number, page: { readonly level: number; readonly writable: boolean }): void {
    this.port.setHostPages(gfn - (gfn % this.blockPages), this.blockPages, page);
  }

  private addSlot(baseGfn: number, npages: number, hvf: number): void {
    const spec: MemslotSpec = { id: this.slots.length + 1, baseGfn, npages, hvf, backing: tracedBacking, readonly: false, populated: [] };
    this.slots.push(spec);
    this.backend.host({ op: 'create_memslot', spec });
  }
}
