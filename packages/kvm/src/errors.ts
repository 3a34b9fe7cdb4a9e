/**
 * Errors that every KVM raises, by code.
 */
import { InvariantError, MmulabError } from '@mmulab/api';

/** FAULT_LIVELOCK: one access faulted without end. */
export function livelock(gfn: number, level: number, entry: string): InvariantError {
  return new InvariantError('FAULT_LIVELOCK', 'an access faults again and again', gfn, level, entry);
}

/** GUEST_UNMAPPED: a workload touched a virtual frame its page tables do not map. */
export function guestUnmapped(vfn: number): MmulabError {
  return new MmulabError('GUEST_UNMAPPED', `guest frame 0x${vfn.toString(16)}: not mapped by the guest's page tables`);
}

/** MMU_NOT_CREATED: a backend is used before its VM is created. */
export function notCreated(): InvariantError {
  return new InvariantError('MMU_NOT_CREATED', 'the backend is used before its VM is created', 0, 0, '');
}

/** VM_BAD_SLOT: two memslots share guest frames, or one ends beyond guest memory. */
export function badSlot(id: number, why: string): MmulabError {
  return new MmulabError('VM_BAD_SLOT', `memslot ${id}: ${why}`);
}

/** VM_UNKNOWN_OPERATION: a host operation of another architecture. */
export function unknownOperation(op: string): MmulabError {
  return new MmulabError('VM_UNKNOWN_OPERATION', `${op}: not a host operation of this VM`);
}

/** VM_UNKNOWN_SLOT: a host operation on a memslot the VM does not have. */
export function unknownSlot(id: number, known: readonly number[]): MmulabError {
  return new MmulabError('VM_UNKNOWN_SLOT', `memslot ${id}: not a slot of this VM (known: ${known.join(', ')})`);
}
