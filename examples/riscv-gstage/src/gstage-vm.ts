/**
 * One VM of the backend: the parts every KVM shares and RISC-V's own, put together once its layout is known.
 */
import type { Counters, VmLayout } from '@mmulab/api';
import { DirtyLog, DirtyRings, GuestAccesses, GuestLayout, HostOps, Memslots, SideState } from '@mmulab/kvm';
import type { EngineFactory } from '@mmulab/pgtable';
import type { Policy } from './definition';
import { gpaBitsTooMany, nestedGuest } from './errors';
import { Ev } from './events';
import { FaultPath } from './fault-path';
import { FenceRings } from './fence-rings';
import { Gstage, geometryOf } from './gstage';
import { HostSide } from './host-side';

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
    this.path = new FaultPath(vcpus, this.gstage, this.slots, this.rings, counters, policy, () => this.accesses.seen.forget());
    this.accesses = this.makeAccesses(new GuestLayout(spaces[0]));
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
