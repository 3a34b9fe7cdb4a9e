/**
 * The guest writes entries of its own page tables.
 *
 * Each write is an access to the table's page through a virtual frame that maps it, with whatever faults that takes. Where KVM carries the write out itself (a tracked table)
 * it stores the value before it looks at what the value means; else the guest stores it once its access is through. A write that the guest's own tables refuse stores
 * nothing. Hot path.
 *
 * Models: Linux arch/x86/kvm/x86.c emulator_write_phys(); mmu/mmu.c mmu_pte_write_fetch_gpte().
 */
import { AccessKind as KINDS } from '@mmulab/api';
import type { AccessKind, EntryChange, GuestTables, GuestTableWrites } from '@mmulab/api';
import { entriesOf } from './guest-memory';
import type { GuestMemory, TablePage } from './guest-memory';

// Bound here: a name that another package re-exports is a call of a getter.
const { Read, Write } = KINDS;

const PAGE_BYTES = 4096;

/** One write to a guest table page. */
export interface TableWrite {
  /** Frame of the table page. */
  readonly gfn: number;
  /** Byte offset within it, and length. */
  readonly offset: number;
  readonly bytes: number;
}

/** A write that has not reached memory yet. */
export class PendingWrite implements TableWrite {
  gfn = -1;
  offset = 0;
  bytes = 0;
  isStored = false;
  private page: TablePage | undefined = undefined;
  private index = 0;
  /** Entries written at once: two at most. */
  private entries = 0;
  private readonly bits = new Uint8Array(2);
  private readonly gfns = new Float64Array(2);

  constructor(private readonly memory: GuestMemory) {}

  /** Takes up a write of one entry. */
  begin(page: TablePage, index: number, entryBytes: number, bytes: number): void {
    this.gfn = page.frame;
    this.offset = index * entryBytes;
    this.bytes = bytes;
    this.isStored = false;
    this.page = page;
    this.index = index;
    this.entries = 0;
  }

  /** Adds what an entry becomes: the first one, or its neighbour. */
  add(bits: number, gfn: number): void {
    this.bits[this.entries] = bits;
    this.gfns[this.entries] = gfn;
    this.entries++;
  }

  /** Puts the new value into memory. */
  store(): void {
    const { page } = this;
    if (page === undefined || this.isStored) return;
    this.isStored = true;
    for (let i = 0; i < this.entries; i++) this.memory.store(page, this.index + i, this.bits[i], this.gfns[i]);
  }
}

/** What a vCPU's accesses are made through. */
export interface WritingGuest {
  /** The tables the vCPU walks. */
  space(vcpu: number): GuestTables;
  /** Frame that a virtual frame leads to for an access, or -1 where the guest's tables refuse it. Counts nothing. */
  reach(vcpu: number, vfn: number, kind: AccessKind): number;
  access(vcpu: number, vfn: number, kind: AccessKind): void;
}

/** Writes of one VM's guests to their tables. */
export class TableWriter {
  /** The write under way. */
  readonly pending: PendingWrite;
  private isWriting = false;

  constructor(readonly memory: GuestMemory) {
    this.pending = new PendingWrite(memory);
  }

  /** The write under way if it is to a frame. */
  writing(gfn: number): PendingWrite | undefined {
    return this.isWriting && this.pending.gfn === gfn ? this.pending : undefined;
  }

  /** Performs writes in order. */
  write(guest: WritingGuest, vcpu: number, writes: GuestTableWrites): void {
    for (let i = 0; i < writes.count; i++) this.writeOne(guest, vcpu, writes, i);
  }

  private writeOne(guest: WritingGuest, vcpu: number, { vfn, first, stride, change, bytes }: GuestTableWrites, i: number): void {
    const { levels } = guest.space(vcpu);
    const perPage = entriesOf(levels);
    const entryBytes = PAGE_BYTES / perPage;
    const entry = first + i * stride;
    const through = vfn + Math.floor(entry / perPage);
    const length = bytes ?? entryBytes;
    const copied = change.kind === 'copy' ? this.read(guest, vcpu, change, first + i * stride - first, perPage) : undefined;
    const frame = guest.reach(vcpu, through, Write);
    if (frame < 0) return guest.access(vcpu, through, Write);
    const page = this.memory.tableAt(frame, levels);
    const index = entry % perPage;
    this.pending.begin(page, index, entryBytes, length);
    const entries = length > entryBytes && index + 1 < perPage ? 2 : 1;
    for (let at = 0; at < entries; at++) this.add(change, page, index + at, i + at / stride, copied, at);
    this.isWriting = true;
    guest.access(vcpu, through, Write);
    this.isWriting = false;
    this.pending.store();
  }

  /** The entry that is copied; its page is read. */
  private read(
    guest: WritingGuest,
    vcpu: number,
    { vfn, first }: Extract<EntryChange, { kind: 'copy' }>,
    offset: number,
    perPage: number,
  ): TableEntry {
    const entry = first + offset;
    const through = vfn + Math.floor(entry / perPage);
    const frame = guest.reach(vcpu, through, Read);
    guest.access(vcpu, through, Read);
    if (frame < 0) return { page: undefined, index: 0 };
    return { page: this.memory.tableAt(frame, guest.space(vcpu).levels), index: entry % perPage };
  }

  /** What an entry becomes. @param number of the write it belongs to; @param at 1 for the neighbour of a write of two */
  private add(change: EntryChange, page: TablePage, index: number, number: number, copied: TableEntry | undefined, at: number): void {
    if (change.kind === 'store') return this.pending.add(change.bits, change.bits === 0 ? 0 : change.gfn + number * change.step);
    if (change.kind === 'modify') return this.pending.add((page.bits[index] | change.set) & ~change.clear, page.gfns[index]);
    const { page: from, index: source } = copied ?? { page: undefined, index: 0 };
    this.pending.add((from?.bits[source + at] ?? 0) & ~change.clear, from?.gfns[source + at] ?? 0);
  }
}

interface TableEntry {
  readonly page: TablePage | undefined;
  readonly index: number;
}
