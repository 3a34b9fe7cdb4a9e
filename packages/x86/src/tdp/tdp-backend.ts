/**
 * The `x86-tdp` backend: one VM on the TDP MMU.
 *
 * A vCPU enters (requests are served, a root is loaded when it has none), touches guest frames through the guest's own page tables — whose pages the hardware
 * writes on its way, to set A and D bits — and faults along the stages of fault.ts. Runs of accesses are cut at memslot borders, their table pages are
 * touched as a run of their own, and the data is lifted by the engine. Host operations go over all roots.
 *
 * Models: Linux arch/x86/kvm (mmu/tdp_mmu.c, mmu/mmu.c, x86.c). Hot path: `touch`, `begin`, `advance`.
 */
import { ACCESS_DONE, AccessKind, BackendOptions, CountersToken, HostOptions } from '@mmulab/api';
import type { AccessRun, BackendMemory, ControlWrite, Counters, HostOp, MmuBackend, OptionValues, Translation, Vfn, VmLayout } from '@mmulab/api';
import { EntryKind } from '@mmulab/api';
import { EngineWorld, Geometry, RunList, tableWorld } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { Ev } from '../events';
import { GuestWalker } from '../guest-walker';
import { Memslots } from '../memslots';
import type { Memslot } from '../memslots';
import { readPolicy } from '../policy';
import type { X86Policy } from '../policy';
import { Spte, SpteAttrs } from '../spte';
import { VcpuStates } from '../vcpu-state';
import { VmJournal } from '../vm-journal';
import { AccessProgram } from './access-program';
import { TdpDirtyLog } from './dirty-log';
import { TdpFaultPath, tdpStages } from './fault';
import type { FaultWorld } from './fault';
import { NxRecovery } from './nx-recovery';
import { TdpMmu } from './tdp-mmu';
import type { TdpRoot } from './tdp-mmu';

/** Stages of guest-table touches come before those of the data access; the scheduler sees the same ones. */
const NO_ACCESS = -1;

@injectable()
export class TdpBackend implements MmuBackend, FaultWorld {
  readonly stages = tdpStages;
  pmlActive = false;
  private readonly policy: X86Policy;
  private vm!: VmLayout;
  private slots!: Memslots;
  private vcpus!: VcpuStates;
  private journal!: VmJournal;
  private mmu!: TdpMmu;
  private path!: TdpFaultPath;
  private dirtyLog!: TdpDirtyLog;
  private nxRecovery!: NxRecovery;
  private readonly nxList = new RunList();
  private walkers: GuestWalker[] = [];
  /** Root of each vCPU, while it has one. */
  private roots: (TdpRoot | undefined)[] = [];
  private readonly keys = new Map<string, number>();
  /** Changes whenever a mapping of a guest table page may have gone or lost rights. */
  private tableEpoch = 1;
  /** Per address space, level and table number: the epoch in which the page was last seen mapped for writing. */
  private tableSeen: Map<number, number>[] = [];
  // The access each vCPU has begun: remaining guest-table levels, then the data.
  private pendingVfn!: Float64Array;
  private pendingKind!: Uint8Array;
  private pendingLevel!: Int8Array;
  private pendingStage!: Int8Array;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) private readonly counters: Counters,
    @inject(EngineWorld) @optional() private readonly world: EngineWorld = tableWorld,
  ) {
    this.policy = readPolicy(options, host);
  }

  create(vm: VmLayout): void {
    const { policy } = this;
    this.vm = vm;
    const geometry = new Geometry(512, policy.levels);
    this.slots = new Memslots(this.world, geometry, this.counters);
    this.vcpus = new VcpuStates(vm.vcpus);
    this.journal = new VmJournal(this.vcpus, this.nxList);
    const spte = new SpteAttrs(policy.adBits, policy.nxHugePages);
    this.mmu = new TdpMmu(this.world, spte, this.slots, this.counters, this.journal, policy, policy.levels);
    this.path = new TdpFaultPath(vm.vcpus, this.mmu, this.slots, this.counters, this.journal, this, policy);
    this.dirtyLog = new TdpDirtyLog(this.mmu, this.slots, policy);
    this.nxRecovery = new NxRecovery(this.nxList, this.mmu, this.slots, this.journal, this.counters, policy.nxRecovery);
    this.walkers = vm.spaces.map(space => new GuestWalker(space));
    this.tableSeen = vm.spaces.map(() => new Map<number, number>());
    this.roots = new Array<TdpRoot | undefined>(vm.vcpus).fill(undefined);
    this.pendingVfn = new Float64Array(vm.vcpus);
    this.pendingKind = new Uint8Array(vm.vcpus);
    this.pendingLevel = new Int8Array(vm.vcpus);
    this.pendingStage = new Int8Array(vm.vcpus).fill(NO_ACCESS);
    for (const spec of vm.memslots) this.slots.add(spec, this.holdsTables(spec.baseGfn, spec.npages), 2 ** (vm.physBits - 12));
  }

  enter(vcpu: number): void {
    this.select(vcpu);
    if (this.vcpus.started[vcpu] === 0) {
      this.vcpus.started[vcpu] = 1;
      if (this.policy.sregsFlush) this.vcpus.flushPending[vcpu] = 1;
    }
    this.reenter(vcpu);
  }

  reenter(vcpu: number): void {
    if (this.vcpus.flushPending[vcpu] === 1) {
      this.vcpus.flushPending[vcpu] = 0;
      this.count(Ev.tlbFlush, 1);
      this.count(Ev.tlbFlushHw, 1);
    }
    if (this.roots[vcpu] === undefined) this.load(vcpu);
  }

  root(vcpu: number): TdpRoot {
    return this.roots[vcpu] as TdpRoot;
  }

  run(vcpu: number, run: AccessRun): void {
    this.select(vcpu);
    const walker = this.walkers[0] as GuestWalker;
    let index = 0;
    while (index < run.count) {
      const vfn = run.vfn + index * run.stride;
      const guest = walker.runAt(vfn);
      const inGuest = Math.min(run.count - index, Math.ceil((guest.vfn + guest.npages - vfn) / run.stride));
      const gfn = guest.gfn + (vfn - guest.vfn);
      const slot = this.slots.find(gfn);
      const inSlot = slot === undefined ? 1 : Math.min(inGuest, Math.ceil((slot.end - gfn) / run.stride));
      if (slot === undefined || inSlot < 8) this.runSingly(vcpu, run, index, inSlot);
      else this.runLifted(vcpu, run, index, inSlot, gfn, slot);
      index += inSlot;
    }
    this.settlePml(vcpu);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.select(vcpu);
    this.access(vcpu, vfn, kind);
    this.settlePml(vcpu);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    this.select(vcpu);
    this.pendingVfn[vcpu] = vfn;
    this.pendingKind[vcpu] = kind;
    this.pendingLevel[vcpu] = (this.walkers[0] as GuestWalker).space.levels;
    return this.proceed(vcpu);
  }

  advance(vcpu: number): number {
    this.select(vcpu);
    const next = this.path.stage(vcpu, this.pendingStage[vcpu] as number);
    if (next !== ACCESS_DONE) {
      this.pendingStage[vcpu] = next;
      return next;
    }
    return this.proceed(vcpu);
  }

  control(_vcpu: number, write: ControlWrite): void {
    void write;
  }

  host(op: HostOp): void {
    this.counters.select(-1);
    switch (op.op) {
      case 'manual_protect':
        this.dirtyLog.manualProtect = true;
        this.dirtyLog.initiallySet = op.initiallySet;
        break;
      case 'set_dirty_log':
        this.setDirtyLog(this.slots.byId(op.slot), op.on);
        break;
      case 'get_dirty_log':
        this.dirtyLog.get(this.slots.byId(op.slot));
        break;
      case 'clear_dirty_log': {
        const slot = this.slots.byId(op.slot);
        this.dirtyLog.clear(slot, op.firstPage ?? 0, op.npages ?? slot.spec.npages);
        break;
      }
      case 'unmap': {
        const slot = this.slots.byId(op.slot);
        const start = slot.spec.baseGfn + (op.firstPage ?? 0);
        const end = Math.min(slot.end, start + (op.npages ?? slot.spec.npages));
        this.invalidate(slot, start, end);
        this.slots.hostPlane.setRange(start, end - start, 0);
        break;
      }
      case 'age':
        this.age(op);
        break;
      case 'nx_recovery':
        this.nxRecovery.pass();
        break;
      case 'idle':
        this.nxRecovery.elapse(op.ms);
        break;
      case 'create_memslot':
        this.slots.add(op.slot, this.holdsTables(op.slot.baseGfn, op.slot.npages), 2 ** (this.vm.physBits - 12));
        break;
      case 'delete_memslot':
        this.slots.remove(this.slots.byId(op.slot));
        this.zapAllFast();
        break;
      case 'zap_all':
        this.zapAllFast();
        break;
      case 'destroy_vm':
        this.destroy();
        break;
    }
    this.tableEpoch++;
  }

  invalidate(slot: Memslot, start: number, end: number): void {
    if (this.mmu.unmap(start, end)) this.mmu.book.flush(1);
    this.slots.notifierSeq++;
    if (slot.holdsGuestTables) this.tableEpoch++;
  }

  translate(gfn: number): Translation | undefined {
    const root = this.roots.find(candidate => candidate !== undefined);
    if (root === undefined) return undefined;
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

  memory(): BackendMemory {
    let tables = 0;
    for (const root of this.mmu.roots) tables += this.mmu.tableCount(root);
    return { tableBytesReal: tables * 4096 };
  }

  /** One access: the table pages of the guest's walk from the top down, then the page itself. */
  private access(vcpu: number, vfn: number, kind: number): void {
    const walker = this.walkers[0] as GuestWalker;
    for (let level = walker.space.levels; level >= 1; level--) this.touchTable(vcpu, walker, level, vfn);
    this.path.access(vcpu, walker.gfnOf(vfn), kind, 0);
  }

  /** The hardware walks through one guest table page. */
  private touchTable(vcpu: number, walker: GuestWalker, level: number, vfn: number): void {
    const frame = this.unseenTable(walker, level, vfn);
    if (frame >= 0) this.path.access(vcpu, frame, AccessKind.Write, 1);
  }

  /** The frame of a guest table page that may need a mapping, or -1. Remembers that it will have one. */
  private unseenTable(walker: GuestWalker, level: number, vfn: number): number {
    const index = Math.floor(vfn / 512 ** level);
    const seen = this.tableSeen[0] as Map<number, number>;
    const key = index * 8 + level;
    if (seen.get(key) === this.tableEpoch) return -1;
    const frame = walker.tableFrame(level, index);
    if (frame >= 0) seen.set(key, this.tableEpoch);
    return frame;
  }

  private runSingly(vcpu: number, run: AccessRun, first: number, count: number): void {
    for (let i = first; i < first + count; i++) this.access(vcpu, run.vfn + i * run.stride, kindOf(run, i));
  }

  private runLifted(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const walker = this.walkers[0] as GuestWalker;
    const vfn = run.vfn + first * run.stride;
    const lastVfn = vfn + (count - 1) * run.stride;
    // Table pages in between the data matter to a log that fills: then one guest table's worth of data at a time.
    if (this.pmlActive && !this.tablesSeen(walker, vfn, lastVfn)) {
      const here = Math.min(count, Math.ceil((512 - (vfn % 512)) / run.stride));
      this.touchTables(vcpu, walker, vfn, vfn + (here - 1) * run.stride, run.stride);
      this.runData(vcpu, run, first, here, gfn, slot);
      if (here < count) this.runLifted(vcpu, run, first + here, count - here, gfn + here * run.stride, slot);
      return;
    }
    this.touchTables(vcpu, walker, vfn, lastVfn, run.stride);
    this.runData(vcpu, run, first, count, gfn, slot);
  }

  private runData(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const key = this.key(`${run.kind}/${run.stride}/${run.writeEvery}/${slot.index}/${slot.logged}/${this.pmlActive}`);
    const pattern = { gfn, count, stride: run.stride, kind: run.kind, writeEvery: run.writeEvery, firstIndex: first };
    const program = new AccessProgram(key, this.journal, vcpu, pattern, slot, this.slots, this.path, this.mmu.spte);
    this.mmu.run(program, this.root(vcpu), gfn, gfn + (count - 1) * run.stride + 1);
  }

  private touchTables(vcpu: number, walker: GuestWalker, vfn: number, lastVfn: number, stride: number): void {
    for (let level = walker.space.levels; level >= 1; level--) {
      const span = 512 ** level;
      const step = Math.max(span, stride);
      for (let at = vfn; ; at += step) {
        this.touchTable(vcpu, walker, level, Math.min(at, lastVfn));
        if (at >= lastVfn) break;
      }
    }
  }

  private tablesSeen(walker: GuestWalker, vfn: number, lastVfn: number): boolean {
    const seen = this.tableSeen[0] as Map<number, number>;
    for (let level = walker.space.levels; level >= 1; level--) {
      const span = 512 ** level;
      for (let index = Math.floor(vfn / span); index <= Math.floor(lastVfn / span); index++) {
        if (seen.get(index * 8 + level) !== this.tableEpoch && walker.tableFrame(level, index) >= 0) return false;
      }
    }
    return true;
  }

  /** Goes on with a begun access until a fault's stage is due. */
  private proceed(vcpu: number): number {
    const walker = this.walkers[0] as GuestWalker;
    const vfn = this.pendingVfn[vcpu] as number;
    while ((this.pendingLevel[vcpu] as number) >= 0) {
      const level = this.pendingLevel[vcpu] as number;
      this.pendingLevel[vcpu] = level - 1;
      const frame = level === 0 ? walker.gfnOf(vfn) : this.unseenTable(walker, level, vfn);
      if (frame < 0) continue;
      const stage = this.path.begin(vcpu, frame, level === 0 ? (this.pendingKind[vcpu] as number) : AccessKind.Write, level === 0 ? 0 : 1);
      if (stage !== ACCESS_DONE) {
        this.pendingStage[vcpu] = stage;
        return stage;
      }
    }
    this.settlePml(vcpu);
    return ACCESS_DONE;
  }

  private setDirtyLog(slot: Memslot, on: boolean): void {
    if (slot.logged === on) return;
    if (on) this.dirtyLog.enable(slot);
    else this.dirtyLog.disable(slot);
    this.pmlActive = this.policy.pml && this.slots.loggedCount > 0;
  }

  private age(op: Extract<HostOp, { op: 'age' }>): void {
    const slot = this.slots.byId(op.slot);
    const start = slot.spec.baseGfn + (op.firstPage ?? 0);
    const end = Math.min(slot.end, start + (op.npages ?? slot.spec.npages));
    const now = this.counters.now;
    const updates = (): number =>
      (now[Ev.update[1] as number] as number) + (now[Ev.update[2] as number] as number) + (now[Ev.update[3] as number] as number);
    const before = updates();
    // Page by page or at once, each leaf is aged by the first call that meets it.
    const young = this.mmu.age(start, end);
    if (op.flush && young) this.mmu.book.flush(op.pageByPage ? updates() - before : 1);
  }

  /** Invalidates all roots: vCPUs drop theirs, the trees are zapped. */
  private zapAllFast(): void {
    for (let vcpu = 0; vcpu < this.roots.length; vcpu++) this.dropRoot(vcpu);
    for (const root of [...this.mmu.roots]) this.mmu.destroyRoot(root);
  }

  private destroy(): void {
    for (let vcpu = 0; vcpu < this.roots.length; vcpu++) this.dropRoot(vcpu);
    for (const root of [...this.mmu.roots]) this.mmu.destroyRoot(root);
  }

  private load(vcpu: number): void {
    const root = this.mmu.getRoot(0);
    root.refs++;
    this.roots[vcpu] = root;
    this.count(Ev.mmuLoad, 1);
    this.count(Ev.mmuSyncRoots, 1);
    this.count(Ev.tlbFlushHw, 1);
    this.tableEpoch++;
  }

  private dropRoot(vcpu: number): void {
    const root = this.roots[vcpu];
    if (root === undefined) return;
    root.refs--;
    this.roots[vcpu] = undefined;
    this.tableEpoch++;
  }

  private select(vcpu: number): void {
    this.counters.select(vcpu);
    this.journal.vcpu = vcpu;
  }

  /** Counts the overflow exits of the vCPU's log. */
  private settlePml(vcpu: number): void {
    const fulls = this.vcpus.pmlFulls[vcpu] as number;
    if (fulls === 0) return;
    this.vcpus.pmlFulls[vcpu] = 0;
    this.count(Ev.pmlFull, fulls);
    this.count(Ev.exit, fulls);
  }

  private holdsTables(baseGfn: number, npages: number): boolean {
    const inside = (gfn: number): boolean => gfn >= baseGfn && gfn < baseGfn + npages;
    return this.vm.spaces.some(space => inside(space.root) || space.tables.some(run => inside(run.gfn)));
  }

  private key(text: string): number {
    let key = this.keys.get(text);
    if (key === undefined) {
      key = this.keys.size;
      this.keys.set(text, key);
    }
    return key;
  }

  private count(index: number, amount: number): void {
    const now = this.counters.now;
    now[index] = (now[index] as number) + amount;
  }
}

/** Kind of access number `index` of a run. */
function kindOf(run: AccessRun, index: number): AccessKind {
  return run.writeEvery > 0 && index % run.writeEvery === 0 ? AccessKind.Write : run.kind;
}
