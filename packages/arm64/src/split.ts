/**
 * Eager splitting: blocks become tables before any vCPU faults on them, chunk by chunk.
 *
 * A block is split down to pages at once when the cache holds the 513 tables that takes; with fewer it becomes a table of the next smaller blocks, which are
 * split in turn as the walk goes down. Children keep the block's rights. One TLB invalidation per table that takes a linked block's place; tables filled inside a
 * subtree that is not linked yet need none.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c stage2_split_walker(), kvm_pgtable_stage2_split(); arch/arm64/kvm/mmu.c kvm_mmu_split_huge_pages(),
 * kvm_mmu_split_nr_page_tables().
 */
import { Action, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import { Stage2Action } from './protocols';

const KEEP = makeVerdict(Action.Keep);

/** Tables an entry of level 3 and below needs to become pages: itself, and one per entry. */
export function tablesToPages(entries: number, level: number): number {
  return level === 2 ? 1 : 1 + entries;
}

/** Objects the split cache holds at least, and is filled to, for a chunk. */
export function splitCacheCapacity(chunkBytes: number, blockBytes: readonly number[]): number {
  return blockBytes.reduce((sum, bytes) => sum + Math.ceil(chunkBytes / bytes), 0);
}

/** Constants of one pass. */
export interface SplitOp {
  /** Level of the blocks this pass splits. */
  readonly level: number;
  /** Whether they lie in tables that are not linked yet. */
  readonly unlinked: boolean;
}

/** Splits the blocks of one level. */
export class SplitRule implements Rule<SplitOp> {
  readonly name = 'stage2_split';

  visit(at: Entry, op: SplitOp): Verdict {
    if (at.level !== op.level) return KEEP;
    return makeVerdict(op.unlinked ? Stage2Action.SplitUnlinked : Stage2Action.Split, at.attr);
  }
}
