/**
 * The part of an abort that is under mmu_lock: whether there is anything to map, how large, and then either rights added to the leaf that faulted or the map walker's
 * way down.
 *
 * First it is decided what becomes of the fault (`decide`), then that is carried out, stage by stage where something is waited for: before 5.14 the handler's own
 * cache maintenance comes first; the walker breaks what is in the way, waits for the TLBs, since 5.14 cleans the caches, and writes.
 *
 * Models: Linux arch/arm64/kvm/mmu.c user_mem_abort() from the retry test on, transparent_hugepage_adjust(), handle_access_fault(). Hot path.
 */
import { ACCESS_DONE, AccessKind, EntryKind } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import type { LockMode, Memslot, Memslots } from '@mmulab/kvm';
import { Stage } from './abort-stages';
import type { AbortState } from './abort-state';
import { AttrStep, Walk } from './attr';
import { Ev, sizedEvents } from './events';
import type { SizedEvents } from './events';
import { MapStep, brokenLevel, mapStep } from './map';
import type { MemoryCaches } from './memcache';
import { MmuLockMode } from './policy';
import type { Stage2Policy } from './policy';
import type { Stage2Tables } from './stage2-tables';

const PMD = 2;
const PUD = 3;
/** `mappingLevel` found the host page gone. */
const GONE = -1;

/** What becomes of a fault: it is taken back and tried again, handed to the guest, mended by rights, or mapped. */
const Decision = { Drop: 0, Inject: 1, Relax: 2, Map: 3 } as const;
type Decision = (typeof Decision)[keyof typeof Decision];

/** What follows a stage under the lock. */
const Then = { Walk: 0, Clean: 1, Make: 2, MakeTable: 3, Resume: 4 } as const;

/** Maps for the aborts of all vCPUs of a VM. */
export class AbortMapper {
  // The mapping of each vCPU's abort.
  private readonly level: Uint8Array;
  private readonly attr: Uint8Array;
  private readonly writable: Uint8Array;
  private readonly reached: Uint8Array;
  private readonly then: Uint8Array;
  private readonly sized: SizedEvents;
  private readonly shared: boolean;
  private readonly mapLock: LockMode;
  private readonly relaxLock: LockMode;

  constructor(
    vcpus: number,
    private readonly state: AbortState,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly caches: MemoryCaches,
    private readonly counters: Counters,
    private readonly policy: Stage2Policy,
  ) {
    this.level = new Uint8Array(vcpus);
    this.attr = new Uint8Array(vcpus);
    this.writable = new Uint8Array(vcpus);
    this.reached = new Uint8Array(vcpus);
    this.then = new Uint8Array(vcpus);
    this.sized = sizedEvents(policy.granuleBytes);
    this.shared = policy.lockMode === MmuLockMode.Shared;
    this.mapLock = this.shared ? 'read' : 'write';
    this.relaxLock = policy.lockMode === MmuLockMode.Exclusive ? 'write' : 'read';
  }

  /** Whether the map walker's last way down ended with -EAGAIN, and has taken no page for it. */
  hasLost(vcpu: number): boolean {
    return this.reached[vcpu] === MapStep.Eagain;
  }

  /** The lock is taken. @param stage Map, or Relax for reading only; @returns the next stage */
  underLock(vcpu: number, stage: number): number {
    this.slots.work.lock(stage === Stage.Relax ? this.relaxLock : this.mapLock);
    switch (this.decide(vcpu)) {
      case Decision.Drop:
        this.add(Ev.dropped);
        return Stage.Resume;
      case Decision.Inject:
        this.add(Ev.injected);
        return ACCESS_DONE;
      case Decision.Relax:
        this.prepare(vcpu);
        return this.relax(vcpu, stage === Stage.Relax ? Stage.RelaxTlbi : Stage.Tlbi);
      default:
        return this.map(vcpu);
    }
  }

  /** What becomes of a fault. Level and attribute of its mapping are kept. */
  private decide(vcpu: number): Decision {
    const { state, slots } = this;
    const gfn = state.gfn[vcpu];
    const slot = slots.find(gfn);
    if (slot === undefined || slots.invalidations.mustRetry(state.seq[vcpu])) return Decision.Drop;
    const level = this.mappingLevel(vcpu, slot, gfn);
    if (level === GONE) return Decision.Drop;
    const isExec = state.kind[vcpu] === AccessKind.Exec;
    const isDevice = slot.spec.backing.device === true;
    if (isDevice && isExec) return Decision.Inject;
    const writable = state.hostWritable[vcpu] === 1 && (!slot.logged || state.kind[vcpu] === AccessKind.Write);
    const executable = !isDevice && (isExec || this.policy.dic);
    this.level[vcpu] = level;
    this.writable[vcpu] = writable ? 1 : 0;
    this.attr[vcpu] = this.tables.attrs.leaf(writable, executable, isDevice);
    return this.isPermission(vcpu) && level === state.faultLevel[vcpu] ? Decision.Relax : Decision.Map;
  }

  private map(vcpu: number): number {
    const cleans = this.prepare(vcpu);
    this.add(Ev.map);
    this.add(this.isPermission(vcpu) ? Ev.mapOnPermission : Ev.mapOnTranslation);
    if (!cleans) return this.walk(vcpu);
    this.then[vcpu] = Then.Walk;
    return Stage.Clean1 + this.level[vcpu] - 1;
  }

  /** What older kernels do before they touch the tables: the page becomes dirty, and caches are maintained. @returns whether data was cleaned, which takes time */
  private prepare(vcpu: number): boolean {
    const { policy, slots, state } = this;
    const gfn = state.gfn[vcpu];
    const slot = slots.find(gfn);
    if (this.writable[vcpu] === 1 && !policy.dirtyOnSuccess && slot !== undefined) slots.markDirty(slot, gfn, vcpu);
    return !policy.walkerCmo && this.maintain(vcpu, gfn);
  }

  /** Cache maintenance before 5.14. @returns whether data was cleaned */
  private maintain(vcpu: number, gfn: number): boolean {
    const { mm, attrs } = this.tables;
    const level = this.level[vcpu];
    const cleans = !this.isPermission(vcpu) && attrs.isNormal(this.attr[vcpu]);
    if (cleans) mm.cleanDcache(gfn, level, 1);
    if (this.state.kind[vcpu] === AccessKind.Exec) mm.invalidateIcache(level, 1);
    return cleans && !this.policy.fwb;
  }

  /** Level of the mapping to be made, or GONE. */
  private mappingLevel(vcpu: number, slot: Memslot, gfn: number): number {
    const { backing } = slot.spec;
    if (slot.logged || backing.device === true) return 1;
    const fits = slot.maxLevel(gfn);
    if (backing.hugetlb) {
      const wanted = Math.min(backing.pageLevel, this.tables.shape.maxLeafLevel);
      if (wanted <= fits) return wanted;
      return wanted === PUD && fits >= PMD ? PMD : 1;
    }
    const faultLevel = this.state.faultLevel[vcpu];
    if (this.policy.permKeepsGranule && this.isPermission(vcpu) && faultLevel > 1) return faultLevel;
    if (fits < PMD) return 1;
    const host = this.slots.hostState(slot, gfn);
    if (this.policy.hostLeafAdjust) {
      if (!host.present) return GONE;
      return host.level >= PMD ? PMD : 1;
    }
    return host.present && host.thp && host.level >= PMD ? PMD : 1;
  }

  /** Rights are added to the leaf that faulted. @returns `tlbiStage` where the TLBs are invalidated afterwards */
  private relax(vcpu: number, tlbiStage: number): number {
    const { tables, policy } = this;
    const gfn = this.state.gfn[vcpu];
    this.add(Ev.relax);
    tables.relaxOp.write = this.writable[vcpu] === 1;
    tables.relaxOp.exec = tables.attrs.isExecutable(this.attr[vcpu]);
    const done = tables.relax(gfn) === AttrStep.Done;
    if (!done) this.lost(Ev.relaxEagain, gfn);
    else this.markWritten(vcpu);
    if (!done && !policy.relaxTlbiOnEagain) return Stage.Resume;
    tables.mm.relaxTlbi(gfn, this.level[vcpu], policy.relaxLocal);
    this.then[vcpu] = Then.Resume;
    return tlbiStage;
  }

  /** The map walker's way down, as often as it takes. */
  private walk(vcpu: number): number {
    const { tables } = this;
    const { mm, mapOp } = tables;
    mapOp.goal = this.level[vcpu];
    mapOp.attr = this.attr[vcpu];
    mapOp.shared = this.shared;
    const before = mm.taken;
    mm.deferring = this.policy.deferredFree;
    const outcome = tables.map(this.state.gfn[vcpu]);
    mm.deferring = false;
    if (mm.taken !== before) this.caches.take(vcpu, mm.taken - before);
    return this.walked(vcpu, outcome);
  }

  /** What follows the walker's way down. */
  private walked(vcpu: number, outcome: number): number {
    const step = mapStep(outcome);
    this.reached[vcpu] = step;
    switch (step) {
      case MapStep.Same:
        this.add(Ev.leafSame);
        return this.finish(vcpu);
      case MapStep.New:
        return this.clean(vcpu);
      case MapStep.Replaced:
      case MapStep.Coalesced:
        this.then[vcpu] = Then.Clean;
        return Stage.Tlbi;
      case MapStep.Broke:
        this.add(this.sized.split[brokenLevel(outcome)]);
        this.then[vcpu] = Then.MakeTable;
        return Stage.Tlbi;
      default:
        if (step === MapStep.Lost) this.tables.mm.freePage(this.state.gfn[vcpu], 1, 1);
        this.lost(Ev.mapEagain, this.state.gfn[vcpu]);
        return Stage.Resume;
    }
  }

  /** What was waited for under the lock is over. */
  goOn(vcpu: number): number {
    switch (this.then[vcpu]) {
      case Then.Walk:
        return this.walk(vcpu);
      case Then.Clean:
        return this.clean(vcpu);
      case Then.Make:
        return this.make(vcpu);
      case Then.MakeTable:
        this.tables.mapOp.goal = this.level[vcpu];
        this.tables.makeTable(this.state.gfn[vcpu]);
        return this.walk(vcpu);
      default:
        return Stage.Resume;
    }
  }

  /** The walker's own maintenance takes its time before the leaf is written. */
  private clean(vcpu: number): number {
    const { policy, tables } = this;
    if (!policy.walkerCmo || policy.fwb || !tables.attrs.isNormal(this.attr[vcpu])) return this.make(vcpu);
    this.then[vcpu] = Then.Make;
    return Stage.Clean1 + this.level[vcpu] - 1;
  }

  private make(vcpu: number): number {
    const level = this.level[vcpu];
    this.tables.makeLeaf(this.state.gfn[vcpu], level, this.attr[vcpu]);
    const step = this.reached[vcpu];
    if (step === MapStep.Coalesced) this.add(this.sized.coalesce[level]);
    else if (step === MapStep.Replaced) this.add(Ev.leafReplace);
    else this.add(this.sized.install[level]);
    return this.finish(vcpu);
  }

  private finish(vcpu: number): number {
    this.markWritten(vcpu);
    return Stage.Resume;
  }

  private markWritten(vcpu: number): void {
    if (this.writable[vcpu] === 0 || !this.policy.dirtyOnSuccess) return;
    const gfn = this.state.gfn[vcpu];
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.slots.markDirty(slot, gfn, vcpu);
  }

  /** The access flag of the leaf that faulted is set. */
  mkyoung(vcpu: number): number {
    this.slots.work.lock(this.mapLock);
    this.add(Ev.mkyoung);
    this.tables.mkyoung(this.state.gfn[vcpu]);
    return Stage.Resume;
  }

  /** A walker came second, or met an entry that another one has locked. */
  private lost(event: number, gfn: number): void {
    this.add(event);
    this.add(Ev.exchangeLost);
    if (this.tables.lookup(gfn).kind === EntryKind.Special) this.add(Ev.exchangeFrozen);
  }

  private isPermission(vcpu: number): boolean {
    return this.state.fault[vcpu] === Walk.Permission;
  }

  private add(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }
}
