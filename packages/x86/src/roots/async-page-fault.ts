/**
 * Asynchronous page faults and paging: whether the guest can be told that a page is not there yet, and what a change of CR0.PG does to faults under way.
 *
 * A guest without paging has no use for the notification; up to 5.17 it was sent all the same (patch 3 of the series fixed it). Where it cannot be sent the vCPU is
 * halted until the page is there. A completed fault maps its page in advance, unless the vCPU has meanwhile gone on to other tables. The workloads' guests do not
 * ask for notifications, so nothing here changes their counts.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_can_do_async_pf(), kvm_can_deliver_async_pf(), kvm_arch_async_page_ready(), kvm_post_set_cr0().
 */
import type { GuestCpu } from './guest-state';
import type { RootPolicy } from './root-policy';

/** What the guest and its devices say about notifications. */
export interface AsyncFaultState {
  /** The guest has asked for notifications. */
  readonly enabled: boolean;
  /** It wants them only while in user mode. */
  readonly userOnly: boolean;
  /** Privilege level of the vCPU, 0 to 3. */
  readonly cpl: number;
  /** L1 wants those of its nested guest. */
  readonly nestedOptIn: boolean;
  /** The interrupt controller is in the kernel. */
  readonly irqchip: boolean;
  /** An exception is pending or to be injected again. */
  readonly exceptionPending: boolean;
  /** An interrupt could be delivered now. */
  readonly interruptible: boolean;
  /** HLT does not exit: the vCPU cannot be halted artificially. */
  readonly hltInGuest: boolean;
}

/** What happens to a fault whose page is not there. */
export type AsyncOutcome = 'synchronous' | 'notify' | 'halt';

/** Whether "page not present" can be sent to the guest. */
export function canDeliver(cpu: GuestCpu, state: AsyncFaultState, policy: RootPolicy): boolean {
  if (!state.enabled || (state.userOnly && state.cpl === 0)) return false;
  if (cpu.guestMode) return state.nestedOptIn;
  return cpu.paging || !policy.asyncFaultsNeedPaging;
}

/** What becomes of a fault whose page the host has to fetch first. */
export function outcomeOf(cpu: GuestCpu, state: AsyncFaultState, policy: RootPolicy): AsyncOutcome {
  if (!state.irqchip || state.exceptionPending || !state.interruptible) return 'synchronous';
  const deliverable = canDeliver(cpu, state, policy);
  if (state.hltInGuest && !deliverable) return 'synchronous';
  return deliverable ? 'notify' : 'halt';
}

/** What a change of CR0.PG does: the queue of completed faults is cleared (up to 6.0), or the guest is told that it may look again. */
export function afterPagingChange(cpu: GuestCpu, state: AsyncFaultState, policy: RootPolicy): 'cleared' | 'ready' | 'nothing' {
  if (policy.asyncFaultsClearedByPg) return 'cleared';
  return cpu.paging && state.enabled ? 'ready' : 'nothing';
}

/** Whether the page of a completed fault is still worth mapping. @param at whether roots were direct, and CR3, when the fault began */
export function isStillWanted(
  at: { readonly direct: boolean; readonly pgd: number },
  now: { readonly direct: boolean; readonly pgd: number },
): boolean {
  return at.direct === now.direct && (now.direct || at.pgd === now.pgd);
}
