/**
 * The memslots of a VM: by number, and by the frames they cover. A VM may have 32,764 of them; finding one takes time that grows with the logarithm of that.
 * Hot path: `find`.
 */
import type { MemslotSpec } from '@mmulab/api';

/** What the list reads of a slot. */
export interface ListedSlot {
  readonly spec: MemslotSpec;
  /** First frame after the slot. */
  readonly end: number;
}

/** Memslots that do not overlap, in order of their frames. */
export class SlotList<Slot extends ListedSlot> {
  /** Frames in all slots together. */
  npages = 0;
  private readonly slots: Slot[] = [];
  private readonly byNumber = new Map<number, Slot>();

  /** All slots in order of their frames. */
  get all(): readonly Slot[] {
    return this.slots;
  }

  /** What keeps a slot from being added, in words; undefined when nothing does. @param moving the slot itself, where it is to move there */
  obstacle({ id, baseGfn, npages }: MemslotSpec, moving?: Slot): string | undefined {
    if (moving === undefined && this.byNumber.has(id)) return 'the number is taken';
    const at = this.placeOf(baseGfn);
    const next = this.slots[this.slots[at] === moving && moving !== undefined ? at + 1 : at];
    if (next !== undefined && next.spec.baseGfn < baseGfn + npages) return `overlaps memslot ${next.spec.id}`;
    return undefined;
  }

  /** Adds a slot that nothing keeps from being added. */
  add(slot: Slot): void {
    this.slots.splice(this.placeOf(slot.spec.baseGfn), 0, slot);
    this.byNumber.set(slot.spec.id, slot);
    this.npages += slot.spec.npages;
  }

  /** Takes a slot away. */
  remove(slot: Slot): void {
    const at = this.placeOf(slot.spec.baseGfn);
    // Whoever takes all away begins with the first: that one goes without the others being moved.
    if (at === 0) this.slots.shift();
    else this.slots.splice(at, 1);
    this.byNumber.delete(slot.spec.id);
    this.npages -= slot.spec.npages;
  }

  /** The slot of that number, or undefined. */
  get(id: number): Slot | undefined {
    return this.byNumber.get(id);
  }

  /** The slot a frame lies in, or undefined. */
  find(gfn: number): Slot | undefined {
    const slot = this.slots[this.placeOf(gfn)];
    return slot !== undefined && slot.spec.baseGfn <= gfn ? slot : undefined;
  }

  /** Place of the first slot that ends behind a frame. */
  private placeOf(gfn: number): number {
    let low = 0;
    let high = this.slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.slots[middle].end <= gfn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
