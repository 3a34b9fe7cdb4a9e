/**
 * Dirty logging over stage 2: what the tables do when it starts and stops, and for each 64-page word of a bitmap that is taken.
 *
 * Switching it on write-protects the slot chunk by chunk, flushes once, and splits the slot when a chunk size is set; with an initially set bitmap all of that waits for
 * the first clear. A word is protected over the span from its first to its last bit, clean pages in between included. Switching it off does nothing: blocks
 * come back by faults.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_mmu_wp_memory_region(), kvm_mmu_split_memory_region(), kvm_arch_mmu_enable_log_dirty_pt_masked(), kvm_arch_commit_memory_region().
 */
import { WORD_PAGES } from '@mmulab/kvm';
import type { BitmapWords, LoggedTables, Memslot, Memslots, PageGroups, WordTaker } from '@mmulab/kvm';
import type { Stage2Policy } from './policy';
import { eachChunk } from './stage2-tables';
import type { Stage2Tables } from './stage2-tables';

/** Pages of the stretches tried at once, the longest first. */
const STRETCHES = [2 ** 18, 2 ** 12];

/** Stage 2 of one VM under dirty logging. */
export class Stage2LogTables implements LoggedTables {
  constructor(
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly policy: Stage2Policy,
  ) {}

  start(slot: Memslot, initiallySet: boolean): void {
    if (initiallySet) return;
    this.slots.work.lock('write');
    this.tables.inChunks(slot.base, slot.end, (from, to) => this.tables.writeProtect(from, to));
    this.flush(slot);
    if (this.policy.eagerSplitChunk !== 0) this.slots.work.lock('write');
    this.split(slot.base, slot.end);
  }

  /** Blocks come back by faults. */
  stop(): void {}

  /** A logged slot is protected whenever it is committed, whatever maps it. */
  committed(slot: Memslot, initiallySet: boolean): void {
    this.start(slot, initiallySet);
  }

  /** A word is protected over the span from its first to its last bit. */
  taker(_slot: Memslot, initiallySet: boolean): WordTaker {
    return {
      word: (first, last) => {
        this.tables.writeProtect(first, last + 1);
        if (initiallySet) this.split(first, last + 1);
      },
    };
  }

  /** A word that crosses a block's end is one call all the same: then words go one by one. */
  run(words: BitmapWords, slot: Memslot, start: number, end: number, initiallySet: boolean): void {
    if (slot.base % WORD_PAGES === 0 && start % WORD_PAGES === 0) this.tables.run(words, start, end);
    else this.takeStretches(words, start, end, initiallySet);
  }

  /** Neighbouring pages are one stretch, in which each group is a call over its 64 pages. */
  runGroups(groups: PageGroups, _slot: Memslot, start: number, end: number, initiallySet: boolean): void {
    const splits = this.policy.eagerSplitChunk !== 0 && initiallySet;
    if (groups.stride === 1 && !splits) this.tables.writeProtect(start, end, (end - start) / WORD_PAGES);
    else if (groups.fitsBlocks(this.tables.shape.geometry.pagesAt(2))) this.tables.run(groups, start, end);
    else groups.block(start, end);
  }

  flush(slot: Memslot): void {
    this.tables.tlb.slot(slot.spec.npages);
  }

  flushAll(): void {
    this.tables.tlb.vmid();
  }

  /** Words one by one, but stretches in which all bits are clear or all are set at once: there each word is a call over its 64 pages. */
  private takeStretches(program: BitmapWords, start: number, end: number, initiallySet: boolean): void {
    const { dirtyBits, readBits } = this.slots;
    const splits = this.policy.eagerSplitChunk !== 0 && initiallySet;
    for (let at = start; at < end;) {
      const npages = STRETCHES.find(pages => at + pages <= end && (dirtyBits.isUniform(at, pages, 0) || this.allTaken(at, pages))) ?? 0;
      if (npages === 0 || splits) {
        program.block(at, Math.min(end, at + WORD_PAGES));
        at += WORD_PAGES;
        continue;
      }
      if (dirtyBits.get(at) === 1 && readBits.get(at) === 1) {
        dirtyBits.setRange(at, npages, 0);
        this.slots.work.words(npages / WORD_PAGES, npages);
        this.tables.writeProtect(at, at + npages, npages / WORD_PAGES);
        program.any = true;
      }
      at += npages;
    }
  }

  private allTaken(gfn: number, npages: number): boolean {
    return this.slots.dirtyBits.isUniform(gfn, npages, 1) && this.slots.readBits.isUniform(gfn, npages, 1);
  }

  /** kvm_mmu_split_huge_pages: one call per chunk. */
  private split(start: number, end: number): void {
    const { eagerSplitChunk, granuleBytes } = this.policy;
    if (eagerSplitChunk === 0) return;
    // The lock is let go before each chunk, to fill the cache of tables.
    eachChunk(start, end, eagerSplitChunk / granuleBytes, (from, to) => {
      this.slots.work.yields(1);
      this.tables.split(from, to);
    });
  }
}
