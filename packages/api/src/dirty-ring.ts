/**
 * Dirty rings beside dirty bitmaps: what a VM asks for, and whose rings user space collects when one is full.
 */

/** What a backend declares among its operations (`BackendDefinition.operations`) when its VMs can have dirty rings: a plan with rings needs it. */
export const DIRTY_RING_OPERATION = 'dirty_ring';

/**
 * KVM_CAP_DIRTY_LOG_RING, as user space enables it before there are vCPUs: pages that vCPUs write under dirty logging go to a ring each, and to no bitmap.
 *
 * Since KVM_RUN does not enter the guest while a ring is soft full (all but the entries the kernel keeps in reserve), user space collects and resets then, at once, and
 * the vCPU goes on.
 */
export interface DirtyRingSpec {
  /** Entries of each vCPU's ring: a power of two. */
  readonly entries: number;
  /** KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP: what no vCPU writes goes to bitmaps beside the rings, which can be read and cleared. Absent: no. */
  readonly withBitmap?: boolean;
  /** Whose ring user space collects when a vCPU comes out with a full one: those of all (absent), or its own. */
  readonly onFull?: 'all' | 'own';
  /** What the user gave and where, for messages: `dirty_log_test: ring_size=7 (-c)`. */
  readonly given?: string;
}
