/**
 * Dirty logging over stage 2: what switching it on and off does, and what reading and clearing the bitmap does, 64-page word by word.
 *
 * Switching it on write-protects the slot chunk by chunk, flushes once, and splits the slot when a chunk size is set; with an initially set bitmap all of that waits for
 * the first clear. A word is protected over the span from its first to its last bit, clean pages in between included. Switching it off does nothing: blocks
 * come back by faults.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_mmu_wp_memory_region(), kvm_mmu_split_memory_region(), kvm_arch_mmu_enable_log_dirty_pt_masked(), kvm_arch_commit_memory_region();
 * virt/kvm/kvm_main.c kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect().
 */
import { BitmapWords, WORD_PAGES } from '@mmulab/kvm';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { Stage2Policy } from './policy';
import { eachChunk } from './stage2-tables';
import type { Stage2Tables } from './stage2-tables';

/** Keys of bitmap programs, apart from those of accesses. */
const BITMAP_KEYS = 1 << 24;
/** The bitmap, and what user space read of it, by their number in the engine. */
const BITMAP_PLANES = 0b110;
/** Pages of the stretches tried at once, the longest first. */
const STRETCHES = [2 ** 18, 2 ** 12];

/** Dirty logging of one VM. */
export class Stage2DirtyLog {
  /** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  manualProtect = false;
  initiallySet = false;

  constructor(
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly policy: Stage2Policy,
  ) {}

  /** Switches logging of a slot on. */
  enable(slot: Memslot): void {
    slot.logged = true;
    const { baseGfn, npages } = slot.spec;
    const initiallySet = this.manualProtect && this.initiallySet;
    this.slots.dirtyPlane.setRange(baseGfn, npages, initiallySet ? 1 : 0);
    this.slots.readPlane.setRange(baseGfn, npages, 0);
    if (initiallySet) return;
    this.tables.inChunks(baseGfn, slot.end, (from, to) => this.tables.writeProtect(from, to));
    this.tables.tlb.slot(npages);
    this.split(baseGfn, slot.end);
  }

  /** Switches it off. */
  disable(slot: Memslot): void {
    slot.logged = false;
  }

  /** KVM_GET_DIRTY_LOG: with manual protect a copy, else every word is taken and its span protected again. */
  get(slot: Memslot): void {
    const { baseGfn, npages } = slot.spec;
    this.slots.readPlane.copyRange(this.slots.dirtyPlane, baseGfn, npages);
    if (!this.manualProtect) this.takeWords(slot, baseGfn, slot.end);
  }

  /** KVM_CLEAR_DIRTY_LOG for pages of the slot: clears what the bitmap last read says and is still set. */
  clear(slot: Memslot, firstPage: number, npages: number): void {
    const start = slot.spec.baseGfn + firstPage;
    this.takeWords(slot, start, Math.min(slot.end, start + npages));
  }

  /** Protects the span of one word. */
  private protectSpan(first: number, last: number): void {
    this.tables.writeProtect(first, last + 1);
    if (this.manualProtect && this.initiallySet) this.split(first, last + 1);
  }

  private takeWords(slot: Memslot, start: number, end: number): void {
    const initiallySet = this.manualProtect && this.initiallySet;
    const { dirtyPlane, readPlane } = this.slots;
    const key = BITMAP_KEYS | (slot.index << 1) | (initiallySet ? 1 : 0);
    const program = new BitmapWords(key, slot.spec.baseGfn, dirtyPlane, readPlane, BITMAP_PLANES, {
      word: (first, last) => this.protectSpan(first, last),
    });
    // A word that crosses a block's end is one call all the same: then words go one by one.
    if (slot.spec.baseGfn % WORD_PAGES === 0 && start % WORD_PAGES === 0) this.tables.run(program, start, end);
    else this.takeStretches(program, start, end);
    if (program.any) this.tables.tlb.slot(slot.spec.npages);
  }

  /** Words one by one, but stretches in which all bits are clear or all are set at once: there each word is a call over its 64 pages. */
  private takeStretches(program: BitmapWords, start: number, end: number): void {
    const { dirtyPlane, readPlane } = this.slots;
    const splits = this.policy.eagerSplitChunk !== 0 && this.manualProtect && this.initiallySet;
    for (let at = start; at < end;) {
      const npages = STRETCHES.find(pages => at + pages <= end && (dirtyPlane.isUniform(at, pages, 0) || this.allTaken(at, pages))) ?? 0;
      if (npages === 0 || splits) {
        program.block(at, Math.min(end, at + WORD_PAGES));
        at += WORD_PAGES;
        continue;
      }
      if (dirtyPlane.get(at) === 1 && readPlane.get(at) === 1) {
        dirtyPlane.setRange(at, npages, 0);
        this.tables.writeProtect(at, at + npages, npages / WORD_PAGES);
        program.any = true;
      }
      at += npages;
    }
  }

  private allTaken(gfn: number, npages: number): boolean {
    return this.slots.dirtyPlane.isUniform(gfn, npages, 1) && this.slots.readPlane.isUniform(gfn, npages, 1);
  }

  /** kvm_mmu_split_huge_pages: one call per chunk. */
  private split(start: number, end: number): void {
    const { eagerSplitChunk, granuleBytes } = this.policy;
    if (eagerSplitChunk === 0) return;
    eachChunk(start, end, eagerSplitChunk / granuleBytes, (from, to) => this.tables.split(from, to));
  }
}
