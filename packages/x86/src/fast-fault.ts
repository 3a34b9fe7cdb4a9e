/**
 * Which faults are tried without a lock first, in either MMU.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c page_fault_can_be_fast().
 */
import { AccessKind } from '@mmulab/api';

// Bound here: a name that another package re-exports is a call of a getter.
const { Write, Exec } = AccessKind;

/** Switches of that choice. */
export interface FastFaultPolicy {
  /** Tried on all faults but those of execution on a present entry. */
  readonly fastForAll: boolean;
  readonly adBits: boolean;
}

/**
 * Whether the lockless path may have something to fix (page_fault_can_be_fast): a write to a present entry, and without A and D bits one that is
 * access-tracked. Kernels to 5.18 took EPT alone for a sign of access tracking.
 * @param denied the entry is present and does not allow the access
 */
export function isFastEligible(policy: FastFaultPolicy, kind: number, denied: boolean): boolean {
  if (policy.fastForAll) return !(denied && kind === Exec);
  return denied ? kind === Write : !policy.adBits;
}
