/**
 * Attributes of shadow PTEs, and what operations make of them.
 *
 * The engine stores interned ids; this file names the bits behind them and answers, per id and operation, with the id that results. Each
 * such map is a table of 256 small integers filled on demand, so that no rule computes or looks up anything twice.
 *
 * Models: Linux arch/x86/kvm/mmu/spte.c and spte.h: make_spte(), the writable states (writable; write-protected but MMU-writable; write-protected for
 * shadowing; read-only), access tracking without A/D bits.
 */
import { AccessKind } from '@mmulab/api';
import { AttrTable } from '@mmulab/pgtable';

// Bound here: a name that another package re-exports is a call of a getter.
const { Read, Write } = AccessKind;
/** Kinds of access. */
const KINDS = 3;

/** Bits of an attribute. Present also means readable. */
export const Spte = {
  Present: 1,
  Writable: 2,
  Executable: 4,
  /** The host's own mapping is writable. */
  HostWritable: 8,
  /** KVM may set Writable again without taking mmu_lock. */
  MmuWritable: 16,
  Accessed: 32,
  Dirty: 64,
  /** Aged without A/D bits: no access is allowed until the fast path restores it. */
  AccessTracked: 128,
  /** Executable, saved while access-tracked. */
  SavedExec: 256,
  /** Another walker owns the entry for the moment. Special. */
  Frozen: 512,
  /** No memslot behind it. Special. */
  Mmio: 1024,
} as const;

/** Attributes of tables. */
export const TableBit = {
  /** The table exists because a huge page must not be executable. */
  NxDisallowed: 1,
  /** It stands on the list of possible NX huge pages. */
  NxTracked: 2,
} as const;

const UNKNOWN_ID = -1;
/** Generations of memslots that MMIO entries tell apart, of those in which any were made; and their unit in an entry's bits. */
const MMIO_GENERATIONS = 16;
const MMIO_GENERATION_UNIT = 4096;

/** A map from id to id, filled on demand. */
class AttrMap {
  private readonly ids = new Int16Array(256).fill(UNKNOWN_ID);

  constructor(
    private readonly attrs: AttrTable,
    private readonly step: (bits: number) => number,
  ) {}

  forget(): void {
    this.ids.fill(UNKNOWN_ID);
  }

  get(id: number): number {
    const known = this.ids[id];
    if (known >= 0) return known;
    const before = this.attrs.bits[id];
    const after = this.step(before);
    const result = after === before ? id : this.attrs.intern(after);
    this.ids[id] = result;
    return result;
  }
}

/** Interned attributes of one VM and their arithmetic. */
export class SpteAttrs {
  readonly table = new AttrTable();
  /** Id of a frozen entry. */
  readonly frozen: number;
  /** Id of an MMIO entry of the present generation of memslots. */
  mmio: number;
  /** Counts up when entries come to mean something else: what was remembered of them holds no more. */
  epoch = 0;
  private isMmioUsed = false;
  private mmioGeneration = 0;
  private readonly wrprotMap: AttrMap;
  private readonly clearMmuWritableMap: AttrMap;
  private readonly clearDirtyMap: AttrMap;
  private readonly ageMap: AttrMap;
  private readonly splitSmallMap: AttrMap;
  private readonly splitHugeMap: AttrMap;
  private readonly collapseMap: AttrMap;
  private readonly restoreMap: AttrMap;
  private readonly restoreForWriteMap: AttrMap;
  /** Leaves by level above 1, host-writable, D: see `leaf`. */
  private readonly leaves = new Int16Array(8).fill(-1);
  private readonly stable = new Int8Array(256).fill(-1);
  private readonly afterRead: AttrMap;
  private readonly afterWrite: AttrMap;

  /**
   * @param adBits whether the hardware keeps A and D bits
   * @param nxHugePages whether huge leaves must not be executable
   */
  constructor(
    private readonly adBits: boolean,
    private nxHugePages: boolean,
  ) {
    this.frozen = this.table.intern(Spte.Frozen, true);
    this.mmio = this.table.intern(Spte.Mmio, true);
    const map = (step: (bits: number) => number): AttrMap => new AttrMap(this.table, step);
    this.wrprotMap = map(bits => bits & ~Spte.Writable);
    this.clearMmuWritableMap = map(bits => bits & ~(Spte.Writable | Spte.MmuWritable));
    this.clearDirtyMap = map(bits => bits & ~(adBits ? Spte.Dirty : Spte.Writable));
    this.ageMap = map(bits => this.aged(bits));
    this.splitSmallMap = map(bits => (this.nxHugePages ? bits | Spte.Executable : bits));
    this.splitHugeMap = map(bits => bits);
    this.collapseMap = map(bits => (this.nxHugePages ? bits & ~Spte.Executable : bits));
    this.restoreMap = map(bits => restored(bits));
    this.restoreForWriteMap = map(bits => ((restored(bits) & Spte.MmuWritable) !== 0 ? restored(bits) | Spte.Writable : restored(bits)));
    this.afterRead = map(bits => (adBits ? bits | Spte.Accessed : bits));
    this.afterWrite = map(bits => (adBits ? bits | Spte.Accessed | Spte.Dirty : bits));
  }

  bits(id: number): number {
    return this.table.bits[id];
  }

  /** An entry for a frame without a memslot. */
  newMmio(): number {
    this.isMmioUsed = true;
    return this.mmio;
  }

  /** Memslots have changed: MMIO entries made so far are of an old generation. */
  outdateMmio(): void {
    if (!this.isMmioUsed) return;
    this.isMmioUsed = false;
    this.epoch++;
    this.mmioGeneration = (this.mmioGeneration + 1) % MMIO_GENERATIONS;
    this.mmio = this.table.intern(Spte.Mmio + this.mmioGeneration * MMIO_GENERATION_UNIT, true);
  }

  /** The NX workaround is switched on or off; all entries have gone. */
  setNxHugePages(on: boolean): void {
    this.nxHugePages = on;
    this.epoch++;
    this.leaves.fill(UNKNOWN_ID);
    for (const map of [this.splitSmallMap, this.collapseMap]) map.forget();
  }

  isWritable(id: number): boolean {
    return (this.bits(id) & Spte.Writable) !== 0;
  }

  isDirty(id: number): boolean {
    return (this.bits(id) & (this.adBits ? Spte.Dirty : Spte.Writable)) !== 0;
  }

  /** Accessed, or without A/D bits: not access-tracked. */
  isYoung(id: number): boolean {
    const bits = this.bits(id);
    return this.adBits ? (bits & Spte.Accessed) !== 0 : (bits & Spte.AccessTracked) === 0;
  }

  /** Access-tracked: aged without A/D bits. */
  isTracked(id: number): boolean {
    return (this.bits(id) & Spte.AccessTracked) !== 0;
  }

  /** Write protection for dirty logging: MMU-writable stays. */
  writeProtect(id: number): number {
    return this.wrprotMap.get(id);
  }

  /** Write protection that the fast path must not undo. */
  clearMmuWritable(id: number): number {
    return this.clearMmuWritableMap.get(id);
  }

  /** Dirty state taken back: D, or W where there is no D. */
  clearDirty(id: number): number {
    return this.clearDirtyMap.get(id);
  }

  age(id: number): number {
    return this.ageMap.get(id);
  }

  /** A part of a split huge leaf. @param childLevel level of the parts */
  splitChild(id: number, childLevel: number): number {
    return childLevel === 1 ? this.splitSmallMap.get(id) : this.splitHugeMap.get(id);
  }

  /** The huge leaf made of a small one in place. */
  collapse(id: number): number {
    return this.collapseMap.get(id);
  }

  /** Whether the hardware lets an access through. @param kind 0 read, 1 write, 2 execute */
  allows(id: number, kind: number): boolean {
    const bits = this.bits(id);
    if ((bits & (Spte.Present | Spte.AccessTracked)) !== Spte.Present) return false;
    return kind === Read || (bits & (kind === Write ? Spte.Writable : Spte.Executable)) !== 0;
  }

  /** The leaf after the hardware has walked it for an allowed access: A, and D on a write. */
  afterAccess(id: number, kind: number): number {
    return kind === Write ? this.afterWrite.get(id) : this.afterRead.get(id);
  }

  /** Whether an access passes and leaves the leaf as it is. */
  isStable(id: number, kind: number): boolean {
    return this.allows(id, kind) && this.afterAccess(id, kind) === id;
  }

  /** Kinds of access that `isStable` holds for, as bits. */
  stableKinds(id: number): number {
    const known = this.stable[id];
    if (known >= 0) return known;
    let kinds = 0;
    for (let kind = 0; kind < KINDS; kind++) if (this.isStable(id, kind)) kinds |= 1 << kind;
    this.stable[id] = kinds;
    return kinds;
  }

  /**
   * The leaf a fault builds (make_spte).
   * @param hostWritable the host's mapping is writable and the slot is not read-only
   * @param setDirty false where an old writable entry stands, on kernels that then leave D alone
   */
  leaf(level: number, hostWritable: boolean, setDirty: boolean): number {
    const at = (level > 1 ? 4 : 0) | (hostWritable ? 2 : 0) | (setDirty ? 1 : 0);
    const known = this.leaves[at];
    if (known >= 0) return known;
    const made = this.makeLeaf(level, hostWritable, setDirty);
    this.leaves[at] = made;
    return made;
  }

  private makeLeaf(level: number, hostWritable: boolean, setDirty: boolean): number {
    let bits: number = Spte.Present;
    if (this.adBits) bits |= Spte.Accessed;
    if (level === 1 || !this.nxHugePages) bits |= Spte.Executable;
    if (hostWritable) {
      bits |= Spte.HostWritable | Spte.Writable | Spte.MmuWritable;
      if (this.adBits && setDirty) bits |= Spte.Dirty;
    }
    return this.table.intern(bits);
  }

  /**
   * The leaf after fast_page_fault: saved rights restored, W given back to a write where KVM may; the same id when nothing can be done.
   */
  fastFix(id: number, write: boolean): number {
    return (write ? this.restoreForWriteMap : this.restoreMap).get(id);
  }

  private aged(bits: number): number {
    if (this.adBits) return bits & ~Spte.Accessed;
    if ((bits & Spte.AccessTracked) !== 0) return bits;
    const saved = (bits & Spte.Executable) !== 0 ? Spte.SavedExec : 0;
    return (bits & ~(Spte.Writable | Spte.Executable)) | Spte.AccessTracked | saved;
  }

  /** The entry as the architecture writes it. @param pfn frame it points to; @returns 64-bit value in hexadecimal */
  descriptor(id: number, level: number, pfn: number, ept: boolean): string {
    return spteDescriptor(this.bits(id), level, pfn, ept, this.adBits);
  }
}

/** An entry of given attribute bits as the architecture writes it, in hexadecimal. */
export function spteDescriptor(bits: number, level: number, pfn: number, ept: boolean, adBits: boolean): string {
  return (ept ? eptDescriptor(bits, level, pfn, adBits) : nptDescriptor(bits, level, pfn)).toString(16);
}

/** Bits with the rights that access tracking had saved. */
function restored(bits: number): number {
  if ((bits & Spte.AccessTracked) === 0) return bits;
  const executable = (bits & Spte.SavedExec) !== 0 ? Spte.Executable : 0;
  return (bits | executable | Spte.Present) & ~(Spte.AccessTracked | Spte.SavedExec);
}

/** EPT: R/W/X in bits 0-2, memory type 6 with ignore-PAT, PS 7, A 8, D 9, shadow-present 11, A/D type 52-53, host- and MMU-writable 57, 58. */
function eptDescriptor(bits: number, level: number, pfn: number, adBits: boolean): bigint {
  let value = BigInt(pfn) << 12n;
  const set = (bit: number, on: boolean): void => {
    if (on) value |= 1n << BigInt(bit);
  };
  const tracked = (bits & Spte.AccessTracked) !== 0;
  set(0, !tracked);
  set(1, (bits & Spte.Writable) !== 0);
  set(2, (bits & Spte.Executable) !== 0);
  value |= 6n << 3n;
  set(6, true);
  set(7, level > 1);
  set(8, (bits & Spte.Accessed) !== 0);
  set(9, (bits & Spte.Dirty) !== 0);
  set(11, true);
  set(52, !adBits);
  set(54, tracked);
  set(56, (bits & Spte.SavedExec) !== 0);
  set(57, (bits & Spte.HostWritable) !== 0);
  set(58, (bits & Spte.MmuWritable) !== 0);
  return value;
}

/** NPT and legacy paging: P, W, U in bits 0-2, A 5, D 6, PS 7, host- and MMU-writable 9, 10, shadow-present 11, NX 63. */
function nptDescriptor(bits: number, level: number, pfn: number): bigint {
  let value = (BigInt(pfn) << 12n) | 1n | 4n | (1n << 11n);
  if ((bits & Spte.Writable) !== 0) value |= 2n;
  if ((bits & Spte.Accessed) !== 0) value |= 1n << 5n;
  if ((bits & Spte.Dirty) !== 0) value |= 1n << 6n;
  if (level > 1) value |= 1n << 7n;
  if ((bits & Spte.HostWritable) !== 0) value |= 1n << 9n;
  if ((bits & Spte.MmuWritable) !== 0) value |= 1n << 10n;
  if ((bits & Spte.Executable) === 0) value |= 1n << 63n;
  return value;
}
