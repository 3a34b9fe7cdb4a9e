/**
 * Dirty logging of a VM's memslots, as user space sees it: switched on and off, read, cleared, word by word.
 *
 * Switching it on clears the bitmap, or fills it where the capability says initially-set; what the tables do then is the architecture's (`LoggedTables.start`).
 * Reading hands the bitmap out; without manual protect every word that had bits is taken as it is read: its bits go and its pages are protected again. With
 * it that waits for a clear, which takes those bits only that user space has read and that are still set. Whoever took any flushes at the end.
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect(), kvm_vm_ioctl_enable_dirty_log_protect().
 */
import type { FrameMap } from '@mmulab/pgtable';
import { BitmapWords, type WordTaker } from './bitmap-words';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

/** What dirty logging asks of an architecture's page tables. */
export interface LoggedTables {
  /** Logging of a slot starts: protects, splits and flushes what the architecture does then. @param initiallySet the bitmap starts full */
  start(slot: Memslot, initiallySet: boolean): void;
  /** Logging of a slot has stopped. */
  stop(slot: Memslot): void;
  /** A slot was made or has moved that is logged already. Absent: its pages, which nothing maps, need no protection. */
  committed?(slot: Memslot, initiallySet: boolean): void;
  /** What is done for the words of a slot that have bits. @param initiallySet the slot was not protected when logging started */
  taker(slot: Memslot, initiallySet: boolean): WordTaker;
  /** Runs the words over frames [start, end) of a slot, lifted where a word cut at a block's end shows in no count. */
  run(words: BitmapWords, slot: Memslot, start: number, end: number, initiallySet: boolean): void;
  /** Some bit was taken: the flush at the end. */
  flush(slot: Memslot): void;
}

/** Tells the runs of pages with a bit, ascending, relative to their slot. Uniform stretches cost nothing. */
export function tellDirty(read: FrameMap, { base, spec }: Memslot, tell: (firstPage: number, npages: number) => void): void {
  let from = -1;
  const walk = (start: number, npages: number): void => {
    if (read.isUniform(start, npages, 0)) {
      if (from >= 0) tell(from - base, start - from);
      from = -1;
    } else if (read.isUniform(start, npages, 1)) {
      if (from < 0) from = start;
    } else {
      const half = 2 ** (Math.ceil(Math.log2(npages)) - 1);
      walk(start, half);
      walk(start + half, npages - half);
    }
  };
  walk(base, spec.npages);
  if (from >= 0) tell(from - base, base + spec.npages - from);
}

/** Dirty logging of one VM. */
export class DirtyLog {
  /** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, and its KVM_DIRTY_LOG_INITIALLY_SET. */
  private manualProtect = false;
  private startsFull = false;

  constructor(
    private readonly tables: LoggedTables,
    private readonly slots: Memslots,
  ) {}

  /** Enables manual protect. @param initiallySet bitmaps start full */
  protectManually(initiallySet: boolean): void {
    this.manualProtect = true;
    this.startsFull = initiallySet;
  }

  /** Switches logging of a slot on or off. */
  set(slot: Memslot, on: boolean): void {
    if (slot.logged === on) return;
    if (on) {
      this.attach(slot);
      return this.tables.start(slot, this.initiallySet);
    }
    slot.logged = false;
    this.tables.stop(slot);
  }

  /** A slot gets a bitmap: writes are logged from here on. */
  attach(slot: Memslot): void {
    const { base, spec } = slot;
    slot.logged = true;
    this.slots.dirtyBits.setRange(base, spec.npages, this.initiallySet ? 1 : 0);
    this.slots.readBits.setRange(base, spec.npages, 0);
  }

  /** A slot was made or has moved that is logged already. */
  committed(slot: Memslot): void {
    this.tables.committed?.(slot, this.initiallySet);
  }

  /** KVM_GET_DIRTY_LOG: with manual protect a copy, else every word is taken and its pages are protected again. */
  get(slot: Memslot): void {
    this.slots.readBits.copyRange(this.slots.dirtyBits, slot.base, slot.spec.npages);
    if (!this.manualProtect) this.take(slot, slot.base, slot.end);
  }

  /** KVM_CLEAR_DIRTY_LOG for pages of the slot: clears what the bitmap last read says and is still set. */
  clear(slot: Memslot, firstPage: number, npages: number): void {
    const start = slot.base + firstPage;
    this.take(slot, start, Math.min(slot.end, start + npages));
  }

  private get initiallySet(): boolean {
    return this.manualProtect && this.startsFull;
  }

  /** Takes the bits of [start, end) and protects their pages. */
  private take(slot: Memslot, start: number, end: number): void {
    const { dirtyBits, readBits } = this.slots;
    const { initiallySet } = this;
    const constants = `bitmap/${slot.index}/${initiallySet}`;
    const words = new BitmapWords(constants, slot.base, dirtyBits, readBits, this.tables.taker(slot, initiallySet));
    this.tables.run(words, slot, start, end, initiallySet);
    if (words.any) this.tables.flush(slot);
  }
}
