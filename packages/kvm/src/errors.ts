/**
 * Errors that every KVM raises, by code.
 */
import { MmulabError } from '@mmulab/api';

/** GUEST_UNMAPPED: a workload touched a virtual frame its page tables do not map. */
export function guestUnmapped(vfn: number): MmulabError {
  return new MmulabError('GUEST_UNMAPPED', `guest frame 0x${vfn.toString(16)}: not mapped by the guest's page tables`);
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
