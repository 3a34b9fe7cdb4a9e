/**
 * How a page fault ended, in either MMU.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu_internal.h RET_PF_*.
 */

/** Continue: the path goes on. */
export const RetPf = { Continue: 0, Retry: 1, Emulate: 2, Invalid: 3, Fixed: 4, Spurious: 5 } as const;
export type RetPf = (typeof RetPf)[keyof typeof RetPf];
