/**
 * What the tests of memslots have to know of a KVM: how many memslots a VM may have, which counter tells that an access came to user space, and whether a memslot that
 * goes takes all mappings along.
 *
 * Models: Linux arch/x86/include/asm/kvm_host.h, arch/arm64/include/asm/kvm_host.h (KVM_USER_MEM_SLOTS); KVM_CAP_DISABLE_QUIRKS2.
 */
import type { VmLayout, WorkloadRequest } from '@mmulab/api';
import { notOnArch, testNeeds } from './errors';
import { isBeforeRelease } from './kernel-release';

/** KVM_CAP_NR_MEMSLOTS: since 5.12 what fits a short, less three of KVM's own on x86; 509 and 512 before. */
export function mostMemslots(arch: string, kernel: string | undefined): number {
  const isOld = isBeforeRelease(kernel, [5, 12, 0]);
  if (arch === 'x86') return isOld ? 509 : 32764;
  return isOld ? 512 : 32767;
}

const MMIO_COUNTERS: Readonly<Record<string, string>> = { x86: 'pf_emulate', arm64: 'guest_abort.mmio' };

/** The counter of accesses that no memslot has an answer to; undefined where none is known. */
export function mmioCounter(arch: string): string | undefined {
  return MMIO_COUNTERS[arch];
}

/** KVM_X86_QUIRK_SLOT_ZAP_ALL, as far as a VM disables it. @throws MmulabError WORKLOAD_NOT_ON_ARCH, WORKLOAD_TEST_NEEDS */
export function slotZapCapabilities(workload: string, { machine, kernel }: WorkloadRequest, isDisabled: boolean): Pick<VmLayout, 'capabilities'> {
  if (!isDisabled) return {};
  if (machine.arch !== 'x86') throw notOnArch(workload, machine.arch, 'x86 (with -q)');
  if (isBeforeRelease(kernel, [6, 12, 0])) throw testNeeds(workload, 'KVM_X86_QUIRK_SLOT_ZAP_ALL', 'it came with 6.12', `kernel ${kernel ?? ''}`);
  return { capabilities: ['disable_slot_zap_all'] };
}
