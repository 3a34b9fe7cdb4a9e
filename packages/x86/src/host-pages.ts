/**
 * The host page behind a frame, as a fault that no other interleaves with resolves it: with the MMU notifier's calls that the host's own fault makes on its way.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_faultin_pfn(); virt/kvm/kvm_main.c hva_to_pfn(). Hot path.
 */
import type { HostFault } from '@mmulab/api';
import { HostPage, countHostWork, countShared, hostWork, notifiedWork } from '@mmulab/kvm';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { X86Vm } from './x86-vm';

/** Host pages of one VM. */
export class HostPages {
  /** Whether one was resolved since this was last reset. */
  asked = false;

  constructor(
    private readonly slots: Memslots,
    private readonly vm: Pick<X86Vm, 'invalidate'>,
  ) {}

  /** The host faults on a page, with the notifier calls that entails. @returns a `HostPage`; that of a read-only page outside all slots, and for a write to a read-only slot, which goes to user space */
  resolve(slot: Memslot | undefined, gfn: number, write: boolean): number {
    if (slot === undefined || (write && slot.spec.readonly)) return HostPage.ReadOnly;
    this.asked = true;
    const fault = this.slots.hostFault(slot, gfn, write);
    if (!fault.ok) return HostPage.Failed;
    if (fault.notifications.length !== 0) this.notify(slot, gfn, fault);
    const state = this.slots.hostStates.get(gfn);
    if (state !== fault.state) this.change(slot, gfn, state, fault);
    return fault.writable && !slot.spec.readonly ? HostPage.Writable : HostPage.ReadOnly;
  }

  /** The page becomes what the fault makes of it. @param state before */
  private change(slot: Memslot, gfn: number, state: number, fault: HostFault): void {
    countHostWork(this.slots, hostWork(slot, state, fault));
    countShared(this.slots, slot, state, fault);
    this.slots.setHostState(slot, gfn, fault.spanLevel, fault.state);
  }

  private notify(slot: Memslot, gfn: number, fault: HostFault): void {
    for (const notification of fault.notifications) {
      const span = this.slots.geometry.pagesAt(notification.level);
      const base = gfn - (gfn % span);
      countHostWork(this.slots, notifiedWork(slot, notification));
      this.vm.invalidate(slot, Math.max(base, slot.spec.baseGfn), Math.min(base + span, slot.end));
      this.slots.setHostState(slot, gfn, notification.level, notification.state);
    }
  }
}
