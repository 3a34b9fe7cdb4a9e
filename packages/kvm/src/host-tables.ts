/**
 * What host operations ask of an architecture, and what they know of the guest.
 */
import type { GuestTables } from '@mmulab/api';
import type { Memslot } from './memslot';

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
  /** Which slots are logged has changed. */
  logChanged?(): void;
  /** KVM_PRE_FAULT_MEMORY of frames [start, end) by a vCPU. Absent: there is none. */
  preFault?(vcpu: number, slot: Memslot, start: number, end: number): void;
  /** The NX workaround is switched on or off. Absent: there is none. */
  setNxHugePages?(on: boolean): void;
  readonly recovery?: RecoveryWorker | undefined;
}

/** Where guest memory ends, and where the guest keeps its page tables. */
export interface GuestMemory {
  /** First frame beyond guest memory. */
  readonly frameLimit: number;
  readonly pageBytes: number;
  /** Address spaces whose table pages lie in memslots; undefined: any slot may hold some. */
  readonly spaces: readonly GuestTables[] | undefined;
}
