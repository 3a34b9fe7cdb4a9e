/**
 * Errors that every KVM raises, by code.
 */
import { InvariantError, KvmRunFailure, MmulabError, type DirtyRingSpec } from '@mmulab/api';

/** DIRTY_RING_NO_BITMAP: the dirty log of a VM is read, cleared or written for no vCPU that has rings instead. */
export function noBitmap(what: string, slot: number): MmulabError {
  return new MmulabError('DIRTY_RING_NO_BITMAP', `${what} memslot ${slot}: the VM has dirty rings and no bitmaps (expected collect_dirty_rings)`);
}

/** DIRTY_RING_OFF: rings are asked of a VM that has none. */
export function noRings(op: string): MmulabError {
  return new MmulabError('DIRTY_RING_OFF', `${op}: the VM has no dirty rings (expected a layout with dirtyRing)`);
}

/** DIRTY_RING_SIZE: the kernel refuses rings of that size. */
export function badRingSize({ entries, given }: DirtyRingSpec, least: number, most: number): MmulabError {
  const from = given === undefined ? '' : `${given}: `;
  return new MmulabError('DIRTY_RING_SIZE', `${from}a dirty ring of ${entries} entries: expected a power of two from ${least} to ${most}`);
}

/** DIRTY_RING_UNSUPPORTED: the kernel does not have what was asked for. */
export function ringUnsupported(what: string, capability: string): MmulabError {
  return new MmulabError('DIRTY_RING_UNSUPPORTED', `${what}: this kernel has no ${capability}`);
}

/** FAULT_LIVELOCK: one access faulted without end. */
export function livelock(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('FAULT_LIVELOCK', 'an access faults again and again', gfn, level, entry);
}

/** GUEST_UNMAPPED: a workload touched a virtual frame its page tables do not map. */
export function guestUnmapped(vfn: number): MmulabError {
  return new MmulabError('GUEST_UNMAPPED', `guest frame 0x${vfn.toString(16)}: not mapped by the guest's page tables`);
}

/** KVM_RUN_FAILED with EFAULT: the process has no page that the guest could have, or may not write to it itself. */
export function noHostPage(vcpu: number, gfn: number, write: boolean): KvmRunFailure {
  return new KvmRunFailure({ errno: 'EFAULT', vcpu, gfn }, `the host has no page there that the guest may ${write ? 'write' : 'read'}`);
}

/** MMU_NOT_CREATED: a backend is used before its VM is created. */
export function notCreated(): InvariantError {
  return new InvariantError('MMU_NOT_CREATED', 'the backend is used before its VM is created', 0, 0, '');
}

/** VM_BAD_SLOT: two memslots share guest frames, or one ends beyond guest memory. */
export function badSlot(id: number, why: string): MmulabError {
  return new MmulabError('VM_BAD_SLOT', `memslot ${id}: ${why}`);
}

/** VM_HOST_ACCESS: the process touches memory of its own that it may not touch, and would die of it. */
export function hostAccessFailed(slot: number, page: number, write: boolean, state: string): MmulabError {
  const access = write ? 'writes' : 'reads';
  return new MmulabError('VM_HOST_ACCESS', `memslot ${slot}: the host ${access} page ${page}, which it may not (${state}): SIGSEGV`);
}

/** VM_HOST_REFUSED: the kernel refuses an operation on memory of that kind. */
export function hostRefused(op: string, why: string): MmulabError {
  return new MmulabError('VM_HOST_REFUSED', `${op}: ${why}`);
}

/** VM_UNKNOWN_OPERATION: a host operation of another architecture. */
export function unknownOperation(op: string): MmulabError {
  return new MmulabError('VM_UNKNOWN_OPERATION', `${op}: not a host operation of this VM`);
}

/** VM_UNKNOWN_SLOT: a host operation on a memslot the VM does not have. */
export function unknownSlot(id: number, known: readonly number[]): MmulabError {
  return new MmulabError('VM_UNKNOWN_SLOT', `memslot ${id}: not a slot of this VM (known: ${known.join(', ')})`);
}
