/**
 * Dirty logging of a VM's memslots, as user space sees it: switched on and off, read, cleared, word by word.
 *
 * Switching it on clears the bitmap, or fills it where the capability says initially-set; what the tables do then is the architecture's (`LoggedTables.start`).
 * Reading hands the bitmap out; without manual protect every word that had bits is taken as it is read: its bits go and its pages are protected again. With
 * it that waits for a clear, which takes those bits only that user space has read and that are still set. Whoever took any flushes at the end.
 *
 * A VM with dirty rings has no bitmaps, unless it asked for both: there user space collects rings and resets them (dirty-ring.ts).
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect(), kvm_vm_ioctl_enable_dirty_log_protect(),
 * kvm_vm_ioctl_reset_dirty_pages().
 */
import { BitmapWords, WORD_PAGES, wordsBehindBorders } from './bitmap-words';
import type { DirtyRings } from './dirty-ring';
import { noBitmap, noRings } from './errors';
import type { LoggedTables } from './logged-tables';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { eachGroup } from './ring-groups';
import { RingReset } from './ring-reset';
import { Work } from './work-events';

/** Dirty logging of one VM. */
export class DirtyLog {
  /** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, and its KVM_DIRTY_LOG_INITIALLY_SET. */
  private manualProtect = false;
  private startsFull = false;

  constructor(
    private readonly tables: LoggedTables,
    private readonly slots: Memslots,
    private readonly rings?: DirtyRings,
  ) {}

  /** Enables manual protect. @param initiallySet bitmaps start full */
  protectManually(initiallySet: boolean): void {
    this.manualProtect = true;
    this.startsFull = initiallySet;
  }

  /** Switches logging of a slot on or off. */
  set(slot: Memslot, on: boolean): void {
    if (slot.logged === on) return;
    this.slots.generation++;
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
    this.needBitmap('KVM_GET_DIRTY_LOG of', slot);
    this.slots.readBits.copyRange(this.slots.dirtyBits, slot.base, slot.spec.npages);
    this.called(Work.getCalls, slot.spec.npages);
    if (!this.manualProtect) this.take(slot, slot.base, slot.end);
  }

  /** KVM_CLEAR_DIRTY_LOG for pages of the slot: clears what the bitmap last read says and is still set. */
  clear(slot: Memslot, firstPage: number, npages: number): void {
    this.needBitmap('KVM_CLEAR_DIRTY_LOG of', slot);
    const start = slot.base + firstPage;
    this.called(Work.clearCalls, Math.min(slot.spec.npages - firstPage, npages));
    this.take(slot, start, Math.min(slot.end, start + npages));
  }

  /** User space takes what dirty rings hold. @param vcpu whose; undefined: all; @returns entries */
  collect(vcpu: number | undefined, tell?: (slot: number, firstPage: number, npages: number) => void): number {
    const { rings } = this;
    if (rings === undefined) throw noRings('collect_dirty_rings');
    const entries = rings.collect(vcpu);
    if (tell !== undefined) rings.tellTaken(tell);
    return entries;
  }

  /** KVM_RESET_DIRTY_RINGS. @returns entries */
  reset(): number {
    const { rings, tables, slots, initiallySet } = this;
    if (rings === undefined) throw noRings('reset_dirty_rings');
    const entries = rings.reset(({ runs }) => {
      const reset = new RingReset(tables, slots, initiallySet);
      eachGroup(runs, reset);
      // Each group is protected in a hold of its own.
      slots.work.add(Work.lockWrite, reset.groups);
      return reset.groups;
    });
    if (entries > 0) this.flushAll();
    return entries;
  }

  private flushAll(): void {
    const { tables, slots } = this;
    if (tables.flushAll !== undefined) tables.flushAll();
    else for (const slot of slots.all) tables.flush(slot);
  }

  /** What has to have a bitmap is refused where there are rings instead. @throws DIRTY_RING_NO_BITMAP */
  needBitmap(what: string, slot: Memslot): void {
    if (this.rings !== undefined && this.rings.spec.withBitmap !== true) throw noBitmap(what, slot.spec.id);
  }

  /** A bitmap is copied. */
  private called(which: number, npages: number): void {
    const { work } = this.slots;
    work.add(which, 1);
    work.add(Work.copiedWords, Math.ceil(npages / WORD_PAGES));
  }

  private get initiallySet(): boolean {
    return this.manualProtect && this.startsFull;
  }

  /** Takes the bits of [start, end) and protects their pages. */
  private take(slot: Memslot, start: number, end: number): void {
    const { dirtyBits, readBits, work } = this.slots;
    const { initiallySet } = this;
    work.lock('write');
    const blockPages = this.slots.geometry.entries;
    work.words(wordsBehindBorders({ origin: slot.base, blockPages, dirty: dirtyBits, read: readBits }, start, end), 0);
    const constants = (): string => `bitmap/${this.slots.likenessOf(slot)}/${slot.base % WORD_PAGES}/${initiallySet}`;
    const words = new BitmapWords(constants, slot.base, dirtyBits, readBits, this.tables.taker(slot, initiallySet), work, blockPages);
    this.tables.run(words, slot, start, end, initiallySet);
    if (words.any) this.tables.flush(slot);
  }
}
