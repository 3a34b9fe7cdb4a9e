/**
 * What the host does to a VM: each operation of a workload, taken to the part that performs it.
 *
 * Ranges are cut to their slot; one with a stride is a call per page (a clear: per piece). What the host does to its memory stands in host-memory-ops.ts, what becomes of
 * memslots in slot-ops.ts.
 *
 * Models: Linux virt/kvm/kvm_main.c (ioctls of memslots and dirty logs, MMU notifiers).
 */
import type { HostAnswer, HostOp, PageRange } from '@mmulab/api';
import type { DirtyLog } from './dirty-log';
import { unknownOperation } from './errors';
import { HostMemoryOps, type SlotRange } from './host-memory-ops';
import type { Aging, GuestMemory, HostTables } from './host-tables';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { SlotOps } from './slot-ops';
import { tellDirty } from './tell-dirty';
import { Work } from './work-events';

/** Takes a VM's host operations to its parts. */
export class HostOps {
  private readonly slotOps: SlotOps;
  private readonly memory: HostMemoryOps;

  constructor(
    private readonly slots: Memslots,
    private readonly dirtyLog: DirtyLog,
    private readonly tables: HostTables,
    private readonly guest: GuestMemory,
  ) {
    this.slotOps = new SlotOps(slots, dirtyLog, tables, guest);
    this.memory = new HostMemoryOps(slots, tables);
  }

  /**
   * Performs one operation. @param answer takes what user space would see of it
   * @throws VM_UNKNOWN_SLOT, VM_BAD_SLOT, VM_HOST_REFUSED, VM_HOST_ACCESS, VM_UNKNOWN_OPERATION
   */
  perform(op: HostOp, answer?: HostAnswer): void {
    if (!this.isOfLog(op, answer) && !this.isOfSlots(op) && !this.isOfMemory(op) && !this.isOfTables(op, answer)) throw unknownOperation(op.op);
  }

  /** Dirty logs. @returns whether the operation is one of these, and done */
  private isOfLog(op: HostOp, answer: HostAnswer | undefined): boolean {
    const { dirtyLog, slots } = this;
    switch (op.op) {
      case 'manual_protect':
        dirtyLog.protectManually(op.initiallySet);
        return true;
      case 'set_dirty_log':
        this.setDirtyLog(slots.byId(op.slot), op.on);
        this.tables.logChanged?.();
        return true;
      case 'get_dirty_log':
        this.getDirtyLog(slots.byId(op.slot), answer);
        return true;
      case 'clear_dirty_log':
        this.eachPiece(op, op.stride, ({ slot, start, end }) => dirtyLog.clear(slot, start - slot.base, end - start));
        return true;
      case 'collect_dirty_rings':
        this.collectRings(op.vcpu, answer);
        return true;
      case 'reset_dirty_rings':
        this.resetRings(answer);
        return true;
      default:
        return false;
    }
  }

  /** Memslots. @returns as `isOfLog` */
  private isOfSlots(op: HostOp): boolean {
    const { slotOps, slots } = this;
    switch (op.op) {
      case 'create_memslot':
        slotOps.create(op.spec, op.memory);
        return true;
      case 'delete_memslot':
        slotOps.delete(slots.byId(op.slot));
        return true;
      case 'move_memslot':
        slotOps.move(slots.byId(op.slot), op.baseGfn);
        return true;
      case 'set_memslot_flags':
        slotOps.setReadonly(slots.byId(op.slot), op.readonly);
        return true;
      default:
        return false;
    }
  }

  /** The host's memory. @returns as `isOfLog` */
  private isOfMemory(op: HostOp): boolean {
    const { memory } = this;
    switch (op.op) {
      case 'unmap':
        this.eachPiece(op, 1, range => memory.unmap(range, op.remap === true));
        return true;
      case 'protect':
        this.eachPiece(op, 1, range => memory.protect(range, op));
        return true;
      case 'madvise':
        this.eachPiece(op, 1, range => memory.advise(range, op));
        return true;
      case 'host_access':
        this.eachPiece(op, 1, range => memory.access(range, op.write));
        return true;
      case 'kvm_write':
        this.eachPiece(op, 1, range => this.write(range));
        return true;
      case 'fork':
        memory.fork(op.child);
        return true;
      case 'child_exit':
        memory.childExit();
        return true;
      default:
        return false;
    }
  }

  /** What goes straight to the tables. @returns as `isOfLog` */
  private isOfTables(op: HostOp, answer: HostAnswer | undefined): boolean {
    const { tables } = this;
    switch (op.op) {
      case 'age':
        this.age(op, answer);
        return true;
      case 'pre_fault':
        this.preFault(op);
        return true;
      case 'set_nx_huge_pages':
        if (tables.setNxHugePages === undefined) return false;
        tables.setNxHugePages(op.on);
        return true;
      case 'zap_all':
        tables.zapAll();
        return true;
      case 'nx_recovery':
        tables.recovery?.pass();
        return true;
      case 'idle':
        tables.recovery?.elapse(op.ms);
        return true;
      case 'destroy_vm':
        tables.destroy();
        return true;
      default:
        return false;
    }
  }

  /** Adds a memslot. @throws VM_BAD_SLOT */
  addMemslot(spec: Memslot['spec']): void {
    this.slotOps.create(spec);
  }

  private preFault(op: Extract<HostOp, { op: 'pre_fault' }>): void {
    const { tables } = this;
    if (tables.preFault === undefined) throw unknownOperation(op.op);
    this.eachPiece(op, 1, ({ slot, start, end }) => tables.preFault?.(op.vcpu ?? 0, slot, start, end));
  }

  private setDirtyLog(slot: Memslot, on: boolean): void {
    this.called(slot.spec.npages, () => this.dirtyLog.set(slot, on));
  }

  private getDirtyLog(slot: Memslot, answer: HostAnswer | undefined): void {
    this.called(slot.spec.npages, () => this.dirtyLog.get(slot));
    if (answer?.dirty !== undefined) tellDirty(this.slots.readBits, slot, (first, npages) => answer.dirty?.(first, npages));
  }

  /** KVM writes guest memory through the process's mapping. */
  private write(range: SlotRange): void {
    const { slot, start, end } = range;
    if (slot.logged) this.dirtyLog.needBitmap('a write of KVM to', slot);
    this.memory.access(range, true);
    for (let gfn = start; gfn < end; gfn++) this.slots.markDirty(slot, gfn);
  }

  private collectRings(vcpu: number | undefined, answer: HostAnswer | undefined): void {
    const entries = this.dirtyLog.collect(vcpu, answer?.collected === undefined ? undefined : (...pages) => answer.collected?.(...pages));
    answer?.ringEntries?.(entries);
  }

  private resetRings(answer: HostAnswer | undefined): void {
    const entries = this.dirtyLog.reset();
    answer?.ringEntries?.(entries);
  }

  private age(op: SlotRangeOp & Aging & { readonly test?: boolean }, answer: HostAnswer | undefined): void {
    const { tables } = this;
    let young: number | undefined = 0;
    this.eachPiece(op, 1, ({ slot, start, end }) => {
      // Each call of the notifier takes the lock.
      this.slots.work.add(Work.lockWrite, op.pageByPage ? end - start : 1);
      const met = op.test === true ? tables.testYoung?.(start, end, op.pageByPage) : tables.age(slot, start, end, op);
      young = met === undefined || young === undefined ? undefined : young + met;
    });
    if (young !== undefined) answer?.young?.(young);
  }

  /** Calls for the range of an operation; with a stride once per `npages` pages, `stride` pages apart. */
  private eachPiece(op: SlotRangeOp, npages: number | undefined, call: (range: SlotRange) => void): void {
    const slot = this.slots.byId(op.slot);
    const start = Math.min(slot.end, slot.base + (op.firstPage ?? 0));
    const end = Math.min(slot.end, start + (op.npages ?? slot.spec.npages));
    const one = (range: SlotRange): void => this.called(range.end - range.start, () => call(range));
    if (op.stride === undefined) return one({ slot, start, end });
    for (let at = start; at < end; at += op.stride) one({ slot, start: at, end: Math.min(end, at + (npages ?? 1)) });
  }

  /** An operation on so many pages of a memslot. */
  private called(npages: number, perform: () => void): void {
    this.slots.work.hostCall(npages * this.guest.pageBytes, perform);
  }
}

/** Pages of a memslot, as an operation names them. */
interface SlotRangeOp extends PageRange {
  readonly slot: number;
}
