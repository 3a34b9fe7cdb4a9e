/**
 * TLB invalidations of one VM, as they are counted.
 *
 * By IPA (broadcast, or local to the CPU), for the whole VMID, or for a range. A range needs FEAT_TLBIRANGE: it is cut into pieces of at most 2^21 pages; without
 * the feature the whole VMID is invalidated once.
 *
 * Models: Linux arch/arm64/kvm/hyp/vhe/tlb.c, arch/arm64/kvm/mmu.c kvm_flush_remote_tlbs(), arch/arm64/kvm/hyp/pgtable.c kvm_tlb_flush_vmid_range().
 */
import type { Counters } from '@mmulab/api';
import { Ev } from './events';

/** Pages one range invalidation covers at most (MAX_TLBI_RANGE_PAGES). */
const MAX_RANGE_PAGES = 2 ** 21;

/** Switches of TLB invalidation. */
export interface TlbiPolicy {
  readonly tlbiRange: boolean;
  readonly tableFlushRange: boolean;
  readonly slotFlushRange: boolean;
}

export class TlbInvalidations {
  constructor(
    private readonly counters: Counters,
    private readonly policy: TlbiPolicy,
  ) {}

  /** By IPA, broadcast. */
  ipa(count: number): void {
    this.add(Ev.tlbiIpa, count);
  }

  /** By IPA, on this CPU only. */
  ipaLocal(count: number): void {
    this.add(Ev.tlbiIpa, count);
    this.add(Ev.tlbiIpaLocal, count);
  }

  /** A table of `npages` gives way to a block. */
  table(npages: number): void {
    if (this.policy.tableFlushRange) this.range(npages);
    else this.add(Ev.tlbiVmid, 1);
  }

  /** A memslot is flushed. Kernels that flush the whole VMID count a request. */
  slot(npages: number): void {
    if (this.policy.slotFlushRange) this.range(npages);
    else this.vmid();
  }

  /** kvm_flush_remote_tlbs. */
  vmid(): void {
    this.add(Ev.remoteTlbFlushRequests, 1);
    this.add(Ev.tlbiVmid, 1);
  }

  /** A range, where the CPU can. */
  range(npages: number): void {
    if (this.policy.tlbiRange) this.add(Ev.tlbiRange, Math.ceil(npages / MAX_RANGE_PAGES));
    else this.add(Ev.tlbiVmid, 1);
  }

  private add(index: number, amount: number): void {
    const now = this.counters.now;
    now[index] = now[index] + amount;
  }
}
