/**
 * Stage-2 descriptors as traces print them, read back into attributes.
 *
 * Models: Arm ARM D8.3 (VMSAv8-64 stage 2); Linux arch/arm64/kvm/hyp/pgtable.c KVM_INVALID_PTE_LOCKED.
 */
import { EntryKind, EntryState } from '@mmulab/api';
import { describeEntry } from '@mmulab/kvm';
import type { EntryNames } from '@mmulab/kvm';
import { Pte } from './descriptor';

const VALID = 1;
const TABLE_OR_PAGE = 2;
/** MEMATTR, bits 5:2: Device-nGnRE with and without FWB. */
const MEMATTR_SHIFT = 2;
const MEMATTR_MASK = 15;
const MEMATTR_DEVICE = 1;
/** XN is bit 54: bit 22 of the upper half. */
const XN_HI = 1 << 22;

/** An entry of the trace, or of the tables. */
export class PteReader extends EntryState {
  /** An entry by its attribute bits. */
  set(kind: EntryKind, level: number, bits: number): this {
    const isLeaf = kind === EntryKind.Leaf;
    this.kind = kind;
    this.level = level;
    this.bits = bits;
    this.writable = isLeaf && (bits & Pte.S2apW) !== 0;
    this.executable = isLeaf && (bits & Pte.Xn) === 0;
    this.accessed = isLeaf && (bits & Pte.Af) !== 0;
    this.dirty = this.writable;
    this.hostWritable = this.writable;
    this.mmuWritable = false;
    this.frozen = (bits & Pte.Locked) !== 0;
    return this;
  }

  /** An entry by its descriptor. @param level counted from 1 */
  read(hi: number, lo: number, level: number): this {
    if ((lo & VALID) === 0) {
      const locked = (lo & Pte.Af) !== 0;
      return this.set(locked ? EntryKind.Special : EntryKind.Empty, level, locked ? Pte.Locked : 0);
    }
    if (level > 1 && (lo & TABLE_OR_PAGE) !== 0) return this.set(EntryKind.Table, level, 0);
    const device = ((lo >>> MEMATTR_SHIFT) & MEMATTR_MASK) === MEMATTR_DEVICE ? Pte.Device : 0;
    return this.set(EntryKind.Leaf, level, (lo & (Pte.S2apR | Pte.S2apW | Pte.Af)) | ((hi & XN_HI) !== 0 ? Pte.Xn : 0) | device);
  }
}

const NAMES: EntryNames = {
  empty: 'invalid',
  special: [[Pte.Locked, 'locked']],
  leaf: [
    [Pte.S2apR, 'R'],
    [Pte.S2apW, 'W'],
    [Pte.Xn, 'XN'],
    [Pte.Af, 'AF'],
    [Pte.Device, 'device'],
  ],
};

/** An entry in words, for messages. */
export function describePte(kind: EntryKind, bits: number): string {
  return describeEntry(kind, bits, NAMES);
}
