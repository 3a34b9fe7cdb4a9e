/**
 * The `riscv-gstage` backend: one VM's second-stage MMU on RISC-V, composed of the parts every KVM shares and of what is RISC-V's own: the tables (gstage.ts), the
 * fault path (fault-path.ts) and the fence rings (fence-rings.ts).
 *
 * Models: Linux arch/riscv/kvm/mmu.c, vcpu.c.
 */
import { BackendOptions, CountersToken, HostOptions } from '@mmulab/api';
import type {
  AccessKind,
  AccessRun,
  BackendMemory,
  Counters,
  HostAnswer,
  HostOp,
  MmuBackend,
  OptionValues,
  StageDef,
  Translation,
  VmLayout,
} from '@mmulab/api';
import { DirtyLog, GuestAccesses, GuestLayout, HostOps, Memslots, SideState } from '@mmulab/kvm';
import { EngineFactory, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { readPolicy, type Policy } from './definition';
import { gpaBitsTooMany, nestedGuest } from './errors';
import { Ev } from './events';
import { FaultPath, stageDefs } from './fault-path';
import { FenceRings } from './fence-rings';
import { Gstage, geometryOf } from './gstage';
import { HostSide } from './host-side';

const MAX_LEAF_LEVEL = 3;
const PAGE_BYTES = 4096;

const RING_NOTE =
  'vCPUs with memory of their own run one after the other here: the rings of those that wait fill up and overflow sooner than on a machine where all run at once.';

@injectable()
export class RiscvGstage implements MmuBackend {
  readonly stages: readonly StageDef[];
  private readonly policy: Policy;
  private vcpus = 0;
  private slots!: Memslots;
  private gstage!: Gstage;
  private rings!: FenceRings;
  private path!: FaultPath;
  private accesses!: GuestAccesses;
  private hostSide!: HostSide;
  private hostOps!: HostOps;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) private readonly counters: Counters,
    @inject(EngineFactory) @optional() private readonly engines: EngineFactory = tableEngines,
  ) {
    this.policy = readPolicy(options, host);
    this.stages = stageDefs(this.policy);
  }

  /** @throws RISCV_GPA_BITS, RISCV_NESTED, VM_BAD_SLOT */
  create(vm: VmLayout): void {
    const { policy, engines, counters } = this;
    if (vm.nested !== undefined) throw nestedGuest();
    if (vm.physBits > policy.gpaBits) throw gpaBitsTooMany(vm.physBits, `a G-stage of ${policy.levels} levels`, policy.gpaBits);
    const { vcpus, spaces } = vm;
    const geometry = geometryOf(policy);
    this.vcpus = vcpus;
    const slots = new Memslots({
      engines,
      geometry,
      counters,
      maxLeafLevel: MAX_LEAF_LEVEL,
      markPageDirty: Ev.markDirty,
      dirtyBitmapSet: Ev.bitsNew,
    });
    const rings = new FenceRings(vcpus, counters);
    const gstage = new Gstage(engines, geometry, slots.frameMaps, counters, rings, policy);
    const path = new FaultPath(vcpus, gstage, slots, rings, counters, policy, () => this.accesses.seen.forget());
    this.accesses = new GuestAccesses({
      vcpus,
      layout: new GuestLayout(spaces[0]),
      slots,
      path,
      leaves: gstage.ptes,
      journal: new SideState([gstage, rings]),
      // Which request overflows a ring hangs on the order, where there are rings of others.
      keepsOrder: vcpus > 1,
      lift: (program, vcpu, slot, start, end) => {
        path.actFor(vcpu, slot.spec.id);
        gstage.run(program, start, end);
      },
    });
    this.hostSide = new HostSide(slots, gstage, rings, path, policy, this.accesses.seen);
    // A memslot must not end at the end of the address space either.
    const frameLimit = 2 ** Math.min(policy.gpaBits, vm.physBits) / PAGE_BYTES - 1;
    this.hostOps = new HostOps(slots, new DirtyLog(this.hostSide.logTables, slots), this.hostSide, { frameLimit, spaces });
    for (const spec of vm.memslots) this.hostOps.addMemslot(spec);
    Object.assign(this, { slots, gstage, rings, path });
  }

  enter(vcpu: number): void {
    this.counters.select(vcpu);
    this.rings.enter(vcpu);
  }

  leave(vcpu: number): void {
    this.rings.leave(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    this.accesses.run(vcpu, run);
  }

  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    this.accesses.touch(vcpu, vfn, kind);
  }

  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    return this.accesses.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    this.path.select(vcpu);
    return this.accesses.advance(vcpu);
  }

  control(): void {
    // No register of the guest concerns the G-stage, and none is declared.
  }

  host(op: HostOp, answer?: HostAnswer): void {
    const slot = 'slot' in op && typeof op.slot === 'number' ? op.slot : 0;
    this.path.actFor(-1, slot);
    if (op.op === 'get_dirty_log') this.hostSide.countBitmap(this.slots.byId(slot));
    this.hostOps.perform(op.op === 'manual_protect' ? { ...op, initiallySet: op.initiallySet && this.policy.initiallySet } : op, answer);
  }

  translate(gfn: number): Translation | undefined {
    return this.gstage.translate(gfn, this.slots.find(gfn)?.spec);
  }

  /** Tables stay when the VM goes: only the root is freed. */
  memory(): BackendMemory {
    return { tableBytesReal: this.gstage.tables * PAGE_BYTES };
  }

  notes(): readonly string[] {
    return this.vcpus > 1 ? [RING_NOTE] : [];
  }
}
