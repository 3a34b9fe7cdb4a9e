/**
 * The dirty rings of an x86 VM, where its user space asks for them.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_vm_ioctl_check_extension(), kvm_cpu_dirty_log_size(); arch/x86/kvm/vmx/vmx.c vmx_flush_pml_buffer().
 */
import type { VmLayout } from '@mmulab/api';
import { DirtyRings, type Memslots } from '@mmulab/kvm';
import { Ev } from './events';
import { PML_ENTRIES } from './log-span';
import type { X86World } from './vm-parts';

const PAGE_BYTES = 4096;

/** @throws DIRTY_RING_SIZE, DIRTY_RING_UNSUPPORTED */
export function ringsOf(
  { policy, rootPolicy, counters, engines }: X86World,
  { dirtyRing, vcpus }: VmLayout,
  slots: Memslots,
): DirtyRings | undefined {
  if (dirtyRing === undefined) return undefined;
  const support = {
    rings: policy.dirtyRing,
    withBitmap: false,
    pageSizeBytes: PAGE_BYTES,
    cpuLogEntries: policy.pml && rootPolicy.tdp ? PML_ENTRIES : 0,
    newestFirst: policy.pmlNewestFirst,
    events: Ev.rings,
  };
  return new DirtyRings(dirtyRing, vcpus, support, slots, counters, engines);
}
