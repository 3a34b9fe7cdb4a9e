/**
 * Kinds of steps that a reader jumps to, by the counters that tell of them.
 */
import type { EventDef } from '@mmulab/api';

/** What a step may be jumped to for. */
export const STEP_CLASSES = ['fault', 'split', 'zap', 'flush'] as const;
export type StepClass = (typeof STEP_CLASSES)[number];

/** Names of the counters that belong to a class, of all backends; a plugin's own are found by the same words. */
const COUNTERS: Readonly<Record<StepClass, RegExp>> = {
  fault: /^(page_fault|guest_abort)$/,
  split: /^(spte\.split\.|split\.|huge_split\.|eager_split$)/,
  zap: /^(spte\.zap\.|table\.zap$|mmu_shadow_zapped$|stage2\.unmap$)/,
  flush: /^(remote_tlb_flush_requests$|tlb_flush$|tlbi\.)/,
};

/** Indices of the counters of each class. */
export function stepClassesOf(events: readonly EventDef[]): Readonly<Record<StepClass, readonly number[]>> {
  const indices = (of: StepClass): readonly number[] =>
    events.flatMap(({ name, unit }, index) => (COUNTERS[of].test(name) && unit !== 'bytes' ? [index] : []));
  return { fault: indices('fault'), split: indices('split'), zap: indices('zap'), flush: indices('flush') };
}
