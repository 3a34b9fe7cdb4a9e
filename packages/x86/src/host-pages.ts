/**
 * The host page behind a frame, as both MMUs' faults resolve it: with the MMU notifier's calls that the host's own fault makes on its way.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_faultin_pfn(); virt/kvm/kvm_main.c hva_to_pfn(). Hot path.
 */
import type { HostFault } from '@mmulab/api';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { X86Vm } from './x86-vm';

/** What resolving the host page came to, when not simply to a read-only page. */
export const HostPage = { Writable: 1, Failed: 2 } as const;

/** Host pages of one VM. */
export class HostPages {
  /** Whether one was resolved since this was last reset. */
  asked = false;

  constructor(
    private readonly slots: Memslots,
    private readonly vm: Pick<X86Vm, 'invalidate'>,
  ) {}

  /** The host faults on a page, with the notifier calls that entails. @returns bits of HostPage; 0 outside all slots, and for a page that is read-only */
  resolve(slot: Memslot | undefined, gfn: number, write: boolean): number {
    if (slot === undefined) return 0;
    this.asked = true;
    const fault = this.slots.hostFault(slot, gfn, write);
    if (!fault.ok) return HostPage.Failed;
    if (fault.notifications.length !== 0) this.notify(slot, gfn, fault);
    if (this.slots.hostStates.get(gfn) !== fault.state) this.slots.setHostState(slot, gfn, fault.spanLevel, fault.state);
    return fault.writable && !slot.spec.readonly ? HostPage.Writable : 0;
  }

  private notify(slot: Memslot, gfn: number, fault: HostFault): void {
    for (const notification of fault.notifications) {
      const span = this.slots.geometry.pagesAt(notification.level);
      const base = gfn - (gfn % span);
      this.vm.invalidate(slot, Math.max(base, slot.spec.baseGfn), Math.min(base + span, slot.end));
      this.slots.setHostState(slot, gfn, notification.level, notification.state);
    }
  }
}
