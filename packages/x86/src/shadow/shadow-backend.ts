/**
 * The `x86-shadow` backend: one VM on the legacy MMU, with shadow paging (npt=N) or direct tables (npt=Y, tdp_mmu=N).
 *
 * Under shadow paging the hardware walks our tables by virtual frame, and the guest's tables are read in software by each fault. With two-dimensional paging
 * it walks the guest's tables itself, writing to their pages on its way, and our direct tables by physical frame; a nested guest's second-stage tables are
 * then shadowed by pages of the same MMU.
 *
 * Models: Linux arch/x86/kvm (mmu/mmu.c, mmu/paging_tmpl.h, x86.c). Hot path: `run`, `touch`, `begin`, `advance`.
 */
import { ACCESS_DONE, AccessKind, BackendOptions, CountersToken, HostOptions } from '@mmulab/api';
import type {
  AccessRun,
  BackendInspection,
  BackendMemory,
  ControlWrite,
  Counters,
  GuestTables,
  HostAnswer,
  HostOp,
  MmuBackend,
  OptionValues,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import { DirtyLog, HostOps } from '@mmulab/kvm';
import type { Aging, HostTables, Memslot, Memslots } from '@mmulab/kvm';
import { EngineFactory, Geometry, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { nestedNeedsPaging } from '../errors';
import { frameMapsKey } from '../content-hash';
import { makeMemslots } from '../x86-memslots';
import { X86LogTables } from '../log-tables';
import { NxLists } from '../nx-lists';
import { NxRecovery } from '../nx-recovery';
import { readPolicy } from '../policy';
import type { X86Policy } from '../policy';
import { ControlRegisters } from '../roots/control';
import { createCpus, pgdOf } from '../roots/guest-spaces';
import type { GuestCpu } from '../roots/guest-state';
import { INVALID_ROOT } from '../roots/root-cache';
import { readRootPolicy } from '../roots/root-policy';
import type { RootPolicy } from '../roots/root-policy';
import { VcpuRoots } from '../roots/vcpu-roots';
import { Spte, spteDescriptor } from '../spte';
import { VcpuStates } from '../vcpu-state';
import { VmJournal } from '../vm-journal';
import { VcpuSpaces } from './vcpu-spaces';
import { ShadowAccesses } from './shadow-accesses';
import { ShadowFaultPath, shadowStages } from './shadow-fault';
import type { ShadowFaultVm } from './shadow-fault';
import { ShadowInspection } from './inspection';
import { indexOf } from './shadow-page';
import { readShadowPolicy } from './shadow-policy';
import type { ShadowPolicy } from './shadow-policy';
import { LegacyMmu } from './legacy-mmu';
import { childOf, isLeaf } from './shadow-spte';
import { shadowContentKey } from './content-key';
import type { WalkRules } from './guest-walk';

@injectable()
export class ShadowBackend implements MmuBackend, ShadowFaultVm, HostTables {
  readonly stages = shadowStages;
  pmlActive = false;
  private readonly policy: X86Policy;
  private readonly rootPolicy: RootPolicy;
  private readonly shadowPolicy: ShadowPolicy;
  private vm!: VmLayout;
  private slots!: Memslots;
  private vcpus!: VcpuStates;
  private journal!: VmJournal;
  private cpus: readonly GuestCpu[] = [];
  private engine!: LegacyMmu;
  private spaces!: VcpuSpaces;
  private roots!: VcpuRoots;
  private registers!: ControlRegisters;
  private path!: ShadowFaultPath;
  private hostOps!: HostOps;
  recovery!: NxRecovery;
  private nxLists!: NxLists;
  private accesses!: ShadowAccesses;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) private readonly counters: Counters,
    @inject(EngineFactory) @optional() private readonly engines: EngineFactory = tableEngines,
  ) {
    this.policy = readPolicy(options, host);
    this.rootPolicy = readRootPolicy(options, host, this.policy);
    this.shadowPolicy = readShadowPolicy(options, this.policy);
  }

  create(vm: VmLayout): void {
    const { policy, counters } = this;
    if (vm.nested !== undefined && !this.rootPolicy.tdp) throw nestedNeedsPaging();
    this.vm = vm;
    this.slots = makeMemslots(this.engines, new Geometry(512, policy.levels), counters);
    this.vcpus = new VcpuStates(vm.vcpus);
    this.nxLists = new NxLists(policy.nxRecovery.perMmu);
    this.journal = new VmJournal(this.vcpus, this.nxLists.tables);
    this.cpus = createCpus(vm, this.rootPolicy);
    this.engine = new LegacyMmu(this.shadowPolicy, this.slots, counters, this.journal, this.nxLists.pages, vm, {
      writeProtectElsewhere: () => false,
      rootsObsolete: () => this.roots.invalidateAll(),
    });
    const source = {
      pgd: (vcpu: number) => pgdOf(vm, this.cpus[vcpu]),
      nestedLevels: vm.nested?.levels ?? 0,
      nestedPgd: (vm.nested?.root ?? 0) * 4096,
    };
    const nestedPages = vm.nested === undefined ? undefined : this.engine.roots;
    this.roots = new VcpuRoots(this.cpus, this.rootPolicy, counters, this.vcpus, this.engine.roots, nestedPages, source);
    const world = { spaces: vm.spaces.length, hasNested: vm.nested !== undefined, exited: (): void => this.journal.exit() };
    this.registers = new ControlRegisters(this.cpus, this.roots, this.rootPolicy, counters, world);
    this.spaces = new VcpuSpaces(vm, this.cpus, this.shadowPolicy.tdp, this.shadowPolicy.tableAccess);
    this.path = new ShadowFaultPath(vm.vcpus, this.engine.mmu, this.engine.map, this);
    this.accesses = new ShadowAccesses(vm.vcpus, this.spaces, this.path);
    const { tables } = this.engine;
    const logTables = new X86LogTables(tables, { ...policy, pml: this.shadowPolicy.pml });
    const dirtyLog = new DirtyLog(logTables, this.slots);
    this.hostOps = new HostOps(this.slots, dirtyLog, this, { frameLimit: 2 ** (vm.physBits - 12), spaces: undefined });
    const recovered = { pages: tables, flush: (times: number): void => tables.flush(times) };
    this.recovery = new NxRecovery(this.nxLists, recovered, this.slots, counters, policy.nxRecovery);
    for (const spec of vm.memslots) this.hostOps.addMemslot(spec);
  }

  enter(vcpu: number): void {
    this.select(vcpu);
    // Whoever enters was out of the guest before: that exit drained its log.
    this.journal.exit();
    this.roots.serve(vcpu);
  }

  reenter(vcpu: number): void {
    this.roots.serve(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    this.select(vcpu);
    this.accesses.run(vcpu, run);
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.select(vcpu);
    this.accesses.touch(vcpu, vfn, kind);
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    this.select(vcpu);
    return this.ended(vcpu, this.accesses.begin(vcpu, vfn, kind));
  }

  advance(vcpu: number): number {
    this.select(vcpu);
    return this.ended(vcpu, this.accesses.advance(vcpu));
  }

  control(vcpu: number, write: ControlWrite): void {
    this.select(vcpu);
    this.registers.write(vcpu, write);
    this.roots.serve(vcpu);
  }

  /**
   * The guest stores an entry of one of its own tables, through a virtual frame that maps the table page.
   * @param vfn virtual frame by which the guest writes
   * @param index entry within the table
   * @param bits new bits (see guest-memory.ts), and the frame it points to
   */
  writeGuestEntry(vcpu: number, vfn: number, index: number, bits: number, gfn: number): void {
    this.select(vcpu);
    const frame = this.spaces.physical(vcpu, vfn);
    const levels = this.spaces.current(vcpu).levels;
    const page = this.engine.memory.page(frame, 1, levels);
    const bytes = levels === 2 ? 4 : 8;
    let isStored = false;
    const store = (): void => {
      isStored = true;
      page.bits[index] = bits;
      page.gfns[index] = gfn;
      this.engine.memory.version++;
    };
    this.path.pendingWrite = { gfn: frame, offset: index * bytes, bytes, store };
    this.path.refused = false;
    this.accesses.touch(vcpu, vfn, AccessKind.Write);
    this.path.pendingWrite = undefined;
    // Not emulated: the guest's own store, if its tables let it through.
    if (!isStored && !this.path.refused) store();
  }

  host(op: HostOp, answer?: HostAnswer): void {
    this.counters.select(-1);
    this.hostOps.perform(op, answer);
  }

  invalidate(_slot: Memslot, start: number, end: number, change?: () => void): void {
    this.slots.invalidations.begin();
    if (this.engine.tables.unmap(start, end)) this.engine.mmu.flush();
    change?.();
    this.slots.invalidations.end();
  }

  rootPage(vcpu: number, frame: number): number {
    return this.engine.roots.pageFor(this.roots.root(vcpu), frame);
  }

  walkedSpace(vcpu: number): GuestTables {
    return this.roots.isNested(vcpu) ? (this.vm.nested as GuestTables) : this.spaces.current(vcpu);
  }

  rules(vcpu: number): WalkRules {
    return this.spaces.rules(vcpu);
  }

  translate(gfn: number): Translation | undefined {
    const vcpu = this.cpus.findIndex((_, candidate) => this.roots.root(candidate) !== INVALID_ROOT);
    if (vcpu < 0) return undefined;
    const { pages, leaf } = this.engine.mmu;
    const frame = this.shadowPolicy.tdp ? gfn : this.spaces.virtual(vcpu, gfn);
    if (frame < 0) return undefined;
    let page = this.rootPage(vcpu, frame);
    for (;;) {
      const level = pages.level(page);
      const entry = pages.entry(page, indexOf(frame, level));
      if (entry < 0) {
        page = childOf(entry);
        continue;
      }
      if (!isLeaf(entry)) return undefined;
      return {
        level,
        readable: leaf.allows(entry, 0),
        writable: leaf.allows(entry, 1),
        executable: leaf.allows(entry, 2),
        accessed: leaf.isYoung(entry),
        dirty: (entry & (leaf.adBits ? Spte.Dirty : Spte.Writable)) !== 0,
        descriptor: spteDescriptor(entry, level, pages.entryGfn(page, indexOf(frame, level)), this.shadowPolicy.tdp && this.policy.ept, leaf.adBits),
      };
    }
  }

  inspection(): BackendInspection {
    const { tdp } = this.shadowPolicy;
    return new ShadowInspection(this.engine, this.roots, !tdp, tdp && this.policy.ept, this.engine.mmu.leaf.adBits);
  }

  stateKey(): string | undefined {
    const pages = shadowContentKey(this.engine.mmu);
    const frameMaps = frameMapsKey(this.slots);
    if (pages === undefined || frameMaps === undefined || !this.nxLists.isEmpty) return undefined;
    return `${this.roots.key()} ${this.recovery.key} ${frameMaps} ${pages}`;
  }

  memory(): BackendMemory {
    return { tableBytesReal: this.engine.tableBytes() };
  }

  /** @returns the stage due */
  private ended(vcpu: number, stage: number): number {
    if (stage === ACCESS_DONE) this.vcpus.countFulls(vcpu, this.counters.now);
    return stage;
  }

  logChanged(): void {
    this.pmlActive = this.shadowPolicy.pml && this.slots.isAnyLogged;
  }

  age(_slot: Memslot, start: number, end: number, { flush, pageByPage }: Aging): void {
    // Leaves of one frame in several roots are aged by one call, so calls are made, not leaves counted.
    const pages = flush && pageByPage ? 1 : end - start;
    for (let gfn = start; gfn < end; gfn += pages) if (this.engine.tables.age(gfn, gfn + pages) && flush) this.engine.mmu.flush();
  }

  deleteMemslot(slot: Memslot): void {
    this.slots.remove(slot);
    this.zapAll();
  }

  zapAll(): void {
    this.engine.mmu.fastZap();
  }

  destroy(): void {
    this.zapAll();
    for (let vcpu = 0; vcpu < this.cpus.length; vcpu++) this.roots.unload(vcpu);
  }

  private select(vcpu: number): void {
    this.counters.select(vcpu);
    this.journal.vcpu = vcpu;
  }
}
