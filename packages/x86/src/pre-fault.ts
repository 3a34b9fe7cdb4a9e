/**
 * KVM_PRE_FAULT_MEMORY of one vCPU: fault after fault over a range, each as far as the page goes that it mapped.
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_vcpu_pre_fault_memory(), arch/x86/kvm/mmu/mmu.c kvm_arch_vcpu_pre_fault_memory().
 */
import { PAGES_PER_LEVEL } from '@mmulab/api';
import type { Memslot } from '@mmulab/kvm';
import { preFaultRefused } from './errors';
import type { VcpuRoots } from './roots/vcpu-roots';

/** Faults of an MMU without an access. */
export interface PreFaultPath {
  /** @returns level of the page that is mapped then */
  preFault(vcpu: number, slot: Memslot, gfn: number): number;
}

/** Maps [start, end) of a slot. @throws VM_PRE_FAULT while the vCPU runs its nested guest */
export function preFaultRange(path: PreFaultPath, roots: VcpuRoots, vcpu: number, slot: Memslot, start: number, end: number): void {
  for (let gfn = start; gfn < end;) {
    if (roots.isNested(vcpu)) throw preFaultRefused('it runs its nested guest');
    roots.reload(vcpu);
    const span = PAGES_PER_LEVEL[path.preFault(vcpu, slot, gfn)];
    gfn += span - (gfn % span);
  }
}
