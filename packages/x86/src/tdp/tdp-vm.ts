/**
 * One VM on the TDP MMU, put together.
 *
 * A vCPU enters (requests are served, a root is loaded when it has none), touches guest frames through the guest's own page tables (guest-accesses.ts) and faults
 * along the stages of fault.ts. Host operations go over all roots. This class puts the parts together and hands each call to the one that knows.
 *
 * Models: Linux arch/x86/kvm (mmu/tdp_mmu.c, mmu/mmu.c, x86.c). Hot path: `touch`, `begin`, `advance`.
 */
import { EntryKind } from '@mmulab/api';
import type {
  AccessBatch,
  AccessKind,
  AccessRun,
  BackendInspection,
  BackendMemory,
  ControlWrite,
  FaultMemory,
  GuestTables,
  GuestTableWrites,
  HostAnswer,
  HostOp,
  ReplayPort,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import { GuestLayout, KnownFaults } from '@mmulab/kvm';
import type { Aging, HostOps, HostTables, Memslot } from '@mmulab/kvm';
import { BothMmus } from '../both-mmus';
import { nestedSplitNeedsCache } from '../errors';
import { preFaultRange } from '../pre-fault';
import { frameMapsKey } from '../content-hash';
import { HostPages } from '../host-pages';
import { NxRecovery } from '../nx-recovery';
import { SET_NR_MMU_PAGES } from '../registers';
import { guestSpaces } from '../roots/guest-spaces';
import { INVALID_ROOT } from '../roots/root-cache';
import { shadowContentKey } from '../shadow/content-key';
import { NestedGuests } from '../shadow/nested-guest';
import type { NestedHost } from '../shadow/nested-guest';
import { ShadowAccesses } from '../shadow/shadow-accesses';
import type { WritingGuest } from '../shadow/table-writer';
import { VcpuSpaces } from '../shadow/vcpu-spaces';
import { Spte, SpteAttrs } from '../spte';
import { VcpuEntry, VmParts } from '../vm-parts';
import type { X86World } from '../vm-parts';
import type { BackedVm } from '../x86-backend';
import { TdpFaultPath } from './fault';
import type { TdpFaultVm } from './fault-vm';
import { GuestAccesses } from './guest-accesses';
import { TdpInspection } from './inspection';
import { TdpReplay } from './replay';
import type { ReplayedVm } from './replay';
import { KnownAccesses } from './known-accesses';
import { TdpMmu } from './tdp-mmu';
import type { TdpRoot } from './tdp-mmu';
import { TdpRoots } from './tdp-roots';
import { TdpSituations, type TdpSituationVm } from './tdp-situations';
import type { TdpRules } from './tdp-rules';
import { VcpuContexts } from './vcpu-contexts';

/** One VM on the TDP MMU. */
export class TdpVm implements BackedVm, TdpFaultVm, TdpSituationVm, HostTables, ReplayedVm, WritingGuest {
  pmlActive = false;
  readonly recovery: NxRecovery;
  /** Generation of memslots seen last. */
  private generation = 0;
  /** The nested guest, where the workload has one. */
  private readonly nested: NestedGuests | undefined;
  private readonly parts: VmParts;
  private readonly mmu: TdpMmu;
  private readonly path: TdpFaultPath;
  private readonly known: KnownAccesses;
  private readonly tdpRoots: TdpRoots;
  private readonly entry: VcpuEntry;
  private readonly contexts: VcpuContexts;
  private readonly accesses: GuestAccesses;
  /** Address spaces as the guest has written them, and accesses through them: once it has, one by one. */
  private readonly spaces: VcpuSpaces;
  private readonly writtenAccesses: ShadowAccesses;
  private readonly hostOps: HostOps;
  /** Faults by memory, once somebody asks for it. */
  private knownFaults: KnownFaults | undefined = undefined;

  /** @throws OPTION_NESTED_SPLIT, VM_BAD_SLOT */
  constructor(
    private readonly world: X86World,
    layout: VmLayout,
    rules: TdpRules,
  ) {
    const { policy, rootPolicy, counters, engines } = world;
    const parts = new VmParts(world, layout);
    const { slots, journal, cpus } = parts;
    this.parts = parts;
    this.mmu = new TdpMmu(engines, new SpteAttrs(policy.adBits, policy.nxHugePages), slots, counters, journal, policy, policy.levels, rules);
    const hostPages = new HostPages(slots, this);
    this.path = new TdpFaultPath(layout.vcpus, this.mmu, slots, hostPages, counters, journal, this, policy);
    this.known = new KnownAccesses(this.mmu.pages, slots, hostPages, journal, this, this.path);
    this.nested = this.makeNested(layout);
    this.tdpRoots = new TdpRoots(this.mmu, rootPolicy.lifetime, counters, () => this.contexts.rootsChanged());
    this.entry = new VcpuEntry(parts, this.tdpRoots, this.nested?.engine.roots, this);
    const layouts = guestSpaces(layout).map(space => new GuestLayout(space));
    this.contexts = new VcpuContexts(layouts, cpus, this.entry.roots, this.tdpRoots, parts.vcpus.version);
    this.accesses = new GuestAccesses(
      parts.vcpus,
      this.contexts,
      slots,
      this.mmu,
      this.path,
      this.known,
      journal,
      counters,
      this,
      policy.tableAccess,
    );
    this.spaces = new VcpuSpaces(layout, cpus, true, policy.tableAccess, parts.memory);
    this.writtenAccesses = new ShadowAccesses(parts.vcpus, this.spaces, this.path, counters);
    const { engine } = this.nested ?? {};
    const tables = engine === undefined ? this.mmu : new BothMmus(this.mmu, engine.tables, engine.mmu.pages);
    const recovered = { tables: this.mmu, pages: engine?.tables, flush: (times: number): void => tables.flush(times) };
    this.recovery = new NxRecovery(parts.nxLists, recovered, slots, counters, policy.nxRecovery);
    this.hostOps = parts.hostOps(this, tables, policy, layout.spaces);
  }

  enter(vcpu: number): void {
    this.select(vcpu);
    this.entry.enter(vcpu);
  }

  leave(vcpu: number): void {
    if (this.parts.rings === undefined) return;
    this.select(vcpu);
    this.entry.leave(vcpu);
  }

  mustExit(vcpu: number): boolean {
    return this.parts.rings !== undefined && this.entry.mustExit(vcpu);
  }

  reenter(vcpu: number): void {
    if (this.mustExit(vcpu)) return this.entry.resume(vcpu);
    if (this.entry.roots.requests[vcpu] === 0 && this.parts.vcpus.flushPending[vcpu] === 0 && this.contexts.get(vcpu).root !== undefined) return;
    this.entry.roots.serve(vcpu);
  }

  isCalm(vcpu: number): boolean {
    return (
      !this.pmlActive &&
      (this.parts.rings === undefined || !this.parts.slots.isAnyLogged) &&
      this.path.shadowed === undefined &&
      this.parts.vcpus.flushPending[vcpu] === 0 &&
      this.parts.vcpus.pmlFill[vcpu] === 0 &&
      this.entry.roots.requests[vcpu] === 0
    );
  }

  get hasNested(): boolean {
    return this.nested !== undefined;
  }

  replayPort(): ReplayPort {
    const { policy } = this.world;
    return new TdpReplay(this.parts.vcpus.count, this.mmu, this.parts.slots, this.path, this.known, this, policy.ept, policy.adBits);
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
    if (this.accesses.touchKnown(vcpu, vfn, kind)) return;
    this.select(vcpu);
    this.accessesOf(vcpu).touch(vcpu, vfn, kind);
  }

  touchAll(batch: AccessBatch): void {
    this.accesses.touchAll(batch, (vcpu, vfn, kind) => this.touch(vcpu, vfn, kind));
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    this.select(vcpu);
    return this.accessesOf(vcpu).begin(vcpu, vfn, kind);
  }

  /** See MmuBackend.hitsAhead. */
  hitsAhead(vcpu: number, vfn: Vfn, kind: AccessKind, stride: number, count: number): number {
    const isPlain = this.nested === undefined && this.parts.memory.stores === 0 && !this.mustExit(vcpu);
    return isPlain ? this.accesses.hitsAhead(vcpu, vfn, kind, stride, count) : 0;
  }

  /** See MmuBackend.faultMemory. */
  faultMemory(): FaultMemory | undefined {
    const { pages } = this.mmu;
    if (pages === undefined || !pages.mayHold || !this.world.policy.parallelFaults) return undefined;
    const { slots, journal, vcpus } = this.parts;
    this.knownFaults ??= new KnownFaults(vcpus.count, pages, slots, this.world.counters, new TdpSituations(this.path, this.accesses, journal, this));
    return this.knownFaults;
  }

  /** See TdpSituationVm. */
  isPlain(vcpu: number): boolean {
    return this.nested === undefined && this.parts.memory.stores === 0 && this.parts.rings === undefined && this.isCalm(vcpu);
  }

  /** See MmuBackend.losses. */
  get losses(): number {
    return this.mmu.book.losses + this.contexts.losses;
  }

  advance(vcpu: number): number {
    this.select(vcpu);
    return this.accessesOf(vcpu).advance(vcpu);
  }

  control(vcpu: number, write: ControlWrite): void {
    this.parts.vcpus.version.bump();
    this.select(vcpu);
    this.entry.write(vcpu, write, () => this.contexts.registersChanged());
  }

  writeTables(vcpu: number, writes: GuestTableWrites): void {
    this.select(vcpu);
    this.parts.tableWriter.write(this, vcpu, writes);
    this.contexts.forgetTables();
  }

  space(vcpu: number): GuestTables {
    return this.spaces.current(vcpu);
  }

  reach(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    return this.spaces.reach(vcpu, vfn, kind);
  }

  access(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.accessesOf(vcpu).touch(vcpu, vfn, kind);
  }

  host(op: HostOp, answer?: HostAnswer): void {
    this.parts.vcpus.version.bump();
    this.world.counters.select(-1);
    // The TDP MMU's own tables are not limited.
    if (op.op === SET_NR_MMU_PAGES) this.nested?.engine.mmu.limitPages(Number(op.value));
    else this.hostOps.perform(op, answer);
    if (this.parts.slots.generation !== this.generation) this.mmu.spte.outdateMmio();
    this.generation = this.parts.slots.generation;
    this.contexts.rootsChanged();
  }

  invalidate(slot: Memslot, start: number, end: number, change?: () => void): void {
    this.parts.slots.invalidations.begin();
    if (this.parts.slots.work.atLeaves(() => this.unmap(start, end))) this.mmu.flush(1);
    change?.();
    this.parts.slots.invalidations.end();
    if (slot.holdsGuestTables) this.contexts.forgetTables();
  }

  /** @returns whether any leaf was there, in either MMU */
  private unmap(start: number, end: number): boolean {
    const nestedGone = this.nested?.engine.tables.unmap(start, end) ?? false;
    return this.mmu.unmap(start, end) || nestedGone;
  }

  translate(gfn: number): Translation | undefined {
    const vcpu = this.parts.cpus.findIndex((_, candidate) => this.entry.roots.cache(candidate, 'main').current !== INVALID_ROOT);
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
      descriptor: this.mmu.spte.descriptor(entry.attr, entry.level, entry.gfn, this.world.policy.ept),
    };
  }

  inspection(): BackendInspection {
    const { mmu, tdpRoots, nested } = this;
    const { ept, adBits } = this.world.policy;
    return new TdpInspection({ mmu, roots: this.entry.roots, tdpRoots, ept, adBits, nested: nested?.engine });
  }

  stateKey(): string | undefined {
    const tables = this.mmu.contentKey();
    const pages = this.nested === undefined ? '' : shadowContentKey(this.nested.engine.mmu);
    const frameMaps = frameMapsKey(this.parts.slots);
    if (tables === undefined || pages === undefined || frameMaps === undefined || !this.parts.nxLists.isEmpty) return undefined;
    const { rings, memory } = this.parts;
    return `${this.entry.roots.key()} ${rings?.key() ?? ''} ${this.recovery.key} ${frameMaps} ${tables} ${pages} ${memory.stores}`;
  }

  memory(): BackendMemory {
    let tables = 0;
    for (const root of this.mmu.roots) tables += this.mmu.tableCount(root);
    return { tableBytesReal: tables * 4096 + (this.nested?.engine.tableBytes() ?? 0) };
  }

  logChanged(): void {
    this.parts.vcpus.version.bump();
    this.pmlActive = this.world.policy.pml && this.parts.slots.isAnyLogged;
  }

  age(_slot: Memslot, start: number, end: number, { flush, pageByPage }: Aging): number {
    if (flush && pageByPage) return this.agePageByPage(start, end);
    // Without a flush, page by page is the same as at once: each leaf is aged by the first call that meets it.
    const young = this.ageBoth(start, end, pageByPage);
    if (young > 0 && flush) this.mmu.flush(1);
    return young;
  }

  /** Takes all mappings along, or (6.12, if user space asks for it) leaves of the slot and shadow pages of tables in it. */
  deleteMemslot(slot: Memslot): void {
    this.parts.slots.remove(slot);
    if (this.world.policy.slotZapAll) return this.zapAll();
    const { engine } = this.nested ?? {};
    const isOwed = this.parts.slots.work.underLock('write', () => this.unmap(slot.base, slot.end));
    if (engine !== undefined) engine.mmu.zapTablesIn(slot.base, slot.end, isOwed);
    else if (isOwed) this.mmu.flush(1);
    this.contexts.forgetTables();
  }

  preFault(vcpu: number, slot: Memslot, start: number, end: number): void {
    this.select(vcpu);
    preFaultRange(this.path, this.entry.roots, vcpu, slot, start, end);
    this.world.counters.select(-1);
  }

  /** The module parameter is written: every mapping goes if that changes it. */
  setNxHugePages(on: boolean): void {
    const { policy } = this.world;
    if (policy.nxParameter === on) return;
    policy.nxParameter = on;
    if (policy.nxOptedOut) return this.zapAll();
    policy.nxHugePages = on;
    this.mmu.spte.setNxHugePages(on);
    this.nested?.engine.mmu.setNxHugePages(on);
    this.known.forget();
    this.knownFaults?.forget();
    this.zapAll();
    this.recovery.switched(on);
  }

  /** A call per page, and a flush per call that met a young leaf. With one table over the range that is a flush per leaf. */
  private agePageByPage(start: number, end: number): number {
    if (this.nested === undefined && this.mmu.roots.length <= 1) {
      const young = this.mmu.age(start, end, true);
      if (young > 0) this.mmu.flush(young);
      return young;
    }
    let young = 0;
    for (let gfn = start; gfn < end; gfn++) young += this.agePage(gfn);
    return young;
  }

  private agePage(gfn: number): number {
    const young = this.ageBoth(gfn, gfn + 1, false);
    if (young > 0) this.mmu.flush(1);
    return young;
  }

  /** L1's leaves, and those of its nested guest. @returns how many were young */
  private ageBoth(start: number, end: number, pageByPage: boolean): number {
    const nestedYoung = this.nested?.engine.tables.age(start, end, pageByPage) ?? 0;
    return this.mmu.age(start, end, pageByPage) + nestedYoung;
  }

  /** Invalidates all roots: their trees are zapped at once, vCPUs drop them when they enter next. */
  zapAll(): void {
    const { work } = this.parts.slots;
    if (this.nested === undefined) work.lock('write');
    else this.nested.engine.mmu.fastZap();
    // Invalid trees go under the lock for reading, where there is one.
    if (this.world.policy.parallelFaults) work.lock('read');
    work.atLeaves(() => this.tdpRoots.invalidateAll());
    this.entry.roots.invalidateAll();
  }

  destroy(): void {
    if (this.nested === undefined) this.parts.slots.work.lock('write');
    else this.nested.engine.mmu.fastZap();
    this.entry.unloadAll();
    for (const root of [...this.mmu.roots]) this.mmu.destroyRoot(root);
  }

  /** The nested guest, where L1 has one. @throws OPTION_NESTED_SPLIT */
  private makeNested(layout: VmLayout): NestedGuests | undefined {
    if (layout.nested === undefined) return undefined;
    const { policy, shadowPolicy } = this.world;
    if (policy.eagerPageSplit && !shadowPolicy.eagerSplit) throw nestedSplitNeedsCache();
    return new NestedGuests(this.parts, layout.nested, this.nestedHost());
  }

  /** What the nested guest's MMU needs of L1's. */
  private nestedHost(): NestedHost {
    return {
      roots: () => this.entry.roots,
      mustExit: vcpu => this.mustExit(vcpu),
      resume: vcpu => this.entry.resume(vcpu),
      invalidate: (slot, start, end) => this.invalidate(slot, start, end),
      rootsObsolete: () => this.entry.roots.invalidateAll(),
      writeProtectElsewhere: gfn => {
        this.contexts.forgetTables();
        this.path.shadowed = this.nested;
        return this.mmu.writeProtectFrame(gfn);
      },
    };
  }

  /** The accesses of the guest that the vCPU runs now: L1, or its nested guest. */
  private accessesOf(vcpu: number): GuestAccesses | ShadowAccesses {
    if (this.nested !== undefined && this.parts.cpus[vcpu].guestMode) return this.nested.accesses;
    return this.parts.memory.stores > 0 && this.spaces.hasWritten(vcpu) ? this.writtenAccesses : this.accesses;
  }

  /** What happens from here on is a vCPU's doing. */
  private select(vcpu: number): void {
    this.world.counters.select(vcpu);
    this.parts.journal.vcpu = vcpu;
    this.contexts.act(vcpu);
  }
}
