/**
 * Lists of shadow entries in chunked descriptors: reverse maps and parent links.
 *
 * A list's head is one integer: 0 for none, an odd number for a single entry, an even one for a chain of descriptors of 14 entries each. Only the first
 * descriptor of a chain is partly filled; when it is full another one goes before it. A hole is filled from the first descriptor.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c pte_list_add(), pte_list_remove() as of 6.12 (6.1 grows the chain at its tail: no count depends on it). Hot path.
 */

/** Entries per descriptor (PTE_LIST_EXT). */
export const DESCRIPTOR_ENTRIES = 14;

/** Head of a list of one entry. */
export function singleHead(value: number): number {
  return (value << 1) | 1;
}
/** Whether a list has one entry. */
export function isSingle(head: number): boolean {
  return (head & 1) !== 0;
}
/** That entry. */
export function singleOf(head: number): number {
  return head >> 1;
}

/** Arena of descriptors, shared by all lists of a VM. An entry is a number from 0 to 2^30. */
export class PteLists {
  private values = new Int32Array(64 * DESCRIPTOR_ENTRIES);
  private counts = new Int32Array(64);
  private nexts = new Int32Array(64);
  /** Descriptor 0 is never used: 0 ends chains. */
  private used = 1;
  private free = 0;
  /** Descriptors ever taken. */
  taken = 0;

  /** Adds an entry. @returns the list's new head */
  add(head: number, value: number): number {
    if (head === 0) return singleHead(value);
    if ((head & 1) !== 0) {
      const desc = this.allocate(0);
      this.values[desc * DESCRIPTOR_ENTRIES] = head >> 1;
      this.values[desc * DESCRIPTOR_ENTRIES + 1] = value;
      this.counts[desc] = 2;
      return desc << 1;
    }
    let desc = head >> 1;
    if (this.counts[desc] === DESCRIPTOR_ENTRIES) desc = this.allocate(desc);
    const count = this.counts[desc];
    this.values[desc * DESCRIPTOR_ENTRIES + count] = value;
    this.counts[desc] = count + 1;
    return desc << 1;
  }

  /** Removes an entry that is in the list. @returns the list's new head */
  remove(head: number, value: number): number {
    if ((head & 1) !== 0) return 0;
    const first = head >> 1;
    for (let desc = first; desc !== 0; desc = this.nexts[desc]) {
      const count = this.counts[desc];
      for (let i = 0; i < count; i++) {
        if (this.values[desc * DESCRIPTOR_ENTRIES + i] === value) return this.fillHole(first, desc * DESCRIPTOR_ENTRIES + i);
      }
    }
    return head;
  }

  /** Number of entries. */
  count(head: number): number {
    if (head === 0) return 0;
    if ((head & 1) !== 0) return 1;
    let count = 0;
    for (let desc = head >> 1; desc !== 0; desc = this.nexts[desc]) count += this.counts[desc];
    return count;
  }

  /** Copies the entries into `into`. @returns how many */
  collect(head: number, into: number[]): number {
    if (head === 0) return 0;
    if ((head & 1) !== 0) {
      into[0] = head >> 1;
      return 1;
    }
    let n = 0;
    for (let desc = head >> 1; desc !== 0; desc = this.nexts[desc]) {
      const count = this.counts[desc];
      for (let i = 0; i < count; i++) into[n++] = this.values[desc * DESCRIPTOR_ENTRIES + i];
    }
    return n;
  }

  private fillHole(first: number, hole: number): number {
    const count = this.counts[first] - 1;
    this.values[hole] = this.values[first * DESCRIPTOR_ENTRIES + count];
    this.counts[first] = count;
    const next = this.nexts[first];
    if (count === 1 && next === 0) {
      const single = (this.values[first * DESCRIPTOR_ENTRIES] << 1) | 1;
      this.release(first);
      return single;
    }
    if (count > 0) return first << 1;
    this.release(first);
    return next << 1;
  }

  private allocate(next: number): number {
    this.taken++;
    let desc = this.free;
    if (desc !== 0) this.free = this.nexts[desc];
    else desc = this.grow();
    this.counts[desc] = 0;
    this.nexts[desc] = next;
    return desc;
  }

  private release(desc: number): void {
    this.nexts[desc] = this.free;
    this.free = desc;
  }

  private grow(): number {
    if (this.used === this.counts.length) {
      const size = this.used * 2;
      this.values = grown(this.values, size * DESCRIPTOR_ENTRIES);
      this.counts = grown(this.counts, size);
      this.nexts = grown(this.nexts, size);
    }
    return this.used++;
  }
}

/** A copy of an array with room for `size` values. */
export function grown(array: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(array);
  return larger;
}
