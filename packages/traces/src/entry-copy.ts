/**
 * Copies of entries, since the views a backend hands out are used again, and when two entries are the same.
 */
import { EntryKind, EntryState } from '@mmulab/api';
import type { EntryView } from '@mmulab/api';

/** An entry as a view said it was. */
export class EntryCopy extends EntryState {
  /** Takes over what a view says. */
  of(view: EntryView): this {
    this.kind = view.kind;
    this.level = view.level;
    this.bits = view.bits;
    this.writable = view.writable;
    this.executable = view.executable;
    this.accessed = view.accessed;
    this.dirty = view.dirty;
    this.hostWritable = view.hostWritable;
    this.mmuWritable = view.mmuWritable;
    this.frozen = view.frozen;
    this.mmio = view.mmio;
    return this;
  }
}

/** Whether an entry of the simulation is what a trace says. A frozen one is empty once nobody comes between. */
export function sameEntry(kind: EntryKind, bits: number, entry: EntryCopy): boolean {
  if (entry.kind === EntryKind.Table) return kind === EntryKind.Table;
  if (entry.kind === EntryKind.Empty || entry.frozen) return kind === EntryKind.Empty;
  return kind === entry.kind && bits === entry.bits;
}

/** The same, after the hardware may have set what it sets. @param hardwareBits attribute bits that are the hardware's */
export function isAfterHardware(kind: EntryKind, bits: number, entry: EntryCopy, hardwareBits: number): boolean {
  if (kind !== EntryKind.Leaf || entry.kind !== EntryKind.Leaf) return sameEntry(kind, bits, entry);
  return (bits | (entry.bits & hardwareBits)) === entry.bits;
}
