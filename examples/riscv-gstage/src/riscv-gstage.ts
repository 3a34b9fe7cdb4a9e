/**
 * The `riscv-gstage` backend as the runner drives it: options become a policy at once, the VM (gstage-vm.ts) is made when its layout is known, and every call goes to it.
 *
 * Models: Linux arch/riscv/kvm/mmu.c, vcpu.c.
 */
import { BackendOptions, CountersToken, HostOptions } from '@mmulab/api';
import { notCreated, type DirtyRings } from '@mmulab/kvm';
import type {
  AccessBatch,
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
import { EngineFactory, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { readPolicy, type Policy } from './definition';
import { stageDefs } from './fault-path';
import { GstageVm } from './gstage-vm';

const RING_NOTE =
  'vCPUs with memory of their own run one after the other here: the rings of those that wait fill up and overflow sooner than on a machine where all run at once.';

@injectable()
export class RiscvGstage implements MmuBackend {
  readonly stages: readonly StageDef[];
  private readonly policy: Policy;
  private created: GstageVm | undefined;

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
  create(layout: VmLayout): void {
    this.created = new GstageVm(layout, this.policy, this.counters, this.engines);
    const { dirtyRings, path } = this.created;
    if (dirtyRings !== undefined) path.ringFull = vcpu => dirtyRings.isSoftFull(vcpu) && this.leaveFull(vcpu, dirtyRings);
  }

  enter(vcpu: number): void {
    this.counters.select(vcpu);
    this.vm.forgetKnown();
    this.vm.rings.enter(vcpu);
    this.vm.path.ringFull?.(vcpu);
  }

  leave(vcpu: number): void {
    this.vm.forgetKnown();
    this.vm.rings.leave(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    this.vm.forgetKnown();
    this.vm.accesses.run(vcpu, run);
  }

  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    this.vm.touch(vcpu, vfn, kind);
  }

  touchAll(batch: AccessBatch): void {
    this.vm.touchAll(batch);
  }

  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    this.vm.forgetKnown();
    return this.vm.accesses.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    this.vm.forgetKnown();
    this.vm.path.select(vcpu);
    return this.vm.accesses.advance(vcpu);
  }

  control(): void {
    // No register of the guest concerns the G-stage, and none is declared.
  }

  host(op: HostOp, answer?: HostAnswer): void {
    const slot = op.op === 'create_memslot' ? op.spec.id : 'slot' in op && typeof op.slot === 'number' ? op.slot : 0;
    const { path, slots, hostSide, hostOps } = this.vm;
    this.vm.forgetKnown();
    path.actFor(-1, slot);
    if (op.op === 'get_dirty_log') hostSide.countBitmap(slots.byId(slot));
    hostOps.perform(op.op === 'manual_protect' ? { ...op, initiallySet: op.initiallySet && this.policy.initiallySet } : op, answer);
  }

  translate(gfn: number): Translation | undefined {
    return this.vm.gstage.translate(gfn, this.vm.slots.find(gfn)?.spec);
  }

  /** Tables stay when the VM goes: only the root is freed. */
  memory(): BackendMemory {
    return { tableBytesReal: this.vm.tableBytes };
  }

  notes(): readonly string[] {
    return this.vm.vcpus > 1 ? [RING_NOTE] : [];
  }

  /** A vCPU's dirty ring is full: user space collects and resets before it goes on. */
  private leaveFull(vcpu: number, dirtyRings: DirtyRings): boolean {
    dirtyRings.exitFull(vcpu, this);
    return true;
  }

  private get vm(): GstageVm {
    if (this.created === undefined) throw notCreated();
    return this.created;
  }
}
