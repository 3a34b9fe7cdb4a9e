/**
 * The MMU notifier's state: invalidations in progress, and how many have ended.
 *
 * A pair of calls surrounds what the host does to its pages: the first counts up those in progress and takes mappings away, the second counts up the
 * sequence. Who resolved a page before the second call, or finds one in progress, must not map it: the page may be gone. The pair is one for the whole VM.
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_mmu_invalidate_begin(), kvm_mmu_invalidate_end(); include/linux/kvm_host.h mmu_invalidate_retry(). Hot path.
 */

/** Told of notifier calls: each takes mmu_lock for writing. */
export interface NotifierCounts {
  /** A pair of calls begins. */
  begun(): void;
  /** It ends. */
  ended(): void;
}

/** Invalidations of one VM. */
export class InvalidateSequence {
  /** Calls that have ended (mmu_invalidate_seq). */
  ended = 0;
  /** Calls that have begun and not ended (mmu_invalidate_in_progress). */
  inProgress = 0;

  /** @param counts absent: nobody counts the calls */
  constructor(private readonly counts?: NotifierCounts) {}

  /** invalidate_range_start. */
  begin(): void {
    this.counts?.begun();
    this.inProgress++;
  }

  /** invalidate_range_end. */
  end(): void {
    this.counts?.ended();
    this.ended++;
    this.inProgress--;
  }

  /** Whether a page resolved when `sampled` calls had ended may be gone: the fault has to be dropped and made again. */
  mustRetry(sampled: number): boolean {
    return this.inProgress > 0 || this.ended !== sampled;
  }
}
