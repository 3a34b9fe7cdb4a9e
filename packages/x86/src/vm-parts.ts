/**
 * What every x86 VM has, whichever MMU maps its memory: memslots, vCPUs with their logs and registers, the lists of NX tables, the journal; and, once the MMU
 * is there, roots and registers over it.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_arch_vcpu_create(), vcpu_enter_guest(); struct kvm_arch.
 */
import type { ControlWrite, Counters, VmLayout } from '@mmulab/api';
import { DirtyLog, type DirtyRings, HostOps } from '@mmulab/kvm';
import type { GuestMemory, HostTables, Memslots, RingUser } from '@mmulab/kvm';
import { Geometry } from '@mmulab/pgtable';
import type { EngineFactory } from '@mmulab/pgtable';
import { ringsOf } from './dirty-rings';
import { X86LogTables } from './log-tables';
import type { DirtyLogPolicy, LoggedMmu } from './log-tables';
import { NxLists } from './nx-lists';
import type { X86Policy } from './policy';
import { ControlRegisters } from './roots/control';
import { createCpus, pgdOf } from './roots/guest-spaces';
import type { GuestCpu } from './roots/guest-state';
import type { RootPages } from './roots/root-pages';
import type { RootPolicy } from './roots/root-policy';
import { VcpuRoots } from './roots/vcpu-roots';
import { GuestMemory as TableMemory } from './shadow/guest-memory';
import type { ShadowPolicy } from './shadow/shadow-policy';
import type { ShadowRules } from './shadow/shadow-rules';
import { TableWriter } from './shadow/table-writer';
import { VcpuStates } from './vcpu-state';
import { VmJournal } from './vm-journal';
import { makeMemslots } from './x86-memslots';

/** What a VM is given by its backend. */
export interface X86World {
  readonly policy: X86Policy;
  readonly rootPolicy: RootPolicy;
  readonly shadowPolicy: ShadowPolicy;
  readonly shadowRules: ShadowRules;
  readonly counters: Counters;
  readonly engines: EngineFactory;
}

/** Parts of one VM that belong to no MMU. */
export class VmParts {
  readonly slots: Memslots;
  readonly rings: DirtyRings | undefined;
  readonly vcpus: VcpuStates;
  readonly nxLists: NxLists;
  readonly journal: VmJournal;
  readonly cpus: readonly GuestCpu[];
  /** The guest's table pages, and its writes to them. */
  readonly memory: TableMemory;
  readonly tableWriter: TableWriter;

  constructor(
    readonly world: X86World,
    readonly layout: VmLayout,
  ) {
    const { policy, rootPolicy, counters, engines } = world;
    this.slots = makeMemslots(engines, new Geometry(512, policy.levels), counters);
    this.rings = ringsOf(world, layout, this.slots);
    this.vcpus = new VcpuStates(layout.vcpus, this.rings);
    this.nxLists = new NxLists(policy.nxRecovery.perMmu);
    this.journal = new VmJournal(this.vcpus, this.nxLists.tables, this.rings);
    this.cpus = createCpus(layout, rootPolicy);
    this.memory = new TableMemory(layout.nested === undefined ? layout.spaces : [...layout.spaces, layout.nested]);
    this.tableWriter = new TableWriter(this.memory);
  }

  /** Dispatch of the host's operations, the layout's memslots added. @param spaces see `GuestMemory`; @throws VM_BAD_SLOT */
  hostOps(tables: HostTables, logged: LoggedMmu, logPolicy: DirtyLogPolicy, spaces: GuestMemory['spaces']): HostOps {
    const dirtyLog = new DirtyLog(new X86LogTables(logged, logPolicy, this.slots.work), this.slots, this.rings);
    const ops = new HostOps(this.slots, dirtyLog, tables, { frameLimit: 2 ** (this.layout.physBits - 12), pageBytes: 4096, spaces });
    for (const spec of this.layout.memslots) ops.addMemslot(spec);
    return ops;
  }
}

/** vCPUs of one VM, in and out of the guest. */
export class VcpuEntry {
  readonly roots: VcpuRoots;
  private readonly registers: ControlRegisters;

  /**
   * @param main the tables L1 runs on
   * @param nested the tables its nested guest runs on
   * @param user who performs what user space does
   */
  constructor(
    private readonly parts: VmParts,
    main: RootPages,
    nested: RootPages | undefined,
    private readonly user: RingUser,
  ) {
    const { cpus, layout, vcpus, journal, world } = parts;
    const { rootPolicy, counters } = world;
    const source = {
      pgd: (vcpu: number) => pgdOf(layout, cpus[vcpu]),
      nestedLevels: layout.nested?.levels ?? 0,
      nestedPgd: (layout.nested?.root ?? 0) * 4096,
    };
    this.roots = new VcpuRoots(cpus, rootPolicy, counters, vcpus, main, nested, source);
    const registersOf = { spaces: layout.spaces.length, hasNested: layout.nested !== undefined, exited: (): void => journal.exit() };
    this.registers = new ControlRegisters(cpus, this.roots, rootPolicy, counters, registersOf);
  }

  /** A vCPU enters. Whoever enters was out of the guest before: that exit drained its log. */
  enter(vcpu: number): void {
    this.parts.journal.exit();
    this.resume(vcpu);
  }

  /** A vCPU leaves the guest, for user space: its log is read. */
  leave(vcpu: number): void {
    const { journal, vcpus, world } = this.parts;
    journal.exit();
    vcpus.countFulls(vcpu, world.counters.now);
  }

  /** Whether a vCPU has to go to user space before it enters again. */
  mustExit(vcpu: number): boolean {
    return this.parts.rings?.isSoftFull(vcpu) === true;
  }

  /** A vCPU goes on: by way of user space where it must, else its requests are served. */
  resume(vcpu: number): void {
    if (this.mustExit(vcpu)) this.parts.rings?.exitFull(vcpu, this.user);
    else this.roots.serve(vcpu);
  }

  /** A vCPU writes a register and enters again. @param written told before it enters */
  write(vcpu: number, write: ControlWrite, written?: () => void): void {
    this.registers.write(vcpu, write);
    written?.();
    this.resume(vcpu);
  }

  /** All vCPUs let go of their roots. */
  unloadAll(): void {
    for (let vcpu = 0; vcpu < this.parts.cpus.length; vcpu++) this.roots.unload(vcpu);
  }
}
