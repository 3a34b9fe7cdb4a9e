/**
 * What the host does to the tables: MMU notifiers, memslots that go, dirty logging.
 *
 * Models: Linux arch/riscv/kvm/mmu.c kvm_unmap_gfn_range(), kvm_age_gfn(), kvm_arch_flush_shadow_memslot(), kvm_arch_mmu_enable_log_dirty_pt_masked(),
 * kvm_riscv_mmu_free_pgd().
 */
import type { Aging, HostTables, LoggedTables, Memslot, Memslots, SeenTables } from '@mmulab/kvm';
import type { Policy } from './definition';
import { Ev } from './events';
import type { FaultPath } from './fault-path';
import type { FenceRings } from './fence-rings';
import type { Gstage } from './gstage';

export class HostSide implements HostTables {
  /** Dirty logging: pages stay protected until they are written, also when it stops. Words go one by one: the fences they ask for hang on the rings. */
  readonly logTables: LoggedTables = {
    start: (slot, initiallySet) => {
      if (initiallySet) return;
      this.slots.work.lock('write');
      this.gstage.protect(slot.base, slot.end);
      if (!this.policy.rangeFence) this.rings.flushAll();
    },
    stop: () => undefined,
    committed: (slot, initiallySet) => this.logTables.start(slot, initiallySet),
    taker: () => ({ word: (first, last) => this.gstage.protect(first, last + 1) }),
    run: (words, _slot, start, end) => words.block(start, end),
    flushAll: () => this.rings.flushAll(),
    flush: ({ spec }) => (this.policy.rangeFence ? this.rings.request(spec.npages, spec.npages, 1) : this.rings.flushAll()),
  };

  /** @param seen pages of the guest's tables that need no touch */
  constructor(
    private readonly slots: Memslots,
    private readonly gstage: Gstage,
    private readonly rings: FenceRings,
    private readonly path: FaultPath,
    private readonly policy: Policy,
    private readonly seen: SeenTables,
  ) {}

  invalidate(slot: Memslot, start: number, end: number, change?: () => void): void {
    this.path.actFor(-1, slot.spec.id);
    this.path.invalidate(slot, start, end, change);
  }

  /** Each call looks at the leaf of its first page only. @returns how many were young */
  age(slot: Memslot, start: number, end: number, { pageByPage }: Aging): number {
    if (slot.holdsGuestTables) this.seen.forget();
    let young = 0;
    for (let gfn = start; gfn < (pageByPage ? end : start + 1); gfn++) young += this.gstage.age(gfn) ? 1 : 0;
    return young;
  }

  deleteMemslot(slot: Memslot): void {
    this.slots.work.lock('write');
    this.gstage.unmap(slot.base, slot.end);
    this.seen.forget();
    this.slots.remove(slot);
  }

  zapAll(): void {
    for (const slot of this.slots.all) {
      this.slots.work.lock('write');
      this.gstage.unmap(slot.base, slot.end);
    }
    this.seen.forget();
  }

  /** Test programs unmap their memory before they let go of the VM: the leaves go through the notifier, and what it left with the root. */
  destroy(): void {
    let isLeft = false;
    for (const slot of this.slots.all) {
      this.path.actFor(-1, slot.spec.id);
      this.invalidate(slot, slot.base, slot.end);
      isLeft = this.gstage.clear(slot.base, slot.end) || isLeft;
    }
    this.path.actFor(-1, 0);
    isLeft = this.gstage.clear(0, this.gstage.geometry.limit) || isLeft;
    if (isLeft) this.rings.flushAll();
    this.gstage.destroy();
  }

  /** Bits in the bitmap that user space is about to get. */
  countBitmap({ base, spec }: Memslot): void {
    this.path.add(Ev.bitsRead, this.slots.dirtyBits.countNonZero(base, spec.npages));
  }
}
