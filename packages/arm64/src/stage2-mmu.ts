/**
 * The `arm64-stage2` backend: one VM's stage-2 MMU.
 *
 * A vCPU touches guest frames through the guest's own stage-1 tables, whose pages the hardware reads through stage 2 on its way, and faults along the stages of
 * user-mem-abort.ts. Runs of accesses are cut at memslot borders, their table pages are touched before the data that needs them, and the data is lifted by the
 * engine. What concerns a memslot other than 0 is counted in that slot's scope.
 *
 * Models: Linux arch/arm64/kvm/mmu.c. Hot path: `touch`, `begin`, `advance`.
 */
import { AccessKind, BackendOptions, CountersToken, EntryKind, HostOptions, TraceExport, TransitionObserver } from '@mmulab/api';
import type {
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
  SharedRounds,
  StageDef,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import { AccessProgram, DirtyLog, GuestLayout, HostOps, Memslots, ProgramKeys, accessKind, eachPiece, pendingAccessesClass } from '@mmulab/kvm';
import type { Aging, GuestWalks, HostTables, Memslot, PendingAccesses, PieceRunner } from '@mmulab/kvm';
import { EngineFactory, observedEngines, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { abortStages } from './abort-stages';
import { CasemateExport } from './casemate/export';
import { Stage2Attrs } from './descriptor';
import { foreignRegister, nestedGuest } from './errors';
import { Ev } from './events';
import { Stage2Inspection } from './inspection';
import { Stage2LogTables } from './log-tables';
import { MemoryCaches } from './memcache';
import { CountingMmOps, Stage2MmOps } from './mm-ops';
import { MmuNotifier } from './notifier';
import { readPolicy } from './policy';
import type { Stage2Policy } from './policy';
import { stage2Shape } from './stage2-geometry';
import type { Stage2Shape } from './stage2-geometry';
import { Stage2Replay } from './replay';
import { RunJournal } from './run-journal';
import { SharedProgram, eachSharedStretch } from './shared-program';
import { Stage2Tables } from './stage2-tables';
import { TlbInvalidations } from './tlbi';
import { UserMemAbort } from './user-mem-abort';

/** Runs shorter than this are not worth lifting. */
const MIN_LIFTED = 8;
const HOST = -1;

/** What the guest's table pages on the way to a frame need: nothing, as is known or as the tables say; mappings; or mappings that take tables of the second stage. */
const Way = { Seen: 0, Mapped: 1, Missing: 2, NeedsTables: 3 } as const;
type Way = (typeof Way)[keyof typeof Way];

const Pending = pendingAccessesClass();

@injectable()
export class Stage2Mmu implements MmuBackend, HostTables, PieceRunner, GuestWalks {
  /** The hardware's walk reads the guest's table pages. */
  readonly tableAccess = AccessKind.Read;
  readonly stages: readonly StageDef[];
  private readonly policy: Stage2Policy;
  /** Writes down what happens to the tables; absent in runs that are not exported. */
  private readonly casemate: CasemateExport | undefined;
  private vm!: VmLayout;
  private shape!: Stage2Shape;
  private attrs!: Stage2Attrs;
  private slots!: Memslots;
  private tables!: Stage2Tables;
  private caches!: MemoryCaches;
  private journal!: RunJournal;
  private notifier!: MmuNotifier;
  private path!: UserMemAbort;
  private hostOps!: HostOps;
  private layout!: GuestLayout;
  private readonly keys = new ProgramKeys();
  /** Changes whenever a mapping of a guest table page may have gone. */
  private tableEpoch = 1;
  /** By level and table number: the epoch in which the page was last known to be mapped. */
  private readonly tableSeen = new Map<number, number>();
  private destroyed = false;
  /** Accesses read the guest's table pages only: see `runShared`. */
  private tablesOnly = false;
  private pending!: PendingAccesses;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) private readonly counters: Counters,
    @inject(EngineFactory) @optional() private readonly engines: EngineFactory = tableEngines,
    @inject(Stage2MmOps) @optional() private readonly mmOps: Stage2MmOps = {},
    @inject(TraceExport) @optional() trace?: TraceExport,
    @inject(TransitionObserver) @optional() observer?: TransitionObserver,
  ) {
    if (observer !== undefined) this.engines = observedEngines(observer);
    this.policy = readPolicy(options, host);
    this.stages = abortStages(this.policy);
    this.casemate = trace === undefined ? undefined : new CasemateExport(trace, this.policy);
  }

  /** @throws HOST_IPA_BITS, GUEST_NESTED, VM_BAD_SLOT, EXPORT_VCPUS, EXPORT_IPA_BITS */
  create(vm: VmLayout): void {
    const { policy, engines, counters, casemate } = this;
    if (vm.nested !== undefined) throw nestedGuest();
    this.vm = vm;
    this.shape = stage2Shape(policy.granuleBytes, vm.physBits, policy.ipaLimit, policy.ipaLimitReason);
    const { geometry, maxLeafLevel } = this.shape;
    this.slots = new Memslots({ engines, geometry, counters, maxLeafLevel, markPageDirty: Ev.markPageDirty, dirtyBitmapSet: Ev.dirtyBitmapSet });
    this.attrs = new Stage2Attrs();
    const frameOf = (gfn: number): number => this.hostFrame(gfn);
    const tlb = casemate?.invalidations(counters) ?? new TlbInvalidations(counters, policy);
    const mm = casemate?.mmOps(counters, tlb, this.mmOps, frameOf) ?? new CountingMmOps(counters, policy, tlb, this.mmOps, frameOf);
    const tablesFrom = casemate?.create(vm.vcpus, this.shape, this.slots, frameOf) ?? engines;
    this.tables = new Stage2Tables(tablesFrom, this.shape, this.attrs, this.slots, counters, mm, tlb, policy);
    this.mmOps.zallocPagesExact?.(geometry.rootTables);
    this.caches = new MemoryCaches(vm.vcpus, counters, this.shape.minCachePages);
    this.journal = new RunJournal(this.caches, mm);
    this.notifier = new MmuNotifier(this.tables, this.slots, counters, policy);
    const path: ConstructorParameters<typeof UserMemAbort> = [
      vm.vcpus,
      this.tables,
      this.slots,
      this.caches,
      this.notifier,
      counters,
      policy,
      () => this.tableEpoch++,
    ];
    this.path = casemate?.abortPath(this.stages, ...path) ?? new UserMemAbort(...path);
    const dirtyLog = new DirtyLog(new Stage2LogTables(this.tables, this.slots, policy), this.slots, this.keys);
    this.hostOps = new HostOps(this.slots, dirtyLog, this, { frameLimit: 2 ** vm.physBits / policy.granuleBytes, spaces: vm.spaces });
    const [space] = vm.spaces;
    if (space !== undefined) this.layout = new GuestLayout(space);
    this.pending = new Pending(vm.vcpus, this, this.path);
    for (const spec of vm.memslots) this.hostOps.addMemslot(spec);
  }

  enter(vcpu: number): void {
    this.tables.mm.endGracePeriod();
    this.counters.select(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    eachPiece(vcpu, run, this.layout, this.slots, this);
  }

  outside(vcpu: number, run: AccessRun, first: number): void {
    this.runSingly(vcpu, run, first, 1);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.touchTables(vcpu, vfn);
    this.path.access(vcpu, this.layout.gfnOf(vfn), kind, 0);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    return this.pending.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    this.path.select(vcpu);
    return this.pending.advance(vcpu);
  }

  runShared(rounds: SharedRounds): void {
    this.readTablesTogether(rounds);
    eachSharedStretch(rounds.parts, this.layout, this.slots, (parts, slot) => {
      const program = new SharedProgram(rounds, parts, slot, this.slots, this.attrs, this.tables.mm, this.keys);
      this.counters.select(HOST);
      if (slot === undefined) program.block(program.first, program.end);
      else this.tables.run(program, program.first, program.end);
    });
    this.counters.select(HOST);
  }

  replayPort(): ReplayPort {
    return new Stage2Replay(this.vm.vcpus, this.tables, this.slots, this.path, this.notifier, this);
  }

  /** @throws GUEST_REGISTER: no workload's register concerns stage 2 */
  control(_vcpu: number, write: ControlWrite): void {
    throw foreignRegister(write.register);
  }

  host(op: HostOp, answer?: HostAnswer): void {
    if (this.casemate === undefined) this.perform(op, answer);
    else this.casemate.underLock(() => this.perform(op, answer));
  }

  private perform(op: HostOp, answer: HostAnswer | undefined): void {
    this.tables.mm.endGracePeriod();
    this.select('slot' in op && typeof op.slot === 'number' ? op.slot : 0);
    this.hostOps.perform(op, answer);
  }

  translate(gfn: number): Translation | undefined {
    const entry = this.tables.lookup(gfn);
    if (entry.kind !== EntryKind.Leaf) return undefined;
    const { attr, level } = entry;
    const { pageShift, geometry } = this.shape;
    const base = gfn - (gfn % geometry.pagesAt(level));
    const pfn = this.mmOps.virtToPhys?.(this.hostFrame(base)) ?? this.hostFrame(base);
    return {
      level,
      readable: this.attrs.allows(attr, AccessKind.Read),
      writable: this.attrs.allows(attr, AccessKind.Write),
      executable: this.attrs.allows(attr, AccessKind.Exec),
      accessed: this.attrs.isYoung(attr),
      dirty: this.attrs.isWritable(attr),
      descriptor: this.attrs.descriptor(
        attr,
        level,
        pfn,
        pageShift,
        this.policy.fwb,
        this.policy.lpa2 && this.shape.ipaBits > 48 && pageShift !== 16,
      ),
    };
  }

  inspection(): BackendInspection {
    return new Stage2Inspection(this.tables, this.shape, gfn => this.translate(gfn));
  }

  memory(): BackendMemory {
    return { tableBytesReal: this.destroyed ? 0 : this.tables.tableCount() * this.policy.granuleBytes };
  }

  /**
   * All vCPUs read the guest's table pages on their way to shared memory, as far as they are not mapped: before the memory itself, so that what happens to a block of
   * memory hangs on that block alone.
   */
  private readTablesTogether(rounds: SharedRounds): void {
    this.tablesOnly = true;
    const span = this.layout.spanOf(1);
    let seen = -1;
    for (const part of rounds.parts) {
      const last = part.vfn + (part.count - 1) * part.stride;
      for (let vfn = part.vfn; vfn <= last;) {
        const table = Math.floor(vfn / span);
        if (table !== seen && this.wayTo(vfn) >= Way.Missing) rounds.simulate(vfn, vfn + 1);
        seen = table;
        const next = part.vfn + Math.ceil(((table + 1) * span - part.vfn) / part.stride) * part.stride;
        vfn = next;
      }
    }
    this.tablesOnly = false;
  }

  /** The hardware reads the guest table pages on the way to a frame. */
  private touchTables(vcpu: number, vfn: number): void {
    for (let level = this.layout.levels; level >= 1; level--) {
      const frame = this.unseenTable(level, vfn);
      if (frame >= 0) this.path.access(vcpu, frame, AccessKind.Read, 1);
    }
  }

  /** The frame of a guest table page that may need a mapping, or -1. Remembers that it will have one. */
  private unseenTable(level: number, vfn: number): number {
    const index = Math.floor(vfn / this.layout.spanOf(level));
    const key = index * 8 + level;
    if (this.tableSeen.get(key) === this.tableEpoch) return -1;
    const frame = this.layout.tableFrame(level, index);
    if (frame >= 0) this.tableSeen.set(key, this.tableEpoch);
    return frame;
  }

  /** @returns `count` */
  private runSingly(vcpu: number, run: AccessRun, first: number, count: number): number {
    for (let i = first; i < first + count; i++) this.touch(vcpu, run.vfn + i * run.stride, accessKind(run, i));
    return count;
  }

  /** A run within one memslot. @returns how many of the accesses were made */
  piece(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): number {
    const vfn = run.vfn + first * run.stride;
    if (count < MIN_LIFTED) return this.runSingly(vcpu, run, first, count);
    if (this.tablesSeen(vfn, vfn + (count - 1) * run.stride)) {
      this.runLifted(vcpu, run, first, count, gfn, slot);
      return count;
    }
    this.touchTables(vcpu, vfn);
    const here = this.accessesBeforeTables(vcpu, run, first, count);
    if (here < MIN_LIFTED) return this.runSingly(vcpu, run, first, here);
    this.runLifted(vcpu, run, first, here, gfn, slot);
    return here;
  }

  /**
   * How many accesses of a run may be made before one of its guest table pages has to be read in its turn. Faults on table pages that take no page from the memory cache
   * change places with those on data; they are taken here. One that takes pages, and the last one, which may find the cache low, keep their places.
   */
  private accessesBeforeTables(vcpu: number, run: AccessRun, first: number, count: number): number {
    const vfnOf = (index: number): number => run.vfn + (first + index) * run.stride;
    const early: number[] = [];
    let last = count;
    for (let index = this.untilNextTable(vfnOf(0), run.stride); index < count; index += this.untilNextTable(vfnOf(index), run.stride)) {
      const way = this.wayTo(vfnOf(index));
      switch (way) {
        case Way.Seen:
          continue;
        case Way.Mapped:
          early.push(vfnOf(index));
          continue;
        case Way.Missing:
        case Way.NeedsTables:
          if (last < count) early.push(vfnOf(last));
          last = index;
      }
      if (way === Way.NeedsTables) break;
    }
    for (const vfn of early) this.touchTables(vcpu, vfn);
    return last;
  }

  /** Accesses of a run from a frame on until one lies under another last-level table. */
  private untilNextTable(vfn: number, stride: number): number {
    const span = this.layout.spanOf(1);
    return Math.ceil((span - (vfn % span)) / stride);
  }

  /** What the guest table pages on the way to a frame need. */
  private wayTo(vfn: number): Way {
    if (this.tablesSeen(vfn, vfn)) return Way.Seen;
    let way: Way = Way.Mapped;
    for (let level = this.layout.levels; level >= 1; level--) {
      const frame = this.tableFrame(level, vfn);
      if (frame < 0) continue;
      const entry = this.tables.lookup(frame);
      if (entry.kind === EntryKind.Leaf) continue;
      if (entry.level > 1) return Way.NeedsTables;
      way = Way.Missing;
    }
    return way;
  }

  private runLifted(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): void {
    const key = this.keys.of(`access/${run.kind}/${run.stride}/${run.writeEvery}/${slot.index}/${slot.logged}`);
    const pattern = { gfn, count, stride: run.stride, kind: run.kind, writeEvery: run.writeEvery, firstIndex: first };
    this.caches.vcpu = vcpu;
    this.tables.mm.scope = slot.spec.id;
    this.counters.select(vcpu, slot.spec.id);
    const program = new AccessProgram(key, this.journal, vcpu, pattern, slot, this.slots, this.path, this.attrs);
    this.tables.run(program, gfn, gfn + (count - 1) * run.stride + 1);
    this.caches.count();
  }

  private tablesSeen(vfn: number, lastVfn: number): boolean {
    for (let level = this.layout.levels; level >= 1; level--) {
      const span = this.layout.spanOf(level);
      for (let index = Math.floor(vfn / span); index <= Math.floor(lastVfn / span); index++) {
        if (this.tableSeen.get(index * 8 + level) !== this.tableEpoch) return false;
      }
    }
    return true;
  }

  /** Levels of guest tables the hardware walks. */
  levels(): number {
    return this.layout.levels;
  }

  /** The frame an access that may interleave touches at a level; of the data (0) none while tables only are read. */
  frameAt(_vcpu: number, level: number, vfn: number): number {
    if (level > 0) return this.tableFrame(level, vfn);
    return this.tablesOnly ? -1 : this.layout.gfnOf(vfn);
  }

  /** The guest table page of a level: where vCPUs interleave, each of them reads it and finds it mapped or not. */
  private tableFrame(level: number, vfn: number): number {
    return this.layout.tableFrame(level, Math.floor(vfn / this.layout.spanOf(level)));
  }

  invalidate(_slot: Memslot, start: number, end: number, change?: () => void): void {
    this.notifier.start(start, end);
    change?.();
    this.notifier.end();
    this.tableEpoch++;
  }

  age(_slot: Memslot, start: number, end: number, { pageByPage, flush }: Aging): void {
    this.notifier.age(start, end, pageByPage, flush);
    this.tableEpoch++;
  }

  testYoung(start: number, end: number, pageByPage: boolean): void {
    this.notifier.testYoung(start, end, pageByPage);
  }

  deleteMemslot(slot: Memslot): void {
    this.unmapSlot(slot);
    this.slots.remove(slot);
  }

  zapAll(): void {
    for (const slot of this.slots.all) this.unmapSlot(slot);
  }

  private unmapSlot(slot: Memslot): void {
    this.select(slot.spec.id);
    this.tables.inChunks(slot.spec.baseGfn, slot.end, (from, to) => this.tables.unmap(from, to));
    this.tableEpoch++;
  }

  /** Test programs delete their memslots before they let go of the VM: tables are unmapped, hardly anything is left to free. */
  destroy(): void {
    for (const slot of [...this.slots.all]) this.deleteMemslot(slot);
    this.select(0);
    this.tables.destroy();
    this.casemate?.destroy();
    this.destroyed = true;
    this.mmOps.freePagesExact?.(this.shape.geometry.rootTables);
  }

  private select(scope: number): void {
    this.tables.mm.scope = scope;
    this.counters.select(HOST, scope);
  }

  /** Host frame behind a guest frame. Host memory is one stretch per slot, so that the host virtual frame stands for it. */
  private hostFrame(gfn: number): number {
    const slot = this.slots.find(gfn);
    return slot === undefined ? gfn : slot.spec.hvf + (gfn - slot.spec.baseGfn);
  }
}
