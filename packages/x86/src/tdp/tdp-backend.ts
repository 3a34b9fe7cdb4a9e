/**
 * The `x86-tdp` backend: one VM on the TDP MMU.
 *
 * A vCPU enters (requests are served, a root is loaded when it has none), touches guest frames through the guest's own page tables — whose pages the hardware
 * writes on its way, to set A and D bits — and faults along the stages of fault.ts. Runs of accesses are cut at memslot borders, their table pages are
 * touched as a run of their own, and the data is lifted by the engine. Host operations go over all roots.
 *
 * Models: Linux arch/x86/kvm (mmu/tdp_mmu.c, mmu/mmu.c, x86.c). Hot path: `touch`, `begin`, `advance`.
 */
import { ACCESS_DONE as DONE_CODE, AccessKind, ENTRIES_PER_TABLE, BackendOptions, CountersToken, HostOptions } from '@mmulab/api';
import type { AccessRun, BackendMemory, ControlWrite, Counters, HostOp, MmuBackend, OptionValues, Translation, Vfn, VmLayout } from '@mmulab/api';
import { EntryKind } from '@mmulab/api';
import { EngineWorld, Geometry, RunList, tableWorld } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { badPagingMode, nestedSplitNeedsCache } from '../errors';
import { planesKey } from '../content-hash';
import { Ev } from '../events';
import { GuestWalker } from '../guest-walker';
import { Memslots } from '../memslots';
import type { Memslot } from '../memslots';
import { SeenTables } from '../seen-tables';
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
import { BothTables, NestedGuests } from '../shadow/nested-guest';
import type { NestedHost } from '../shadow/nested-guest';
import { readShadowPolicy } from '../shadow/shadow-policy';
import type { ShadowPolicy } from '../shadow/shadow-policy';
import { Spte, SpteAttrs } from '../spte';
import { VcpuStates } from '../vcpu-state';
import { VmJournal } from '../vm-journal';
import { AccessProgram } from './access-program';
import type { AccessPattern } from './access-program';
import { TdpDirtyLog } from './dirty-log';
import { TdpFaultPath, tdpStages } from './fault';
import type { FaultWorld } from './fault';
import { NxRecovery } from './nx-recovery';
import { TdpMmu } from './tdp-mmu';
import type { TdpRoot } from './tdp-mmu';
import { TdpRoots } from './tdp-roots';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;
const { Write } = AccessKind;
const BLOCK_PAGES = ENTRIES_PER_TABLE;
const INVERSE_BLOCK = 1 / BLOCK_PAGES;
/** Frames that a guest table of a level covers. */
const SPANS: readonly number[] = [1, 2, 3, 4, 5].reduce((spans, level) => [...spans, 512 ** level], [1]);

/** Stages of guest-table touches come before those of the data access; the scheduler sees the same ones. */
const NO_ACCESS = -1;
/** Neighbouring guest table pages that are worth a run of their own. */
const MIN_LIFTED_TABLES = 16;

/** What a vCPU walks: its root, and its guest's tables (undefined while its paging mode does not fit them). */
class VcpuContext {
  epoch = 0;
  /** Root and address space as one number. */
  key = -1;
  root: TdpRoot | undefined = undefined;
  walker: GuestWalker | undefined = undefined;
  seen: SeenTables | undefined = undefined;
  /** The 2 MiB block of guest addresses touched last, if none of its table pages needed a touch in epoch `blockEpoch`; else -1. */
  block = -1;
  blockEpoch = 0;
  /** From its guest virtual to its guest frames. */
  shift = 0;
}

@injectable()
export class TdpBackend implements MmuBackend, FaultWorld {
  readonly stages = tdpStages;
  pmlActive = false;
  private readonly policy: X86Policy;
  /** What the hardware's walk does to guest table pages: a write with A/D bits in EPT, and always with NPT; a read without. */
  private readonly tableAccess: AccessKind;
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
  private dirtyLog!: TdpDirtyLog;
  private nxRecovery!: NxRecovery;
  private readonly nxList = new RunList();
  /** One per address space, then one for a guest without paging. */
  private walkers: GuestWalker[] = [];
  private cpus: readonly GuestCpu[] = [];
  private tdpRoots!: TdpRoots;
  private roots!: VcpuRoots;
  private registers!: ControlRegisters;
  /** What each vCPU walks now, found again after `contextEpoch` has moved. */
  private contexts: VcpuContext[] = [];
  private contextEpoch = 1;
  /** Root and address space that `tableSeen` speaks of. */
  private seenKey = -1;
  private readonly keys = new Map<string, number>();
  /** Per address space: the guest table pages that need no touch. Forgotten whenever a mapping of one may have gone or lost rights. */
  private tableSeen: SeenTables[] = [];
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
    this.tableAccess = this.policy.ept && !this.policy.adBits ? AccessKind.Read : Write;
    this.rootPolicy = readRootPolicy(options, host, this.policy);
    this.shadowPolicy = readShadowPolicy(options, this.policy);
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
    this.walkers = guestSpaces(vm).map(space => new GuestWalker(space));
    this.tableSeen = this.walkers.map(walker => new SeenTables(walker));
    this.createRoots(vm);
    const tables = this.nested === undefined ? this.mmu : new BothTables(this.mmu, this.nested.engine);
    this.dirtyLog = new TdpDirtyLog(tables, this.slots, policy);
    this.nxRecovery = new NxRecovery(this.nxList, tables, this.slots, this.journal, this.counters, policy.nxRecovery);
    this.contexts = this.cpus.map(() => new VcpuContext());
    this.pendingVfn = new Float64Array(vm.vcpus);
    this.pendingKind = new Uint8Array(vm.vcpus);
    this.pendingLevel = new Int8Array(vm.vcpus);
    this.pendingStage = new Int8Array(vm.vcpus).fill(NO_ACCESS);
    for (const spec of vm.memslots) this.slots.add(spec, this.holdsTables(spec.baseGfn, spec.npages), 2 ** (vm.physBits - 12));
  }

  enter(vcpu: number): void {
    this.select(vcpu);
    // Whoever enters was out of the guest before: that exit drained its log.
    this.journal.exit();
    this.roots.serve(vcpu);
  }

  reenter(vcpu: number): void {
    if (this.roots.requests[vcpu] === 0 && this.vcpus.flushPending[vcpu] === 0 && this.context(vcpu).root !== undefined) return;
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

  root(vcpu: number): TdpRoot {
    return this.context(vcpu).root as TdpRoot;
  }

  run(vcpu: number, run: AccessRun): void {
    this.select(vcpu);
    const nested = this.nestedGuest(vcpu);
    if (nested !== undefined) return nested.run(vcpu, run);
    const walker = this.walker(vcpu);
    let index = 0;
    while (index < run.count) {
      const vfn = run.vfn + index * run.stride;
      const guest = walker.runAt(vfn);
      const inGuest = Math.min(run.count - index, Math.ceil((guest.vfn + guest.npages - vfn) / run.stride));
      const gfn = guest.gfn + (vfn - guest.vfn);
      const slot = this.slots.find(gfn);
      const inSlot = slot === undefined ? 1 : Math.min(inGuest, Math.ceil((slot.end - gfn) / run.stride));
      if (slot === undefined || inSlot < 8 || this.path.shadowed !== undefined) this.runSingly(vcpu, run, index, inSlot);
      else this.runLifted(vcpu, run, index, inSlot, gfn, slot);
      index += inSlot;
    }
    this.settlePml(vcpu);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.select(vcpu);
    const nested = this.nestedGuest(vcpu);
    if (nested !== undefined) return nested.touch(vcpu, vfn, kind);
    this.access(vcpu, vfn, kind);
    if (this.pmlActive) this.settlePml(vcpu);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    this.select(vcpu);
    const nested = this.nestedGuest(vcpu);
    if (nested !== undefined) return nested.begin(vcpu, vfn, kind);
    this.pendingVfn[vcpu] = vfn;
    this.pendingKind[vcpu] = kind;
    this.pendingLevel[vcpu] = this.walker(vcpu).space.levels;
    return this.proceed(vcpu);
  }

  advance(vcpu: number): number {
    this.select(vcpu);
    const nested = this.nestedGuest(vcpu);
    if (nested !== undefined) return nested.advance(vcpu);
    const next = this.path.stage(vcpu, this.pendingStage[vcpu]);
    if (next !== ACCESS_DONE) {
      this.pendingStage[vcpu] = next;
      return next;
    }
    return this.proceed(vcpu);
  }

  control(vcpu: number, write: ControlWrite): void {
    this.select(vcpu);
    this.registers.write(vcpu, write);
    this.contextEpoch++;
    this.roots.serve(vcpu);
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
    this.rootsChanged();
  }

  invalidate(slot: Memslot, start: number, end: number): void {
    const nestedGone = this.nested?.engine.tables.unmap(start, end) ?? false;
    if (this.mmu.unmap(start, end) || nestedGone) this.mmu.book.flush(1);
    this.slots.notifierSeq++;
    if (slot.holdsGuestTables) this.forgetTables();
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

  stateKey(): string | undefined {
    const tables = this.mmu.contentKey();
    const pages = this.nested === undefined ? '' : shadowContentKey(this.nested.engine.mmu);
    const planes = planesKey(this.slots);
    if (tables === undefined || pages === undefined || planes === undefined || this.nxList.length > 0) return undefined;
    return `${this.roots.key()} ${planes} ${tables} ${pages}`;
  }

  memory(): BackendMemory {
    let tables = 0;
    for (const root of this.mmu.roots) tables += this.mmu.tableCount(root);
    return { tableBytesReal: tables * 4096 + (this.nested?.engine.tableBytes() ?? 0) };
  }

  /** One access: the table pages of the guest's walk from the top down, then the page itself. */
  private access(vcpu: number, vfn: number, kind: number): void {
    const context = this.context(vcpu);
    const { walker, seen } = context;
    if (walker === undefined || seen === undefined) throw this.wrongMode(vcpu);
    const block = (vfn * INVERSE_BLOCK) | 0;
    if (block !== context.block || seen.epoch !== context.blockEpoch) this.enterBlock(vcpu, context, walker, seen, vfn, block);
    this.path.access(vcpu, vfn + context.shift, kind, 0);
  }

  /** Finds where a 2 MiB block of guest addresses lies, after the hardware has walked to it. It is kept where it lies in one piece. */
  private enterBlock(vcpu: number, context: VcpuContext, walker: GuestWalker, seen: SeenTables, vfn: number, block: number): void {
    const run = walker.find(vfn);
    const number = walker.blockOf(run, vfn);
    let isSeen = seen.isWalkSeen(number);
    if (!isSeen) {
      this.touchWalk(vcpu, walker, vfn, number);
      isSeen = seen.isWalkSeen(number);
    }
    const isWhole = block * BLOCK_PAGES >= run.vfn && (block + 1) * BLOCK_PAGES <= run.end;
    context.shift = run.gfn - run.vfn;
    context.block = isSeen && isWhole ? block : -1;
    context.blockEpoch = seen.epoch;
  }

  /** The hardware walks through the guest's tables. */
  private touchWalk(vcpu: number, walker: GuestWalker, vfn: number, block: number): void {
    const seen = this.seen(vcpu);
    const { epoch } = seen;
    for (let level = walker.space.levels; level >= 1; level--) this.touchTable(vcpu, level, Math.floor(vfn / SPANS[level]));
    seen.noteWalk(block, epoch);
  }

  /** The hardware walks through one guest table page. */
  private touchTable(vcpu: number, level: number, index: number): void {
    const frame = this.seen(vcpu).take(level, index);
    if (frame >= 0) this.path.access(vcpu, frame, this.tableAccess, 1);
  }

  private runSingly(vcpu: number, run: AccessRun, first: number, count: number): void {
    for (let i = first; i < first + count; i++) this.access(vcpu, run.vfn + i * run.stride, kindOf(run, i));
  }

  private runLifted(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const walker = this.walker(vcpu);
    const { stride } = run;
    let done = 0;
    while (done < count) {
      const vfn = run.vfn + (first + done) * stride;
      let here = count - done;
      // Table pages in between the data matter to a log that fills: then one guest table's worth of data at a time.
      if (this.pmlActive && !this.tablesSettled(vcpu, walker, vfn, vfn + (here - 1) * stride))
        here = Math.min(here, Math.ceil((512 - (vfn % 512)) / stride));
      this.touchTables(vcpu, walker, vfn, vfn + (here - 1) * stride, stride);
      this.runData(vcpu, run, first + done, here, gfn + done * stride, slot);
      done += here;
    }
  }

  private runData(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const pattern = { gfn, count, stride: run.stride, kind: run.kind, writeEvery: run.writeEvery, firstIndex: first };
    this.runPattern(vcpu, pattern, slot, 0);
  }

  /** Runs accesses to frames of one slot, lifted. @param guestTable 1 when they are the hardware's to guest table pages */
  private runPattern(vcpu: number, pattern: AccessPattern, slot: Memslot, guestTable: number): void {
    const { gfn, count, stride, kind, writeEvery } = pattern;
    const key = this.key(`${kind}/${stride}/${writeEvery}/${slot.index}/${slot.logged}/${this.pmlActive}/${guestTable}`);
    const alone = this.mmu.roots.length === 1 && this.nested === undefined;
    const program = new AccessProgram(key, this.journal, vcpu, pattern, slot, this.slots, this.path, this.mmu.spte, guestTable, alone);
    this.mmu.run(program, this.root(vcpu), gfn, gfn + (count - 1) * stride + 1);
  }

  /** Touches the table pages of all walks of a run, level by level. */
  private touchTables(vcpu: number, walker: GuestWalker, vfn: number, lastVfn: number, stride: number): void {
    for (let level = walker.space.levels; level >= 1; level--) {
      const span = SPANS[level];
      if (stride > span) {
        for (let at = vfn; at <= lastVfn; at += stride) this.touchTable(vcpu, level, Math.floor(at / span));
      } else {
        this.touchTableRange(vcpu, walker, level, Math.floor(vfn / span), Math.floor(lastVfn / span) + 1);
      }
    }
  }

  /** Touches the table pages of a level with numbers in [first, end), those of one run of frames at once. */
  private touchTableRange(vcpu: number, walker: GuestWalker, level: number, first: number, end: number): void {
    const seen = this.seen(vcpu);
    let index = walker.nextTable(level, first);
    while (index < end) {
      const frame = walker.tableFrame(level, index);
      const slot = this.slots.find(frame);
      const inSlot = slot === undefined ? 1 : slot.end - frame;
      const count = Math.min(walker.tableRunEnd(level, index), end, index + inSlot) - index;
      if (slot === undefined || count < MIN_LIFTED_TABLES) {
        for (let i = 0; i < count; i++) this.touchTable(vcpu, level, index + i);
      } else if (!seen.areSeen(level, index, count)) {
        const { epoch } = seen;
        this.runPattern(vcpu, { gfn: frame, count, stride: 1, kind: this.tableAccess, writeEvery: 0, firstIndex: 0 }, slot, 1);
        seen.noteTables(level, index, count, epoch);
      }
      index = walker.nextTable(level, index + count);
    }
  }

  /** Whether no table page on the way to a range of frames has to be touched, or a touch changes nothing. */
  private tablesSettled(vcpu: number, walker: GuestWalker, vfn: number, lastVfn: number): boolean {
    const seen = this.seen(vcpu);
    for (let level = walker.space.levels; level >= 1; level--) {
      const span = SPANS[level];
      const end = Math.floor(lastVfn / span) + 1;
      let index = walker.nextTable(level, Math.floor(vfn / span));
      while (index < end) {
        const count = Math.min(walker.tableRunEnd(level, index), end) - index;
        if (!seen.areSeen(level, index, count) && !this.framesSettled(vcpu, walker.tableFrame(level, index), count)) return false;
        index = walker.nextTable(level, index + count);
      }
    }
    return true;
  }

  /** Whether the hardware's access to each of the frames passes and leaves its entry as it is. */
  private framesSettled(vcpu: number, gfn: number, count: number): boolean {
    const root = this.root(vcpu);
    for (let i = 0; i < count; i++) {
      const entry = this.mmu.lookup(root, gfn + i);
      if (entry.kind !== EntryKind.Leaf || !this.mmu.spte.isSettled(entry.attr, this.tableAccess)) return false;
    }
    return true;
  }

  /** Goes on with a begun access until a fault's stage is due. */
  private proceed(vcpu: number): number {
    const walker = this.walker(vcpu);
    const vfn = this.pendingVfn[vcpu];
    while (this.pendingLevel[vcpu] >= 0) {
      const level = this.pendingLevel[vcpu];
      this.pendingLevel[vcpu] = level - 1;
      const frame = level === 0 ? walker.gfnOf(vfn) : this.seen(vcpu).take(level, Math.floor(vfn / SPANS[level]));
      if (frame < 0) continue;
      const stage = this.path.begin(vcpu, frame, level === 0 ? this.pendingKind[vcpu] : this.tableAccess, level === 0 ? 0 : 1);
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
    const updates = (): number => now[Ev.update[1]] + now[Ev.update[2]] + now[Ev.update[3]];
    const before = updates();
    // Page by page or at once, each leaf is aged by the first call that meets it.
    const nestedYoung = this.nested?.engine.tables.age(start, end) ?? false;
    const young = this.mmu.age(start, end) || nestedYoung;
    if (op.flush && young) this.mmu.book.flush(op.pageByPage ? updates() - before : 1);
  }

  /** Invalidates all roots: their trees are zapped at once, vCPUs drop them when they enter next. */
  private zapAllFast(): void {
    this.nested?.engine.mmu.fastZap();
    this.tdpRoots.invalidateAll();
    this.roots.invalidateAll();
  }

  private destroy(): void {
    this.nested?.engine.mmu.fastZap();
    for (let vcpu = 0; vcpu < this.cpus.length; vcpu++) this.roots.unload(vcpu);
    for (const root of [...this.mmu.roots]) this.mmu.destroyRoot(root);
  }

  private createRoots(vm: VmLayout): void {
    const { rootPolicy, counters, shadowPolicy } = this;
    this.cpus = createCpus(vm, rootPolicy);
    if (vm.nested !== undefined) {
      if (this.policy.eagerPageSplit && !shadowPolicy.eagerSplit) throw nestedSplitNeedsCache();
      this.nested = new NestedGuests(vm, vm.nested, this.cpus, shadowPolicy, this.slots, counters, this.journal, this.nestedHost());
    }
    this.tdpRoots = new TdpRoots(this.mmu, rootPolicy.lifetime, counters, () => this.rootsChanged());
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
        this.forgetTables();
        this.path.shadowed = this.nested;
        return this.mmu.writeProtectFrame(gfn);
      },
    };
  }

  /** The nested guest, when the vCPU runs it now. */
  private nestedGuest(vcpu: number): NestedGuests | undefined {
    return this.nested !== undefined && this.cpus[vcpu].guestMode ? this.nested : undefined;
  }

  /** Number of the address space a vCPU is in: the last one without paging. */
  private space(vcpu: number): number {
    const cpu = this.cpus[vcpu];
    return cpu.paging ? cpu.space : this.walkers.length - 1;
  }

  private seen(vcpu: number): SeenTables {
    return this.context(vcpu).seen as SeenTables;
  }

  /** The page tables a vCPU walks now. */
  private walker(vcpu: number): GuestWalker {
    const { walker } = this.context(vcpu);
    if (walker === undefined) throw this.wrongMode(vcpu);
    return walker;
  }

  private wrongMode(vcpu: number): Error {
    const { space } = this.walkers[this.space(vcpu)];
    return badPagingMode(space.name, space.levels, this.cpus[vcpu].levels);
  }

  private context(vcpu: number): VcpuContext {
    const context = this.contexts[vcpu];
    if (context.epoch !== this.contextEpoch) this.resolve(vcpu, context);
    return context;
  }

  private resolve(vcpu: number, context: VcpuContext): void {
    const space = this.space(vcpu);
    const walker = this.walkers[space];
    const root = this.roots.cache(vcpu, 'main').current;
    context.epoch = this.contextEpoch;
    context.block = -1;
    context.key = root * this.walkers.length + space;
    context.root = root === INVALID_ROOT ? undefined : this.tdpRoots.get(root);
    context.seen = this.tableSeen[space];
    context.walker = walker.space.levels === this.cpus[vcpu].levels ? walker : undefined;
  }

  private select(vcpu: number): void {
    this.counters.select(vcpu);
    this.journal.vcpu = vcpu;
    const { key } = this.context(vcpu);
    if (key !== this.seenKey) this.otherRoot(key);
  }

  private otherRoot(key: number): void {
    this.seenKey = key;
    this.forgetTables();
  }

  private rootsChanged(): void {
    this.contextEpoch++;
    this.forgetTables();
  }

  /** Counts the overflow exits of the vCPU's log. */
  private settlePml(vcpu: number): void {
    const fulls = this.vcpus.pmlFulls[vcpu];
    if (fulls === 0) return;
    this.vcpus.pmlFulls[vcpu] = 0;
    this.count(Ev.pmlFull, fulls);
    this.count(Ev.exit, fulls);
  }

  private forgetTables(): void {
    for (const seen of this.tableSeen) seen.forget();
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
    now[index] = now[index] + amount;
  }
}

/** Kind of access number `index` of a run. */
function kindOf(run: AccessRun, index: number): AccessKind {
  return run.writeEvery > 0 && index % run.writeEvery === 0 ? Write : run.kind;
}
