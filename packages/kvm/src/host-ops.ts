/**
 * What the host does to a VM: each operation of a workload, taken to the part that performs it.
 *
 * Ranges are cut to their slot. When the host drops pages an MMU notifier surrounds it: the tables give up the range before its host pages change, and a huge page
 * broken up at an end of the range is an invalidation of its own, inside the first.
 *
 * Models: Linux virt/kvm/kvm_main.c (ioctls of memslots and dirty logs, MMU notifiers).
 */
import type { GuestTables, HostAnswer, HostOp } from '@mmulab/api';
import { tellDirty, type DirtyLog } from './dirty-log';
import { dropPages } from './drop-pages';
import { unknownOperation } from './errors';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

/** How a range is aged: `pageByPage` is a call per page, `flush` is clear_flush_young instead of clear_young. */
export interface Aging {
  readonly pageByPage: boolean;
  readonly flush: boolean;
}

/** Periodic work of a kernel: NX recovery. */
export interface RecoveryWorker {
  /** One pass of it. */
  pass(): void;
  /** Time passes with no guest running. */
  elapse(ms: number): void;
}

/** What host operations ask of an architecture. */
export interface HostTables {
  /** An MMU notifier call: mappings of frames [start, end) go, then the host does what it is about (`change`), then the call ends. */
  invalidate(slot: Memslot, start: number, end: number, change?: () => void): void;
  /** Takes A from the leaves of a range. @returns how many had it; undefined where that is not known */
  age(slot: Memslot, start: number, end: number, aging: Aging): number | void;
  /** Asks whether leaves of a range are young (test_young), which changes none. Absent: nothing is counted for it. @returns as `age` */
  testYoung?(start: number, end: number, pageByPage: boolean): number | void;
  /** Takes a memslot away, with what the kernel unmaps then. */
  deleteMemslot(slot: Memslot): void;
  /** Invalidates every mapping of the VM. */
  zapAll(): void;
  destroy(): void;
  /** Logging of a slot was switched on or off. */
  logChanged?(): void;
  readonly recovery?: RecoveryWorker | undefined;
}

/** Where guest memory ends, and where the guest keeps its page tables. */
export interface GuestMemory {
  /** First frame beyond guest memory. */
  readonly frameLimit: number;
  /** Address spaces whose table pages lie in memslots; undefined: any slot may hold some. */
  readonly spaces: readonly GuestTables[] | undefined;
}

/** Takes a VM's host operations to its parts. */
export class HostOps {
  constructor(
    private readonly slots: Memslots,
    private readonly dirtyLog: DirtyLog,
    private readonly tables: HostTables,
    private readonly memory: GuestMemory,
  ) {}

  /** Performs one operation. @param answer takes what user space would see of it @throws VM_UNKNOWN_SLOT, VM_BAD_SLOT, VM_UNKNOWN_OPERATION */
  perform(op: HostOp, answer?: HostAnswer): void {
    const { tables, dirtyLog } = this;
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
        this.clearDirtyLog(this.slots.byId(op.slot), op.firstPage, op.npages);
        break;
      case 'unmap':
        this.unmap(this.range(op));
        break;
      case 'age':
        this.age(this.range(op), op, answer);
        break;
      case 'create_memslot':
        this.addMemslot(op.spec);
        break;
      case 'delete_memslot':
        tables.deleteMemslot(this.slots.byId(op.slot));
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
    this.slots.add(spec, this.holdsTables(spec.baseGfn, spec.npages), this.memory.frameLimit);
  }

  private getDirtyLog(slot: Memslot, answer: HostAnswer | undefined): void {
    this.dirtyLog.get(slot);
    if (answer?.dirty !== undefined) tellDirty(this.slots.readBits, slot, (first, npages) => answer.dirty?.(first, npages));
  }

  private clearDirtyLog(slot: Memslot, firstPage = 0, npages = slot.spec.npages): void {
    this.dirtyLog.clear(slot, firstPage, npages);
  }

  private age({ slot, start, end }: SlotRange, how: Aging & { readonly test?: boolean }, answer: HostAnswer | undefined): void {
    const { tables } = this;
    const young = how.test === true ? tables.testYoung?.(start, end, how.pageByPage) : tables.age(slot, start, end, how);
    if (young !== undefined) answer?.young?.(young);
  }

  /** The host drops pages (MADV_DONTNEED). */
  private unmap({ slot, start, end }: SlotRange): void {
    const { tables, slots } = this;
    tables.invalidate(slot, start, end, () => {
      for (const broken of dropPages(slots.hostStates, slots.geometry, slot.spec, { start, end })) tables.invalidate(slot, broken.start, broken.end);
    });
  }

  private range(op: { readonly slot: number; readonly firstPage?: number; readonly npages?: number }): SlotRange {
    const slot = this.slots.byId(op.slot);
    const start = Math.min(slot.end, slot.base + (op.firstPage ?? 0));
    return { slot, start, end: Math.min(slot.end, start + (op.npages ?? slot.spec.npages)) };
  }

  private holdsTables(baseGfn: number, npages: number): boolean {
    const inside = (gfn: number): boolean => gfn >= baseGfn && gfn < baseGfn + npages;
    return this.memory.spaces?.some(space => inside(space.root) || space.tables.some(run => inside(run.gfn))) ?? true;
  }
}

interface SlotRange {
  readonly slot: Memslot;
  readonly start: number;
  readonly end: number;
}
