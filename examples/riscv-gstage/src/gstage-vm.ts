/**
 * One VM of the backend: the parts every KVM shares and RISC-V's own, put together once its layout is known.
 */
import type { AccessBatch, AccessKind, Counters, VmLayout } from '@mmulab/api';
import { DirtyLog, DirtyRings, GuestAccesses, GuestLayout, HostOps, Memslots, SideState, touchEach } from '@mmulab/kvm';
import type { EngineFactory } from '@mmulab/pgtable';
import type { Policy } from './definition';
import { gpaBitsTooMany, nestedGuest } from './errors';
import { Ev } from './events';
import { FaultPath } from './fault-path';
import { FenceRings } from './fence-rings';
import { Gstage, geometryOf } from './gstage';
import { HostSide } from './host-side';
import { KnownAccesses } from './known-accesses';

const MAX_LEAF_LEVEL = 3;
const PAGE_BYTES = 4096;

/** Memslots, G-stage, fault path and host operations of one VM. */
export class GstageVm {
  readonly vcpus: number;
  readonly slots: Memslots;
  readonly gstage: Gstage;
  readonly rings: FenceRings;
  readonly dirtyRings: DirtyRings | undefined;
  readonly path: FaultPath;
  readonly accesses: GuestAccesses;
  /** Single accesses by memory, where this run's engines have one and no dirty ring is to hear of each page. */
  private readonly known: KnownAccesses | undefined;
  readonly hostSide: HostSide;
  readonly hostOps: HostOps;

  /** @throws RISCV_GPA_BITS, RISCV_NESTED, VM_BAD_SLOT, DIRTY_RING_SIZE, DIRTY_RING_UNSUPPORTED */
  constructor(layout: VmLayout, policy: Policy, counters: Counters, engines: EngineFactory) {
    const { vcpus, spaces, physBits, nested, memslots, dirtyRing } = layout;
    if (nested !== undefined) throw nestedGuest();
    if (physBits > policy.gpaBits) throw gpaBitsTooMany(physBits, `a G-stage of ${policy.levels} levels`, policy.gpaBits);
    const geometry = geometryOf(policy);
    this.vcpus = vcpus;
    this.slots = new Memslots({
      engines,
      geometry,
      counters,
      maxLeafLevel: MAX_LEAF_LEVEL,
      markPageDirty: Ev.markDirty,
      dirtyBitmapSet: Ev.bitsNew,
      notifierInvalidate: Ev.notifierInvalidate,
      work: Ev.work,
    });
    this.rings = new FenceRings(vcpus, counters);
    if (dirtyRing !== undefined) {
      const support = {
        rings: policy.dirtyRing,
        withBitmap: false,
        pageSizeBytes: PAGE_BYTES,
        cpuLogEntries: 0,
        newestFirst: false,
        events: Ev.dirtyRings,
      };
      this.dirtyRings = new DirtyRings(dirtyRing, vcpus, support, this.slots, counters, engines);
    }
    this.gstage = new Gstage(engines, this.slots, counters, this.rings, policy);
    this.path = new FaultPath(vcpus, this.gstage, this.slots, this.rings, counters, policy, () => this.forgetTables());
    const guest = new GuestLayout(spaces[0]);
    this.accesses = this.makeAccesses(guest);
    this.known = this.makeKnown(guest, counters);
    this.hostSide = new HostSide(this.slots, this.gstage, this.rings, this.path, policy, this.accesses.seen);
    // A memslot must not end at the end of the address space either.
    const frameLimit = 2 ** Math.min(policy.gpaBits, physBits) / PAGE_BYTES - 1;
    this.hostOps = new HostOps(this.slots, new DirtyLog(this.hostSide.logTables, this.slots, this.dirtyRings), this.hostSide, {
      frameLimit,
      pageBytes: PAGE_BYTES,
      spaces,
    });
    for (const spec of memslots) this.hostOps.addMemslot(spec);
  }

  /** Bytes of all table pages that stand. */
  get tableBytes(): number {
    return this.gstage.tables * PAGE_BYTES;
  }

  /** One access, all its faults included. */
  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    if (this.known === undefined) this.accesses.touch(vcpu, vfn, kind);
    else this.known.touch(vcpu, vfn, kind);
  }

  /** A batch of accesses, all their faults included. */
  touchAll(batch: AccessBatch): void {
    if (this.known === undefined) touchEach(batch, (vcpu, vfn, kind) => this.accesses.touch(vcpu, vfn, kind));
    else this.known.touchAll(batch);
  }

  /** More than single accesses is to come: what is known of them is found anew after it. */
  forgetKnown(): void {
    this.known?.forget();
  }

  private forgetTables(): void {
    this.accesses.seen.forget();
    this.forgetKnown();
  }

  private makeKnown(guest: GuestLayout, counters: Counters): KnownAccesses | undefined {
    const { vcpus, slots, gstage, rings, path, accesses, dirtyRings } = this;
    const { pages } = gstage;
    if (pages?.mayHold !== true || dirtyRings !== undefined) return undefined;
    return new KnownAccesses(vcpus, pages, guest, slots, gstage, rings, path, accesses, counters);
  }

  private makeAccesses(layout: GuestLayout): GuestAccesses {
    const { vcpus, slots, path, gstage, rings, dirtyRings } = this;
    return new GuestAccesses({
      vcpus,
      layout,
      slots,
      path,
      leaves: gstage.ptes,
      journal: new SideState(dirtyRings === undefined ? [gstage, rings] : [gstage, rings, dirtyRings]),
      // Which request overflows a ring hangs on the order, where there are rings of others.
      keepsOrder: vcpus > 1,
      lift: (program, vcpu, slot, start, end) => {
        path.actFor(vcpu, slot.spec.id);
        gstage.run(program, start, end);
      },
    });
  }
}
