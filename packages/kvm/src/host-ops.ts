/**
 * What the host does to a VM: each operation of a workload, taken to the part that performs it.
 *
 * Ranges are cut to their slot; one with a stride is a call per page (a clear: per piece). When the host drops pages an MMU notifier surrounds it: the tables give up
 * the range before its host pages change, and a huge page broken up at an end of the range is an invalidation of its own, inside the first.
 *
 * Models: Linux virt/kvm/kvm_main.c (ioctls of memslots and dirty logs, MMU notifiers).
 */
import type { HostAnswer, HostOp, PageRange } from '@mmulab/api';
import { tellDirty, type DirtyLog } from './dirty-log';
import { dropPages } from './drop-pages';
import { unknownOperation } from './errors';
import type { Aging, GuestMemory, HostTables } from './host-tables';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { SlotOps } from './slot-ops';

/** Takes a VM's host operations to its parts. */
export class HostOps {
  private readonly slotOps: SlotOps;

  constructor(
    private readonly slots: Memslots,
    private readonly dirtyLog: DirtyLog,
    private readonly tables: HostTables,
    guest: GuestMemory,
  ) {
    this.slotOps = new SlotOps(slots, dirtyLog, tables, guest);
  }

  /** Performs one operation. @param answer takes what user space would see of it @throws VM_UNKNOWN_SLOT, VM_BAD_SLOT, VM_UNKNOWN_OPERATION */
  perform(op: HostOp, answer?: HostAnswer): void {
    const { tables, dirtyLog, slotOps } = this;
    switch (op.op) {
      case 'manual_protect':
        dirtyLog.protectManually(op.initiallySet);
        break;
      case 'set_dirty_log':
        dirtyLog.set(this.slots.byId(op.slot), op.on);
        tables.logChanged?.();
        break;
      case 'get_dirty_log':
        this.getDirtyLog(this.slots.byId(op.slot), answer);
        break;
      case 'clear_dirty_log':
        this.eachPiece(op, op.stride, ({ slot, start, end }) => dirtyLog.clear(slot, start - slot.base, end - start));
        break;
      case 'unmap':
        this.eachPiece(op, 1, range => this.unmap(range));
        break;
      case 'age':
        this.age(op, answer);
        break;
      case 'create_memslot':
        slotOps.create(op.spec, op.memory);
        break;
      case 'delete_memslot':
        slotOps.delete(this.slots.byId(op.slot));
        break;
      case 'move_memslot':
        slotOps.move(this.slots.byId(op.slot), op.baseGfn);
        break;
      case 'set_memslot_flags':
        slotOps.setReadonly(this.slots.byId(op.slot), op.readonly);
        break;
      case 'zap_all':
        tables.zapAll();
        break;
      case 'nx_recovery':
        tables.recovery?.pass();
        break;
      case 'idle':
        tables.recovery?.elapse(op.ms);
        break;
      case 'destroy_vm':
        tables.destroy();
        break;
      default:
        throw unknownOperation(op.op);
    }
  }

  /** Adds a memslot. @throws VM_BAD_SLOT */
  addMemslot(spec: Memslot['spec']): void {
    this.slotOps.create(spec);
  }

  private getDirtyLog(slot: Memslot, answer: HostAnswer | undefined): void {
    this.dirtyLog.get(slot);
    if (answer?.dirty !== undefined) tellDirty(this.slots.readBits, slot, (first, npages) => answer.dirty?.(first, npages));
  }

  private age(op: SlotRangeOp & Aging & { readonly test?: boolean }, answer: HostAnswer | undefined): void {
    const { tables } = this;
    let young: number | undefined = 0;
    this.eachPiece(op, 1, ({ slot, start, end }) => {
      const met = op.test === true ? tables.testYoung?.(start, end, op.pageByPage) : tables.age(slot, start, end, op);
      young = met === undefined || young === undefined ? undefined : young + met;
    });
    if (young !== undefined) answer?.young?.(young);
  }

  /** The host drops pages (MADV_DONTNEED), or maps something else over them. */
  private unmap({ slot, start, end }: SlotRange): void {
    const { tables, slots } = this;
    tables.invalidate(slot, start, end, () => {
      for (const broken of dropPages(slots.hostStates, slots.geometry, slot.spec, { start, end })) tables.invalidate(slot, broken.start, broken.end);
    });
  }

  /** Calls for the range of an operation; with a stride once per `npages` pages, `stride` pages apart. */
  private eachPiece(op: SlotRangeOp, npages: number | undefined, call: (range: SlotRange) => void): void {
    const slot = this.slots.byId(op.slot);
    const start = Math.min(slot.end, slot.base + (op.firstPage ?? 0));
    const end = Math.min(slot.end, start + (op.npages ?? slot.spec.npages));
    if (op.stride === undefined) return call({ slot, start, end });
    for (let at = start; at < end; at += op.stride) call({ slot, start: at, end: Math.min(end, at + (npages ?? 1)) });
  }
}

/** Pages of a memslot, as an operation names them. */
interface SlotRangeOp extends PageRange {
  readonly slot: number;
}

interface SlotRange {
  readonly slot: Memslot;
  readonly start: number;
  readonly end: number;
}
