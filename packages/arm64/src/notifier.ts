/**
 * MMU notifiers: the host takes pages away or replaces them, and stage 2 follows.
 *
 * A pair of calls surrounds the host's change: the first counts up the invalidations in progress and unmaps, the second counts up the sequence. Whoever sampled the
 * sequence before the second, or finds one in progress, must not map: the page it resolved may be gone. Up to 6.9 a copy-on-write then hands over
 * the copy (change_pte), which is mapped read-only, with no memory cache to take tables from.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_unmap_gfn_range(), kvm_set_spte_gfn(), kvm_age_gfn(); virt/kvm/kvm_main.c
 * kvm_mmu_notifier_invalidate_range_start(), kvm_mmu_notifier_invalidate_range_end(), kvm_mmu_notifier_change_pte().
 */
import type { Counters } from '@mmulab/api';
import { Ev } from './events';
import { MapStep, mapStep } from './map';
import type { Memslots } from '@mmulab/kvm';
import { Cause } from './mm-ops';
import type { Stage2Policy } from './policy';
import type { Stage2Tables } from './stage2-tables';

/** MMU notifiers of one VM. */
export class MmuNotifier {
  constructor(
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly counters: Counters,
    private readonly policy: Stage2Policy,
  ) {}

  /** invalidate_range_start: unmaps frames [start, end) of a slot. */
  start(start: number, end: number): void {
    this.slots.invalidations.begin();
    this.tables.inChunks(start, end, (from, to) => this.tables.unmap(from, to));
  }

  /** invalidate_range_end. */
  end(): void {
    this.slots.invalidations.end();
  }

  /** change_pte: the host has replaced the page at a frame. */
  changePte(gfn: number): void {
    this.add(Ev.changePte);
    this.slots.work.lock('write');
    const { tables } = this;
    const { mm, mapOp } = tables;
    mm.cause = Cause.ChangePte;
    if (!this.policy.walkerCmo) mm.cleanDcache(gfn, 1, 1);
    mapOp.goal = 1;
    mapOp.attr = tables.attrs.leaf(false, false, false);
    mapOp.memcache = false;
    mapOp.shared = false;
    const step = mapStep(tables.map(gfn));
    if (step === MapStep.New || step === MapStep.Replaced) tables.makeLeaf(gfn, 1, mapOp.attr);
    else this.add(Ev.changePteFailed);
    mapOp.memcache = true;
    mm.cause = Cause.Map;
  }

  /** Aging of frames [start, end), at once or page by page. @param flush whether young leaves are flushed (clear_flush_young) @returns young leaves */
  age(start: number, end: number, pageByPage: boolean, flush: boolean): number {
    const young = this.tables.age(start, end, pageByPage ? end - start : 1);
    if (!flush) return young;
    // Page by page each young leaf is found by the first call that meets it, and flushed.
    const flushes = pageByPage ? young : Math.min(1, young);
    for (let i = 0; i < flushes; i++) this.tables.tlb.vmid();
    return young;
  }

  /** Looks whether frames [start, end) are young (test_young): changes nothing. */
  testYoung(start: number, end: number, pageByPage: boolean): void {
    const now = this.counters.now;
    now[Ev.ageTest] = now[Ev.ageTest] + (pageByPage ? end - start : 1);
  }

  private add(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }
}
