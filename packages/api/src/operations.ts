/**
 * What a backend declares that can be done to its VMs, and what user space sees of it.
 *
 * Every KVM has memslots, dirty logs and MMU notifiers (`COMMON_OPERATIONS`). What only some have, a backend declares by name, and so it does with the registers a
 * guest may write: a plan that needs more than its backend has is refused before it runs.
 */
import type { OptionValue } from './options';

/** Host operations that every backend has. */
export const COMMON_OPERATIONS: readonly string[] = [
  'manual_protect',
  'set_dirty_log',
  'get_dirty_log',
  'clear_dirty_log',
  'kvm_write',
  'unmap',
  'age',
  'protect',
  'madvise',
  'host_access',
  'fork',
  'child_exit',
  'idle',
  'create_memslot',
  'delete_memslot',
  'move_memslot',
  'set_memslot_flags',
  'destroy_vm',
];

/** A host operation beyond the common ones. */
export interface OperationDef {
  /** As in `HostOp.op`; a backend's own are called `ARCH.NAME`. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** The backend has it only with that value of one of its options, as kernels have from a release on. Absent: always. */
  readonly needs?: { readonly option: string; readonly value: OptionValue; readonly from: string };
}

/** The values of one field of a register write: those there are, or any whole number from 0 on. */
export type RegisterField = readonly (string | number | boolean)[] | 'number';

/** A register that the guest may write. */
export interface RegisterDef {
  /** As in `ControlWrite.register`; a backend's own are called `ARCH.NAME`. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** Fields of a write beside the register's name: `{ value: [0, 1, 'toggle'] }`. */
  readonly fields: Readonly<Record<string, RegisterField>>;
  /** Those of them that may be left out. */
  readonly optional?: readonly string[];
}

/** Where what user space would see of a host operation goes: whoever wants it hands one in. */
export interface HostAnswer {
  /** KVM_GET_DIRTY_LOG: the bits of pages [firstPage, firstPage + npages) of the slot are set. In ascending order; pages nobody is told of are clean. */
  dirty?(firstPage: number, npages: number): void;
  /**
   * `collect_dirty_rings`: pages [firstPage, firstPage + npages) of a memslot were in entries that user space has taken since it was last told, whether now or because a
   * ring was full. Ascending, each page once.
   */
  collected?(slot: number, firstPage: number, npages: number): void;
  /** `collect_dirty_rings`, `reset_dirty_rings`: so many entries were taken now, or reset (what KVM_RESET_DIRTY_RINGS returns). */
  ringEntries?(count: number): void;
  /** Aging: so many of the leaves asked about were young. Told once per operation. */
  young?(leaves: number): void;
}
