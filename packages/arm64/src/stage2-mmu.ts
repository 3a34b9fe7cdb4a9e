/**
 * The `arm64-stage2` backend: one VM's stage-2 MMU, as the runner drives it.
 *
 * A vCPU touches guest frames through the guest's own stage-1 tables, whose pages the hardware reads through stage 2 on its way (guest-table-walks.ts), and faults along
 * the stages of user-mem-abort.ts. What the VM is made of stands in stage2-vm.ts.
 *
 * Models: Linux arch/arm64/kvm/mmu.c. Hot path: `touch`, `begin`, `advance`.
 */
import { BackendOptions, CountersToken, HostOptions, TraceExport, TransitionObserver } from '@mmulab/api';
import { notCreated } from '@mmulab/kvm';
import type {
  AccessBatch,
  AccessKind,
  AccessRun,
  BackendInspection,
  BackendMemory,
  ControlWrite,
  Counters,
  FaultWaits,
  HostAnswer,
  HostOp,
  MmuBackend,
  OptionValues,
  ReplayPort,
  SharedRounds,
  StageDef,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import { EngineFactory, observedEngines, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { abortStages } from './abort-stages';
import { CasemateExport } from './casemate/export';
import { foreignRegister, nestedGuest } from './errors';
import { Stage2Inspection } from './inspection';
import { Stage2MmOps } from './mm-ops';
import { Stage2PolicyReader, readPolicy } from './policy';
import { Stage2Replay } from './replay';
import { Stage2Rules, stage2Rules } from './stage2-rules';
import { Stage2Vm } from './stage2-vm';
import type { Stage2World } from './stage2-vm';

@injectable()
export class Stage2Mmu implements MmuBackend {
  readonly stages: readonly StageDef[];
  private readonly world: Stage2World;
  private created: Stage2Vm | undefined = undefined;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) counters: Counters,
    @inject(EngineFactory) @optional() engines: EngineFactory = tableEngines,
    @inject(Stage2MmOps) @optional() mmOps: Stage2MmOps = {},
    @inject(TraceExport) @optional() trace?: TraceExport,
    @inject(TransitionObserver) @optional() observer?: TransitionObserver,
    @inject(Stage2PolicyReader) @optional() policyOf: Stage2PolicyReader = readPolicy,
    @inject(Stage2Rules) @optional() rules: Stage2Rules = stage2Rules,
  ) {
    const policy = policyOf(options, host);
    this.stages = abortStages(policy);
    this.world = {
      policy,
      stages: this.stages,
      counters,
      engines: observer === undefined ? engines : observedEngines(observer),
      rules,
      mmOps,
      casemate: trace === undefined ? undefined : new CasemateExport(trace, policy),
    };
  }

  /** @throws HOST_IPA_BITS, GUEST_NESTED, VM_BAD_SLOT, EXPORT_VCPUS, EXPORT_IPA_BITS */
  create(layout: VmLayout): void {
    if (layout.nested !== undefined) throw nestedGuest();
    this.created = new Stage2Vm(this.world, layout, this);
  }

  enter(vcpu: number): void {
    const { tables, rings } = this.vm;
    tables.mm.endGracePeriod();
    this.world.counters.select(vcpu);
    if (rings?.isSoftFull(vcpu) === true) rings.exitFull(vcpu, this);
  }

  run(vcpu: number, run: AccessRun): void {
    this.vm.accesses.run(vcpu, run);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.vm.accesses.touch(vcpu, vfn, kind);
  }

  touchAll(batch: AccessBatch): void {
    this.vm.accesses.touchAll(batch);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    return this.vm.accesses.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    return this.vm.accesses.advance(vcpu);
  }

  /** See MmuBackend.hitsAhead. */
  hitsAhead(_vcpu: number, vfn: Vfn, kind: AccessKind, stride: number, count: number): number {
    return this.vm.accesses.hitsAhead(vfn, kind, stride, count);
  }

  /** See MmuBackend.losses. */
  get losses(): number {
    return this.vm.tables.mm.losses;
  }

  faultWaits(): FaultWaits {
    return this.vm.accesses;
  }

  runShared(rounds: SharedRounds): void {
    this.vm.accesses.forgetKnown();
    this.vm.shared.run(rounds);
  }

  replayPort(): ReplayPort {
    const { vcpus, tables, slots, path, notifier } = this.vm;
    return new Stage2Replay(vcpus, tables, slots, path, notifier, this);
  }

  /** @throws GUEST_REGISTER: no workload's register concerns stage 2 */
  control(_vcpu: number, write: ControlWrite): void {
    throw foreignRegister(write.register);
  }

  host(op: HostOp, answer?: HostAnswer): void {
    const { casemate } = this.world;
    if (casemate === undefined) this.perform(op, answer);
    else casemate.underLock(() => this.perform(op, answer));
  }

  translate(gfn: number): Translation | undefined {
    return this.vm.translate(gfn);
  }

  inspection(): BackendInspection {
    const { tables, shape } = this.vm;
    return new Stage2Inspection(tables, shape, gfn => this.translate(gfn));
  }

  memory(): BackendMemory {
    return { tableBytesReal: this.vm.tableBytes };
  }

  private perform(op: HostOp, answer: HostAnswer | undefined): void {
    const { accesses, tables, hostTables, hostOps } = this.vm;
    accesses.forgetKnown();
    tables.mm.endGracePeriod();
    hostTables.select(slotOf(op));
    hostOps.perform(op, answer);
  }

  private get vm(): Stage2Vm {
    if (this.created === undefined) throw notCreated();
    return this.created;
  }
}

/** The memslot an operation is about; 0 where it is about none. */
function slotOf(op: HostOp): number {
  if (op.op === 'create_memslot') return op.spec.id;
  return 'slot' in op && typeof op.slot === 'number' ? op.slot : 0;
}
