/**
 * Single accesses by memory of what they do (KnownTouches of @mmulab/kvm).
 *
 * On small pages a fault is decided by the entry and the host page, and where a logged page only gets its right back, by the entry and its dirty bit; and it must owe
 * nothing at its next entry. A fence goes into rings, which are no part of what is remembered. So it is remembered only while the rings are calm: then each vCPU serves it at
 * once, it leaves them as it found them, and what it comes to is added when counts are read. Where dirty rings are to hear of each page nothing is known. Hot path: `touch`.
 *
 * Whoever calls the backend for anything else says so (`forget`): vCPUs that come and go, accesses in stages, runs, and all that is asked of the host.
 */
import type { AccessBatch, AccessKind, Counters } from '@mmulab/api';
import { KnownTouches } from '@mmulab/kvm';
import type { GuestAccesses, GuestLayout, Memslot, Memslots, Stretch, Surveyor } from '@mmulab/kvm';
import { MORE, PageOutcomes, Version } from '@mmulab/pgtable';
import type { PageCache, PageProgram } from '@mmulab/pgtable';
import { Ev } from './events';
import type { FaultPath } from './fault-path';
import type { FenceRings } from './fence-rings';
import type { Gstage } from './gstage';

const KINDS = 3;

/** Accesses of one VM's vCPUs. */
export class KnownAccesses implements PageProgram, Surveyor {
  private readonly version = new Version();
  private readonly touches: KnownTouches;
  private readonly outcomes: PageOutcomes[] = [];
  /** Whether the rings were calm, and in which version. */
  private wasCalm = false;
  private calmVersion = -1;

  constructor(
    vcpus: number,
    private readonly pages: PageCache,
    private readonly layout: GuestLayout,
    private readonly slots: Memslots,
    private readonly gstage: Gstage,
    private readonly rings: FenceRings,
    private readonly path: FaultPath,
    private readonly accesses: GuestAccesses,
    private readonly counters: Counters,
  ) {
    this.touches = new KnownTouches(vcpus, pages, this.version, this);
  }

  /** What was known may hold no longer. */
  forget(): void {
    this.version.bump();
  }

  /** An access to a virtual frame, all its faults included. */
  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    if (!this.touches.touch(vcpu, vfn, kind)) this.access(vcpu, vfn, kind);
  }

  /** A batch of accesses, those that are known together. */
  touchAll(batch: AccessBatch): void {
    this.touches.touchAll(batch, (vcpu, vfn, kind) => this.touch(vcpu, vfn, kind));
  }

  /** An access the long way: learns what it does, and looks around. */
  private access(vcpu: number, vfn: number, kind: AccessKind): void {
    try {
      this.accesses.walk(vcpu, vfn, kind);
      const gfn = this.layout.gfnOf(vfn);
      const slot = this.slots.find(gfn);
      if (slot === undefined || !this.isKnown(vcpu, slot) || !this.learn(slot, vcpu, gfn, kind)) this.path.access(vcpu, gfn, kind, 0);
    } catch (error) {
      // A vCPU whose KVM_RUN failed stays out of the guest.
      this.forget();
      throw error;
    }
    this.touches.survey(vcpu, vfn);
  }

  private learn(slot: Memslot, vcpu: number, gfn: number, kind: AccessKind): boolean {
    this.counters.select(vcpu, slot.spec.id);
    return this.pages.access(this.outcomesFor(slot, kind), this.gstage.rootIndex, gfn, vcpu);
  }

  survey(stretch: Stretch, vcpu: number, vfn: number): void {
    const run = this.layout.find(vfn);
    const slot = this.slots.find(vfn + run.gfn - run.vfn);
    stretch.cover(run, slot, vfn);
    stretch.isKnown = slot !== undefined && this.isKnown(vcpu, slot);
    stretch.root = this.gstage.rootIndex;
    stretch.seen = this.accesses.seen;
  }

  outcomesOf(stretch: Stretch, kind: number): PageOutcomes {
    return this.outcomesFor(this.slots.find(stretch.from + stretch.shift) as Memslot, kind);
  }

  perform(vcpu: number, gfn: number, kind: number): number {
    const { pages, slots, counters } = this;
    const slot = slots.find(gfn) as Memslot;
    const seq = slots.invalidations.ended;
    const [exits, fixes, fences] = [Ev.exit, Ev.fixed, Ev.hfence].map(event => counters.now[event]);
    this.path.access(vcpu, gfn, kind, 0);
    const { now } = counters;
    if (now[Ev.exit] === exits) return 0;
    const hostBit = now[Ev.fixed] === fixes ? pages.bitOf(slots.hostStates) : 0;
    const dirtyBit = slot.logged ? pages.bitOf(slots.dirtyBits) : 0;
    const isPlain = (now[Ev.hfence] === fences || this.isCalm) && !slots.invalidations.mustRetry(seq);
    return hostBit | dirtyBit | (isPlain ? 0 : MORE);
  }

  released(outcomes: PageOutcomes, outcome: number, vcpu: number, times: number): void {
    const fences = outcomes.amountOf(outcome, Ev.hfence) * times;
    if (fences > 0) this.rings.countCalm(vcpu, outcomes.scope, fences);
  }

  private isKnown(vcpu: number, slot: Memslot): boolean {
    return slot.isSmall && this.rings.owesNothing(vcpu);
  }

  /** Changes with the version. (Rings that have come to be calm otherwise are found so late.) */
  private get isCalm(): boolean {
    if (this.calmVersion !== this.version.now) {
      this.calmVersion = this.version.now;
      this.wasCalm = this.rings.areCalm();
    }
    return this.wasCalm;
  }

  /** Outcomes count in the scope of their slot. */
  private outcomesFor(slot: Memslot, kind: number): PageOutcomes {
    const key = (slot.index * KINDS + kind) * 4 + (slot.logged ? 2 : 0) + (this.isCalm ? 1 : 0);
    return (this.outcomes[key] ??= new PageOutcomes(this, kind, slot.spec.id));
  }
}
