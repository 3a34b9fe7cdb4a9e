/**
 * Capabilities that the user space of a VM enables before it has a vCPU (`VmLayout.capabilities`), as changes of the VM's policy.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_vm_ioctl_enable_cap(): KVM_CAP_VM_DISABLE_NX_HUGE_PAGES, KVM_CAP_DISABLE_QUIRKS2.
 */
import type { OperationDef, VmLayout } from '@mmulab/api';
import type { X86World } from './vm-parts';

const DISABLE_NX = 'disable_nx_huge_pages';
const DISABLE_SLOT_ZAP_ALL = 'disable_slot_zap_all';

/** The capabilities, to be declared among the operations. */
export const x86Capabilities: readonly OperationDef[] = [
  { name: DISABLE_NX, doc: 'A VM that opts out of the NX workaround before it has a vCPU (KVM_CAP_VM_DISABLE_NX_HUGE_PAGES, 6.0).' },
  { name: DISABLE_SLOT_ZAP_ALL, doc: 'A VM that disables KVM_X86_QUIRK_SLOT_ZAP_ALL (6.12): as the option slot_zap_all=N.' },
];

/** The world of a VM with its capabilities. */
export function worldWith(world: X86World, { capabilities = [] }: VmLayout): X86World {
  const changed = capabilities.includes(DISABLE_NX) ? withoutNx(world) : world;
  if (!capabilities.includes(DISABLE_SLOT_ZAP_ALL)) return changed;
  return { ...changed, policy: { ...changed.policy, slotZapAll: false } };
}

/** The workaround is off for the VM, whatever becomes of the module parameter; the recovery worker finds nothing to do there. */
function withoutNx(world: X86World): X86World {
  const { policy, shadowPolicy } = world;
  const nxRecovery = { ...policy.nxRecovery, enabled: false };
  return { ...world, policy: { ...policy, nxHugePages: false, nxOptedOut: true, nxRecovery }, shadowPolicy: { ...shadowPolicy, nxHugePages: false } };
}
