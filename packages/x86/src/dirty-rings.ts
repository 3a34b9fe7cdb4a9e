/**
 * The dirty rings of an x86 VM, where its user space asks for them.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_vm_ioctl_check_extension(), kvm_cpu_dirty_log_size(); arch/x86/kvm/vmx/vmx.c vmx_flush_pml_buffer().
 */
import type { Counters, VmLayout } from '@mmulab/api';
import { DirtyRings, type Memslots } from '@mmulab/kvm';
import type { EngineFactory } from '@mmulab/pgtable';
import { Ev } from './events';
import { PML_ENTRIES } from './log-span';
import type { X86Policy } from './policy';
import type { RootPolicy } from './roots/root-policy';

const PAGE_BYTES = 4096;

/** What rings hang on. */
interface RingWorld {
  readonly policy: X86Policy;
  readonly rootPolicy: RootPolicy;
  readonly counters: Counters;
  readonly engines: EngineFactory;
}

/** @throws DIRTY_RING_SIZE, DIRTY_RING_UNSUPPORTED */
export function ringsOf(
  { policy, rootPolicy, counters, engines }: RingWorld,
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
