/**
 * An x86 backend as the runner drives it: options become policies at once, the VM is made when its layout is known, and every call goes to it.
 */
import type {
  AccessKind,
  AccessRun,
  BackendInspection,
  BackendMemory,
  ControlWrite,
  Counters,
  GuestTableWrites,
  HostAnswer,
  HostOp,
  MmuBackend,
  OptionValues,
  StageDef,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import { notCreated } from '@mmulab/kvm';
import type { EngineFactory } from '@mmulab/pgtable';
import { worldWith } from './capabilities';
import type { X86PolicyReader } from './policy';
import { readRootPolicy } from './roots/root-policy';
import { readShadowPolicy } from './shadow/shadow-policy';
import type { ShadowRules } from './shadow/shadow-rules';
import type { X86World } from './vm-parts';

/** One VM on one of the two MMUs: what is asked of a backend but to create it. */
export type BackedVm = Required<
  Pick<
    MmuBackend,
    | 'enter'
    | 'leave'
    | 'run'
    | 'touch'
    | 'begin'
    | 'advance'
    | 'control'
    | 'writeTables'
    | 'host'
    | 'translate'
    | 'inspection'
    | 'stateKey'
    | 'memory'
  >
>;

/** Either backend. */
export abstract class X86Backend<Vm extends BackedVm> implements MmuBackend {
  abstract readonly stages: readonly StageDef[];
  protected readonly world: X86World;
  private created: Vm | undefined = undefined;

  constructor(
    options: OptionValues,
    host: OptionValues,
    counters: Counters,
    engines: EngineFactory,
    policyOf: X86PolicyReader,
    shadowRules: ShadowRules,
  ) {
    const policy = policyOf(options, host);
    this.world = {
      policy,
      rootPolicy: readRootPolicy(options, host, policy),
      shadowPolicy: readShadowPolicy(options, policy),
      shadowRules,
      counters,
      engines,
    };
  }

  /** @throws GUEST_NESTED, OPTION_NESTED_SPLIT, VM_BAD_SLOT */
  create(layout: VmLayout): void {
    this.created = this.make(layout);
  }

  enter(vcpu: number): void {
    this.vm.enter(vcpu);
  }

  leave(vcpu: number): void {
    this.vm.leave(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    this.vm.run(vcpu, run);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.vm.touch(vcpu, vfn, kind);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    return this.vm.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    return this.vm.advance(vcpu);
  }

  control(vcpu: number, write: ControlWrite): void {
    this.vm.control(vcpu, write);
  }

  writeTables(vcpu: number, writes: GuestTableWrites): void {
    this.vm.writeTables(vcpu, writes);
  }

  host(op: HostOp, answer?: HostAnswer): void {
    this.vm.host(op, answer);
  }

  translate(gfn: number): Translation | undefined {
    return this.vm.translate(gfn);
  }

  inspection(): BackendInspection {
    return this.vm.inspection();
  }

  stateKey(): string | undefined {
    return this.vm.stateKey();
  }

  memory(): BackendMemory {
    return this.vm.memory();
  }

  protected get vm(): Vm {
    if (this.created === undefined) throw notCreated();
    return this.created;
  }

  /** The world of a VM with the capabilities that it asks for. */
  protected worldOf(layout: VmLayout): X86World {
    return worldWith(this.world, layout);
  }

  protected abstract make(layout: VmLayout): Vm;
}
