/**
 * SPTEs as traces print them, read back into attributes.
 *
 * Two layouts are about: from 5.13 on bit 11 says "shadow-present", and host-writable and MMU-writable are bits 9 and 10 (NPT) or 57 and 58 (EPT); before, they were bits 10 and 11 on both. Which
 * one a trace has is seen from the first leaf: MMU-writable never stands without host-writable, and bit 10 of an EPT entry is otherwise unused.
 * Entries that are not present are 0 or, from 6.10 on, bit 63; frozen ones 0x5a0 with or without it.
 *
 * Models: Linux arch/x86/kvm/mmu/spte.h.
 */
import { EntryKind, EntryState } from '@mmulab/api';
import { describeEntry } from '@mmulab/kvm';
import type { EntryNames } from '@mmulab/kvm';
import { Spte } from './spte';

const FROZEN_LOW = 0x5a0;
const NONPRESENT_HI = 0x80000000 | 0;

const bit = (half: number, number: number): boolean => ((half >>> number) & 1) === 1;

/** An entry of the trace, or of the tables. */
export class SpteReader extends EntryState {
  /** Whether the trace has the layout before 5.13; undefined until a leaf has told. */
  private oldLayout: boolean | undefined = undefined;

  constructor(
    private readonly ept: boolean,
    private readonly adBits: boolean,
  ) {
    super();
  }

  /** An entry by its attribute bits. */
  set(kind: EntryKind, level: number, bits: number): this {
    this.kind = kind;
    this.level = level;
    this.bits = bits;
    this.writable = (bits & Spte.Writable) !== 0;
    this.executable = (bits & Spte.Executable) !== 0;
    this.accessed = (bits & Spte.Accessed) !== 0;
    this.dirty = (bits & Spte.Dirty) !== 0;
    this.hostWritable = (bits & Spte.HostWritable) !== 0;
    this.mmuWritable = (bits & Spte.MmuWritable) !== 0;
    this.frozen = (bits & Spte.Frozen) !== 0;
    this.mmio = (bits & Spte.Mmio) !== 0;
    return this;
  }

  /** An entry by its descriptor. */
  read(hi: number, lo: number, level: number): this {
    if (lo === 0 && (hi === 0 || hi === NONPRESENT_HI)) return this.set(EntryKind.Empty, level, 0);
    if (lo === FROZEN_LOW && (hi === 0 || hi === NONPRESENT_HI)) return this.set(EntryKind.Special, level, Spte.Frozen);
    if (this.isMmio(hi, lo)) return this.set(EntryKind.Special, level, Spte.Mmio);
    const isLeaf = level === 1 || bit(lo, 7);
    if (!isLeaf) return this.set(EntryKind.Table, level, 0);
    this.oldLayout ??= this.looksOld(lo);
    return this.set(EntryKind.Leaf, level, this.ept ? this.eptBits(hi, lo) : this.nptBits(hi, lo));
  }

  /** No access tracked, none allowed, and not shadow-present: an MMIO entry. */
  private isMmio(hi: number, lo: number): boolean {
    if (this.ept) return (lo & 7) === 6 && !(this.oldLayout !== true && bit(lo, 11));
    return !bit(lo, 11) && this.oldLayout !== true && bit(hi, 19);
  }

  private looksOld(lo: number): boolean {
    const bit9 = bit(lo, 9);
    const bit10 = bit(lo, 10);
    const bit11 = bit(lo, 11);
    if (!bit11) return true;
    return this.ept ? bit10 : bit10 && !bit9;
  }

  private nptBits(hi: number, lo: number): number {
    let bits: number = bit(lo, 0) ? Spte.Present : 0;
    if (bit(lo, 1)) bits |= Spte.Writable;
    if (bit(lo, 5)) bits |= Spte.Accessed;
    if (bit(lo, 6)) bits |= Spte.Dirty;
    if (!bit(hi, 31)) bits |= Spte.Executable;
    return bits | this.writability(bit(lo, 9), bit(lo, 10), lo);
  }

  private eptBits(hi: number, lo: number): number {
    const tracked = !this.adBits && bit(hi, 22);
    let bits: number = bit(lo, 0) || tracked ? Spte.Present : 0;
    if (bit(lo, 1)) bits |= Spte.Writable;
    if (bit(lo, 2)) bits |= Spte.Executable;
    if (this.adBits && bit(lo, 8)) bits |= Spte.Accessed;
    if (this.adBits && bit(lo, 9)) bits |= Spte.Dirty;
    if (tracked) bits |= Spte.AccessTracked | (bit(hi, 24) ? Spte.SavedExec : 0);
    return bits | this.writability(bit(hi, 25), bit(hi, 26), lo);
  }

  private writability(host: boolean, mmu: boolean, lo: number): number {
    const hostWritable = this.oldLayout === true ? bit(lo, 10) : host;
    const mmuWritable = this.oldLayout === true ? bit(lo, 11) : mmu;
    return (hostWritable ? Spte.HostWritable : 0) | (mmuWritable ? Spte.MmuWritable : 0);
  }
}

const NAMES: EntryNames = {
  empty: 'empty',
  special: [
    [Spte.Frozen, 'frozen'],
    [Spte.Mmio, 'MMIO'],
  ],
  leaf: [
    [Spte.Present, 'R'],
    [Spte.Writable, 'W'],
    [Spte.Executable, 'X'],
    [Spte.Accessed, 'A'],
    [Spte.Dirty, 'D'],
    [Spte.HostWritable, 'host-writable'],
    [Spte.MmuWritable, 'MMU-writable'],
    [Spte.AccessTracked, 'access-tracked'],
  ],
};

/** An entry in words, for messages. */
export function describeSpte(kind: EntryKind, bits: number): string {
  return describeEntry(kind, bits, NAMES);
}
