/**
 * The `x86-tdp` backend: one VM on the TDP MMU.
 *
 * A vCPU enters (requests are served, a root is loaded when it has none), touches guest frames through the guest's own page tables (guest-accesses.ts) and faults
 * along the stages of fault.ts. Host operations go over all roots. This class puts the parts together and hands each call to the one that knows.
 *
 * Models: Linux arch/x86/kvm (mmu/tdp_mmu.c, mmu/mmu.c, x86.c). Hot path: `touch`, `begin`, `advance`.
 */
import { BackendOptions, CountersToken, EntryKind, HostOptions, TransitionObserver } from '@mmulab/api';
import type {
  AccessKind,
  AccessRun,
  BackendInspection,
  BackendMemory,
  ControlWrite,
  Counters,
  HostAnswer,
  HostOp,
  MmuBackend,
  OptionValues,
  ReplayPort,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import { DirtyLog, GuestLayout, HostOps } from '@mmulab/kvm';
import type { Aging, HostTables, Memslot, Memslots } from '@mmulab/kvm';
import { EngineFactory, Geometry, Version, observedEngines, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { BothMmus } from '../both-mmus';
import { nestedSplitNeedsCache } from '../errors';
import { frameMapsKey } from '../content-hash';
import { Ev } from '../events';
import { makeMemslots } from '../x86-memslots';
import { X86LogTables } from '../log-tables';
import { HostPages } from '../host-pages';
import { NxLists } from '../nx-lists';
import { NxRecovery } from '../nx-recovery';
import { readPolicy } from '../policy';
import type { X86Policy } from '../policy';
import { ControlRegisters } from '../roots/control';
import { createCpus, guestSpaces, pgdOf } from '../roots/guest-spaces';
import type { GuestCpu } from '../roots/guest-state';
import { INVALID_ROOT } from '../roots/root-cache';
import { readRootPolicy } from '../roots/root-policy';
import type { RootPolicy } from '../roots/root-policy';
import { VcpuRoots } from '../roots/vcpu-roots';
import { shadowContentKey } from '../shadow/content-key';
import { NestedGuests } from '../shadow/nested-guest';
import type { NestedHost } from '../shadow/nested-guest';
import type { ShadowAccesses } from '../shadow/shadow-accesses';
import { readShadowPolicy } from '../shadow/shadow-policy';
import type { ShadowPolicy } from '../shadow/shadow-policy';
import { Spte, SpteAttrs } from '../spte';
import { VcpuStates } from '../vcpu-state';
import { VmJournal } from '../vm-journal';
import { TdpFaultPath, tdpStages } from './fault';
import type { TdpFaultVm } from './fault-vm';
import { GuestAccesses } from './guest-accesses';
import { TdpInspection } from './inspection';
import { TdpReplay } from './replay';
import type { ReplayedVm } from './replay';
import { KnownAccesses } from './known-accesses';
import { TdpMmu } from './tdp-mmu';
import type { TdpRoot } from './tdp-mmu';
import { TdpRoots } from './tdp-roots';
import { VcpuContexts } from './vcpu-contexts';

@injectable()
export class TdpBackend implements MmuBackend, TdpFaultVm, HostTables, ReplayedVm {
  readonly stages = tdpStages;
  pmlActive = false;
  private readonly policy: X86Policy;
  private readonly rootPolicy: RootPolicy;
  private readonly shadowPolicy: ShadowPolicy;
  /** The nested guest, where the workload has one. */
  private nested: NestedGuests | undefined = undefined;
  private vm!: VmLayout;
  private slots!: Memslots;
  private vcpus!: VcpuStates;
  private journal!: VmJournal;
  private mmu!: TdpMmu;
  private path!: TdpFaultPath;
  private known!: KnownAccesses;
  private hostOps!: HostOps;
  recovery!: NxRecovery;
  private nxLists!: NxLists;
  private cpus: readonly GuestCpu[] = [];
  private tdpRoots!: TdpRoots;
  private roots!: VcpuRoots;
  private registers!: ControlRegisters;
  private contexts!: VcpuContexts;
  /** Counted up by whatever may change what windows show (GuestAccesses.touchAgain): all that is asked of the VM but accesses known by heart. */
  private version = new Version();
  private accesses!: GuestAccesses;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) private readonly counters: Counters,
    @inject(EngineFactory) @optional() private readonly engines: EngineFactory = tableEngines,
    @inject(TransitionObserver) @optional() observer?: TransitionObserver,
  ) {
    if (observer !== undefined) this.engines = observedEngines(observer);
    this.policy = readPolicy(options, host);
    this.rootPolicy = readRootPolicy(options, host, this.policy);
    this.shadowPolicy = readShadowPolicy(options, this.policy);
  }

  create(vm: VmLayout): void {
    const { policy } = this;
    this.vm = vm;
    const geometry = new Geometry(512, policy.levels);
    this.slots = makeMemslots(this.engines, geometry, this.counters);
    this.vcpus = new VcpuStates(vm.vcpus);
    this.nxLists = new NxLists(policy.nxRecovery.perMmu);
    this.journal = new VmJournal(this.vcpus, this.nxLists.tables);
    const spte = new SpteAttrs(policy.adBits, policy.nxHugePages);
    this.mmu = new TdpMmu(this.engines, spte, this.slots, this.counters, this.journal, policy, policy.levels);
    this.version = this.mmu.pages?.version ?? this.version;
    const hostPages = new HostPages(this.slots, this);
    this.path = new TdpFaultPath(vm.vcpus, this.mmu, this.slots, hostPages, this.counters, this.journal, this, policy);
    this.known = new KnownAccesses(this.mmu.pages, this.slots, hostPages, this.journal, this, this.path);
    this.createRoots(vm);
    const layouts = guestSpaces(vm).map(space => new GuestLayout(space));
    this.contexts = new VcpuContexts(layouts, this.cpus, this.roots, this.tdpRoots, this.version);
    this.accesses = new GuestAccesses(
      this.vcpus,
      this.contexts,
      this.slots,
      this.mmu,
      this.path,
      this.known,
      this.journal,
      this.counters,
      this,
      policy.tableAccess,
    );
    const { engine } = this.nested ?? {};
    const tables = engine === undefined ? this.mmu : new BothMmus(this.mmu, engine.tables, engine.mmu.pages);
    const recovered = { tables: this.mmu, pages: engine?.tables, flush: (times: number): void => tables.flush(times) };
    this.recovery = new NxRecovery(this.nxLists, recovered, this.slots, this.counters, policy.nxRecovery);
    const dirtyLog = new DirtyLog(new X86LogTables(tables, policy), this.slots);
    this.hostOps = new HostOps(this.slots, dirtyLog, this, { frameLimit: 2 ** (vm.physBits - 12), spaces: vm.spaces });
    for (const spec of vm.memslots) this.hostOps.addMemslot(spec);
  }

  enter(vcpu: number): void {
    this.select(vcpu);
    // Whoever enters was out of the guest before: that exit drained its log.
    this.journal.exit();
    this.roots.serve(vcpu);
  }

  reenter(vcpu: number): void {
    if (this.roots.requests[vcpu] === 0 && this.vcpus.flushPending[vcpu] === 0 && this.contexts.get(vcpu).root !== undefined) return;
    this.roots.serve(vcpu);
  }

  isCalm(vcpu: number): boolean {
    return (
      !this.pmlActive &&
      this.path.shadowed === undefined &&
      this.vcpus.flushPending[vcpu] === 0 &&
      this.vcpus.pmlFill[vcpu] === 0 &&
      this.roots.requests[vcpu] === 0
    );
  }

  get hasNested(): boolean {
    return this.nested !== undefined;
  }

  replayPort(): ReplayPort {
    return new TdpReplay(this.vm.vcpus, this.mmu, this.slots, this.path, this.known, this, this.policy.ept, this.policy.adBits);
  }

  act(vcpu: number): void {
    this.select(vcpu);
  }

  root(vcpu: number): TdpRoot {
    return this.contexts.root(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    this.select(vcpu);
    this.accessesOf(vcpu).run(vcpu, run);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    if (this.accesses.touchAgain(vcpu, vfn, kind)) return;
    this.speakFor(vcpu);
    const accesses = this.accessesOf(vcpu);
    if (accesses !== this.accesses) this.version.bump();
    accesses.touch(vcpu, vfn, kind);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    this.select(vcpu);
    return this.accessesOf(vcpu).begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    this.select(vcpu);
    return this.accessesOf(vcpu).advance(vcpu);
  }

  control(vcpu: number, write: ControlWrite): void {
    this.select(vcpu);
    this.registers.write(vcpu, write);
    this.contexts.registersChanged();
    this.roots.serve(vcpu);
  }

  host(op: HostOp, answer?: HostAnswer): void {
    this.version.bump();
    this.counters.select(-1);
    this.hostOps.perform(op, answer);
    this.contexts.rootsChanged();
  }

  invalidate(slot: Memslot, start: number, end: number, change?: () => void): void {
    this.slots.invalidations.begin();
    const nestedGone = this.nested?.engine.tables.unmap(start, end) ?? false;
    if (this.mmu.unmap(start, end) || nestedGone) this.mmu.flush(1);
    change?.();
    this.slots.invalidations.end();
    if (slot.holdsGuestTables) this.contexts.forgetTables();
  }

  translate(gfn: number): Translation | undefined {
    const vcpu = this.cpus.findIndex((_, candidate) => this.roots.cache(candidate, 'main').current !== INVALID_ROOT);
    if (vcpu < 0) return undefined;
    const root = this.root(vcpu);
    const entry = this.mmu.lookup(root, gfn);
    if (entry.kind !== EntryKind.Leaf) return undefined;
    const bits = this.mmu.spte.bits(entry.attr);
    const tracked = (bits & Spte.AccessTracked) !== 0;
    return {
      level: entry.level,
      readable: !tracked,
      writable: (bits & Spte.Writable) !== 0,
      executable: (bits & Spte.Executable) !== 0,
      accessed: this.mmu.spte.isYoung(entry.attr),
      dirty: this.mmu.spte.isDirty(entry.attr),
      descriptor: this.mmu.spte.descriptor(entry.attr, entry.level, entry.gfn, this.policy.ept),
    };
  }

  inspection(): BackendInspection {
    const { mmu, roots, tdpRoots, nested } = this;
    return new TdpInspection({ mmu, roots, tdpRoots, ept: this.policy.ept, adBits: this.policy.adBits, nested: nested?.engine });
  }

  stateKey(): string | undefined {
    const tables = this.mmu.contentKey();
    const pages = this.nested === undefined ? '' : shadowContentKey(this.nested.engine.mmu);
    const frameMaps = frameMapsKey(this.slots);
    if (tables === undefined || pages === undefined || frameMaps === undefined || !this.nxLists.isEmpty) return undefined;
    return `${this.roots.key()} ${this.recovery.key} ${frameMaps} ${tables} ${pages}`;
  }

  memory(): BackendMemory {
    let tables = 0;
    for (const root of this.mmu.roots) tables += this.mmu.tableCount(root);
    return { tableBytesReal: tables * 4096 + (this.nested?.engine.tableBytes() ?? 0) };
  }

  logChanged(): void {
    this.pmlActive = this.policy.pml && this.slots.isAnyLogged;
  }

  age(_slot: Memslot, start: number, end: number, { flush, pageByPage }: Aging): void {
    if (flush && pageByPage) return this.agePageByPage(start, end);
    // Without a flush, page by page is the same as at once: each leaf is aged by the first call that meets it.
    if (this.ageRange(start, end) && flush) this.mmu.flush(1);
  }

  deleteMemslot(slot: Memslot): void {
    this.slots.remove(slot);
    this.zapAll();
  }

  private ageRange(start: number, end: number): boolean {
    const nestedYoung = this.nested?.engine.tables.age(start, end) ?? false;
    return this.mmu.age(start, end) || nestedYoung;
  }

  /** A call per page, and a flush per call that met a young leaf. With one table over the range that is a flush per leaf. */
  private agePageByPage(start: number, end: number): void {
    if (this.nested !== undefined || this.mmu.roots.length > 1) {
      for (let gfn = start; gfn < end; gfn++) if (this.ageRange(gfn, gfn + 1)) this.mmu.flush(1);
      return;
    }
    const now = this.counters.now;
    const updates = (): number => now[Ev.update[1]] + now[Ev.update[2]] + now[Ev.update[3]];
    const before = updates();
    if (this.mmu.age(start, end)) this.mmu.flush(updates() - before);
  }

  /** Invalidates all roots: their trees are zapped at once, vCPUs drop them when they enter next. */
  zapAll(): void {
    this.nested?.engine.mmu.fastZap();
    this.tdpRoots.invalidateAll();
    this.roots.invalidateAll();
  }

  destroy(): void {
    this.nested?.engine.mmu.fastZap();
    for (let vcpu = 0; vcpu < this.cpus.length; vcpu++) this.roots.unload(vcpu);
    for (const root of [...this.mmu.roots]) this.mmu.destroyRoot(root);
  }

  private createRoots(vm: VmLayout): void {
    const { rootPolicy, counters, shadowPolicy } = this;
    this.cpus = createCpus(vm, rootPolicy);
    if (vm.nested !== undefined) {
      if (this.policy.eagerPageSplit && !shadowPolicy.eagerSplit) throw nestedSplitNeedsCache();
      this.nested = new NestedGuests(
        vm,
        vm.nested,
        this.cpus,
        shadowPolicy,
        this.slots,
        counters,
        this.journal,
        this.nxLists.pages,
        this.nestedHost(),
      );
    }
    this.tdpRoots = new TdpRoots(this.mmu, rootPolicy.lifetime, counters, () => this.contexts.rootsChanged());
    const source = {
      pgd: (vcpu: number) => pgdOf(vm, this.cpus[vcpu]),
      nestedLevels: vm.nested?.levels ?? 0,
      nestedPgd: (vm.nested?.root ?? 0) * 4096,
    };
    this.roots = new VcpuRoots(this.cpus, rootPolicy, counters, this.vcpus, this.tdpRoots, this.nested?.engine.roots, source);
    const world = { spaces: vm.spaces.length, hasNested: vm.nested !== undefined, exited: (): void => this.journal.exit() };
    this.registers = new ControlRegisters(this.cpus, this.roots, rootPolicy, counters, world);
  }

  /** What the nested guest's MMU needs of L1's. */
  private nestedHost(): NestedHost {
    return {
      roots: () => this.roots,
      invalidate: (slot, start, end) => this.invalidate(slot, start, end),
      rootsObsolete: () => this.roots.invalidateAll(),
      writeProtectElsewhere: gfn => {
        this.contexts.forgetTables();
        this.path.shadowed = this.nested;
        return this.mmu.writeProtectFrame(gfn);
      },
    };
  }

  /** The accesses of the guest that the vCPU runs now: L1, or its nested guest. */
  private accessesOf(vcpu: number): GuestAccesses | ShadowAccesses {
    return this.nested !== undefined && this.cpus[vcpu].guestMode ? this.nested.accesses : this.accesses;
  }

  /** A vCPU acts, and may change anything. */
  private select(vcpu: number): void {
    this.version.bump();
    this.speakFor(vcpu);
  }

  /** What happens from here on is a vCPU's doing. */
  private speakFor(vcpu: number): void {
    this.counters.select(vcpu);
    this.journal.vcpu = vcpu;
    this.contexts.act(vcpu);
  }
}
