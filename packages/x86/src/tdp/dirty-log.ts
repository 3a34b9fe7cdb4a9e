/**
 * Dirty logging over the TDP MMU: what switching it on and off does, and what reading and clearing the bitmap does, 64-page word by word.
 *
 * Enabling without the initially-set capability splits huge pages (eager split), takes the dirty state of every leaf back (D with PML, else W) and asks
 * for one flush (before 6.0: for one per step that changed anything). With initially-set the bitmap starts full and all of that waits for the first clear, which goes word by word: split, write-protect the
 * huge leaves at the word's ends, then the 4 KiB leaves of its bits. Before 5.14 starting protects huge leaves all the same, and no word does.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_mmu_slot_apply_flags(), arch/x86/kvm/mmu/mmu.c kvm_arch_mmu_enable_log_dirty_pt_masked(),
 * virt/kvm/kvm_main.c kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect().
 */
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import { BitmapWords } from '@mmulab/kvm';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { MinLevels, TdpMmu } from './tdp-mmu';

/** What dirty logging asks of a VM's page tables: the TDP MMU's operations, the legacy MMU's, or both at once. */
export type LoggedTables = Pick<
  TdpMmu,
  'splitHugePages' | 'clearDirtyRange' | 'writeProtectRange' | 'clearDirtyPage' | 'writeProtectHugePage' | 'collapse' | 'roots' | 'run'
> & { readonly book: Pick<TdpMmu['book'], 'flush'> };

/** Switches of dirty logging. */
export interface DirtyLogPolicy {
  readonly eagerPageSplit: boolean;
  /** The hardware logs dirty pages: D is taken back instead of W. */
  readonly pml: boolean;
  /** Lowest levels that starting an initially set log protects; 0 for none. */
  readonly initiallySetLevels: MinLevels;
  /** When starting asks for a flush: `leaf` and `change` are what the tables report. */
  readonly logStartFlush: 'leaf' | 'change' | 'always';
  /** A word splits huge pages up to, not including, the page of its last bit. */
  readonly splitEndExclusive: boolean;
}

/** Keys of bitmap programs, apart from those of accesses. */
const BITMAP_KEYS = 1 << 24;
/** The bitmap, and what user space read of it, by their number in the engine. */
const BITMAP_PLANES = 0b110;
/** Leaves of every size, and huge ones. */
const ALL: MinLevels = { tdp: 1, rmap: 1 };
const HUGE: MinLevels = { tdp: 2, rmap: 2 };
/** Pages of a 2 MiB block. */
const PAGES_PER_BLOCK = ENTRIES_PER_TABLE;

/** Dirty logging of one VM. */
export class TdpDirtyLog {
  /** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  manualProtect = false;
  initiallySet = false;

  constructor(
    private readonly mmu: LoggedTables,
    private readonly slots: Memslots,
    private readonly policy: DirtyLogPolicy,
  ) {}

  /** Switches logging of a slot on. */
  enable(slot: Memslot): void {
    slot.logged = true;
    const { baseGfn, npages } = slot.spec;
    const initiallySet = this.manualProtect && this.initiallySet;
    this.slots.dirtyPlane.setRange(baseGfn, npages, initiallySet ? 1 : 0);
    this.slots.readPlane.setRange(baseGfn, npages, 0);
    if (initiallySet) return this.protectInitiallySet(slot);
    if (this.policy.eagerPageSplit) this.mmu.splitHugePages(baseGfn, slot.end);
    if (this.policy.pml) this.flushEarly(this.mmu.clearDirtyRange(baseGfn, slot.end));
    this.flushEarly(this.mmu.writeProtectRange(baseGfn, slot.end, this.policy.pml ? HUGE : ALL));
    this.flushLate();
  }

  /** Older kernels flush after each step that calls for it. */
  private flushEarly(isNeeded: boolean): void {
    if (isNeeded && this.policy.logStartFlush !== 'always') this.mmu.book.flush(1);
  }

  /** Newer ones once, whatever was met. */
  private flushLate(): void {
    if (this.policy.logStartFlush === 'always') this.mmu.book.flush(1);
  }

  /** Older kernels protect all the same, so that huge pages are split by the first write. */
  private protectInitiallySet(slot: Memslot): void {
    const levels = this.policy.initiallySetLevels;
    if (levels.rmap === 0) return;
    this.flushEarly(this.mmu.writeProtectRange(slot.spec.baseGfn, slot.end, levels));
    this.flushLate();
  }

  /** Switches it off: tables that could be huge pages go, or become huge pages. */
  disable(slot: Memslot): void {
    slot.logged = false;
    if (this.mmu.collapse(slot)) this.mmu.book.flush(1);
  }

  /** KVM_GET_DIRTY_LOG: with manual protect a copy, else every word is taken and its pages protected again. */
  get(slot: Memslot): void {
    const { baseGfn, npages } = slot.spec;
    this.slots.readPlane.copyRange(this.slots.dirtyPlane, baseGfn, npages);
    if (this.manualProtect) return;
    if (this.protectRange(slot, baseGfn, slot.end)) this.mmu.book.flush(1);
  }

  /** KVM_CLEAR_DIRTY_LOG for pages of the slot: clears what the bitmap last read says and is still set. */
  clear(slot: Memslot, firstPage: number, npages: number): void {
    const start = slot.spec.baseGfn + firstPage;
    const end = Math.min(slot.end, start + npages);
    if (this.protectRange(slot, start, end)) this.mmu.book.flush(1);
  }

  /** Takes the bits of [start, end) and protects their pages. @returns whether there was any */
  private protectRange(slot: Memslot, start: number, end: number): boolean {
    // Where huge pages were protected at the start, no word has any left to protect.
    const initiallySet = this.manualProtect && this.initiallySet && this.policy.initiallySetLevels.rmap === 0;
    const { dirtyPlane, readPlane } = this.slots;
    const key = BITMAP_KEYS | (slot.index << 1) | (initiallySet ? 1 : 0);
    const program = new BitmapWords(key, slot.spec.baseGfn, dirtyPlane, readPlane, BITMAP_PLANES, {
      word: (first, last) => {
        if (initiallySet) this.protectHuge(first, last);
      },
      page: gfn => this.mmu.clearDirtyPage(gfn, !this.policy.pml),
    });
    const roots = this.mmu.roots.filter(root => root.valid);
    // Words that cross a block's end are cut there; that shows only where huge leaves are handled by the word.
    const [root] = roots;
    const liftable = roots.length === 1 && (!initiallySet || slot.isSmall || slot.spec.baseGfn % PAGES_PER_BLOCK === 0);
    if (liftable && root !== undefined) this.mmu.run(program, root, start, end);
    else program.block(start, end);
    return program.any;
  }

  /** Huge leaves under a word: split, or protected at its two ends. */
  private protectHuge(first: number, last: number): void {
    if (this.policy.eagerPageSplit) {
      const end = this.policy.splitEndExclusive ? last : last + 1;
      if (end > first) this.mmu.splitHugePages(first, end);
    }
    this.mmu.writeProtectHugePage(first);
    if (Math.floor(first / PAGES_PER_BLOCK) !== Math.floor(last / PAGES_PER_BLOCK)) this.mmu.writeProtectHugePage(last);
  }
}
