/**
 * Frames that hold shadowed guest tables: how often each is write-tracked, and the huge mappings they forbid.
 *
 * A table of an upper level is tracked: every write to it is emulated. A last-level table is not, it may fall out of step until the guest flushes. Both keep
 * huge mappings away from their frame (disallow_lpage). This belongs to the VM: the TDP MMU of the same VM heeds it too.
 *
 * Models: Linux arch/x86/kvm/mmu/page_track.c; mmu.c account_shadowed(), update_gfn_disallow_lpage_count().
 */
import { PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;

/** Largest level of a mapping. */
const MAX_LEAF_LEVEL = 3;

/** Tracking of one VM. */
export class WriteTrack {
  /** Shadow pages that stand for guest tables. */
  indirectPages = 0;
  private readonly tracked = new Map<number, number>();
  /** A block of 2 MiB that holds no shadowed table: the last one asked about. */
  private clearBlock = -1;
  /** Shadowed tables per huge block, by level. */
  private readonly disallowed: readonly Map<number, number>[] = [new Map(), new Map(), new Map(), new Map()];

  /** A guest table is shadowed from now on. */
  add(gfn: number, level: number): void {
    this.indirectPages++;
    this.clearBlock = -1;
    if (level > 1) bump(this.tracked, gfn, 1);
    this.disallow(gfn, 1);
  }

  /** It no longer is. */
  remove(gfn: number, level: number): void {
    this.indirectPages--;
    if (level > 1) bump(this.tracked, gfn, -1);
    this.disallow(gfn, -1);
  }

  /** Whether writes to a frame are emulated. */
  isTracked(gfn: number): boolean {
    return !this.isClear(gfn) && this.tracked.has(gfn);
  }

  /** Whether the 2 MiB around a frame hold no shadowed table, tracked or not. */
  isClear(gfn: number): boolean {
    const block = blockOf(gfn, 2);
    if (block === this.clearBlock) return true;
    if (this.disallowed[2].has(block)) return false;
    this.clearBlock = block;
    return true;
  }

  /** Largest level up to `level` at which a frame may be mapped. */
  maxLevel(gfn: number, level: number): number {
    if (this.indirectPages === 0) return level;
    let allowed = level;
    while (allowed > 1 && this.disallowed[allowed].has(blockOf(gfn, allowed))) allowed--;
    return allowed;
  }

  private disallow(gfn: number, by: number): void {
    for (let level = 2; level <= MAX_LEAF_LEVEL; level++) bump(this.disallowed[level], blockOf(gfn, level), by);
  }
}

function blockOf(gfn: number, level: number): number {
  return Math.floor(gfn / PAGES_PER_LEVEL[level]);
}

function bump(counts: Map<number, number>, key: number, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}
