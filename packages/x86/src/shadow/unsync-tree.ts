/**
 * Which shadow pages have something out of step below them: a count per page, and a bit per entry that leads there.
 *
 * Marking goes up through all parents and stops where it is known already; looking for the pages goes down along the bits and clears those that lead
 * nowhere any more.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_mark_parents_unsync(), __mmu_unsync_walk(), clear_unsync_child_bit().
 */
import type { PteLists } from './pte-list';
import { NO_PAGE, PageFlag } from './shadow-page';
import type { ShadowPages } from './shadow-page';
import { childOf } from './shadow-spte';

/** Unsync marks of one VM's shadow pages. */
export class UnsyncTree {
  constructor(
    private readonly pages: ShadowPages,
    private readonly lists: PteLists,
  ) {}

  /** A page fell out of step: everything above it learns of it. */
  markParents(page: number): void {
    const parents: number[] = [];
    const count = this.lists.collect(this.pages.parents[page], parents);
    for (let i = 0; i < count; i++) {
      const parent = parents[i] >> 9;
      const index = parents[i] & 511;
      const bits = this.pages.unsync(parent);
      const word = bits[index >> 5];
      if ((word & (1 << (index & 31))) !== 0) continue;
      bits[index >> 5] = word | (1 << (index & 31));
      const before = this.pages.unsyncChildren[parent];
      this.pages.unsyncChildren[parent] = before + 1;
      if (before === 0) this.markParents(parent);
    }
  }

  /** Pages below `page` that are unsync, by way of the unsync bits; bits that lead nowhere are cleared. @returns how many were added */
  collect(page: number, into: number[], limit: number): number {
    const { pages } = this;
    const bits = pages.unsync(page);
    let found = 0;
    for (let word = 0; word < bits.length; word++) {
      for (let rest = bits[word]; rest !== 0; rest &= rest - 1) {
        const index = word * 32 + (31 - Math.clz32(rest & -rest));
        const entry = pages.entry(page, index);
        const child = entry < 0 ? childOf(entry) : NO_PAGE;
        let below = 0;
        if (child !== NO_PAGE && pages.unsyncChildren[child] > 0) below = this.collect(child, into, limit);
        else if (child !== NO_PAGE && pages.has(child, PageFlag.Unsync)) below = into.push(child) > 0 ? 1 : 0;
        if (below === 0) {
          bits[word] = bits[word] & ~(rest & -rest);
          pages.unsyncChildren[page] = pages.unsyncChildren[page] - 1;
        }
        found += below;
        if (into.length >= limit) return found;
      }
    }
    return found;
  }
}
