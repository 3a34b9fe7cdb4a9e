/**
 * The abort path: from a stage-2 fault to a mapping, in the kernel's order.
 *
 * An abort leaves the guest and is counted. Without a memslot it is a device access (user space emulates it) or the guest's own error. Otherwise the memory cache is topped up, the
 * notifier sequence sampled, the host page resolved — which may itself call the notifier — and mmu_lock taken. Under it: the retry test; the size of the
 * mapping; before 5.14 the cache maintenance; then either rights are added to the leaf that faulted, or the map walker runs. The walker breaks what is in the
 * way, waits for the TLBs, since 5.14 cleans the caches, and writes. At last the guest executes the access again.
 *
 * The parts run as stages: back to back for private memory, interleaved in virtual time where vCPUs share it. Both call the same functions.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_handle_guest_abort(), user_mem_abort(), transparent_hugepage_adjust(), handle_access_fault(). Hot path.
 */
import { ACCESS_DONE, AccessKind } from '@mmulab/api';
import type { Counters, HostFault } from '@mmulab/api';
import { Stage } from './abort-stages';
import { AttrStep, Walk, walkLevel, walkResult } from './attr';
import { livelock } from './errors';
import { Ev, sizedEvents } from './events';
import type { SizedEvents } from './events';
import { MapStep, brokenLevel, mapStep } from './map';
import type { MemoryCaches } from './memcache';
import type { AccessPath, Memslot, Memslots } from '@mmulab/kvm';
import type { MmuNotifier } from './notifier';
import { MmuLockMode } from './policy';
import type { Stage2Policy } from './policy';
import { archLevel } from './stage2-geometry';
import type { Stage2Tables } from './stage2-tables';

/** More faults than an access of private memory takes. */
const MAX_FAULTS_PER_ACCESS = 64;
const PMD = 2;
const PUD = 3;
/** `mappingLevel` found the host page gone. */
const GONE = -1;

/** What follows a stage under the lock. */
const Then = { Walk: 0, Clean: 1, Make: 2, MakeTable: 3, Resume: 4 } as const;

const NO_FAULT: HostFault = { ok: false, state: 0, spanLevel: 1, writable: false, notifications: [] };

/** Told when guest page-table pages may have lost their mapping. */
export type TablesUnmapped = () => void;

/** The state of each vCPU's abort, and the stages. */
export class UserMemAbort implements AccessPath {
  private readonly gfn: Float64Array;
  private readonly kind: Uint8Array;
  private readonly stage1: Uint8Array;
  private readonly fault: Uint8Array;
  private readonly faultLevel: Uint8Array;
  private readonly scope: Int32Array;
  private readonly seq: Float64Array;
  private readonly hostWritable: Uint8Array;
  private readonly notification: Uint8Array;
  private readonly hostFaults: HostFault[];
  private readonly level: Uint8Array;
  private readonly attr: Uint8Array;
  private readonly writable: Uint8Array;
  private readonly reached: Uint8Array;
  private readonly then: Uint8Array;
  private readonly sized: SizedEvents;
  private readonly shared: boolean;

  constructor(
    vcpus: number,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly caches: MemoryCaches,
    private readonly notifier: MmuNotifier,
    private readonly counters: Counters,
    private readonly policy: Stage2Policy,
    private readonly tablesUnmapped: TablesUnmapped,
  ) {
    this.gfn = new Float64Array(vcpus);
    this.kind = new Uint8Array(vcpus);
    this.stage1 = new Uint8Array(vcpus);
    this.fault = new Uint8Array(vcpus);
    this.faultLevel = new Uint8Array(vcpus);
    this.scope = new Int32Array(vcpus);
    this.seq = new Float64Array(vcpus);
    this.hostWritable = new Uint8Array(vcpus);
    this.notification = new Uint8Array(vcpus);
    this.hostFaults = new Array<HostFault>(vcpus).fill(NO_FAULT);
    this.level = new Uint8Array(vcpus);
    this.attr = new Uint8Array(vcpus);
    this.writable = new Uint8Array(vcpus);
    this.reached = new Uint8Array(vcpus);
    this.then = new Uint8Array(vcpus);
    this.sized = sizedEvents(policy.granuleBytes);
    this.shared = policy.lockMode === MmuLockMode.Shared;
  }

  /** One access with all its faults, back to back. @param guestTable 1 when the hardware reads a guest page-table page */
  access(vcpu: number, gfn: number, kind: number, guestTable: number): void {
    let stage = this.start(vcpu, gfn, kind, guestTable);
    let faults = 0;
    while (stage !== ACCESS_DONE) {
      if (stage === Stage.Exit && ++faults > MAX_FAULTS_PER_ACCESS) throw livelock(gfn, this.faultLevel[vcpu], this.describe(vcpu));
      stage = this.stage(vcpu, stage);
    }
  }

  /** The hardware's walk for a new access. @returns ACCESS_DONE, or the first stage of its fault */
  start(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    this.gfn[vcpu] = gfn;
    this.kind[vcpu] = kind;
    this.stage1[vcpu] = guestTable;
    return this.execute(vcpu);
  }

  /** Starts an abort that a trace shows, whatever the tables say by now. @param result a `Walk`; @returns its first stage */
  beginShown(vcpu: number, gfn: number, kind: number, guestTable: number, result: number, level: number): number {
    this.gfn[vcpu] = gfn;
    this.kind[vcpu] = kind;
    this.stage1[vcpu] = guestTable;
    return this.abort(vcpu, result, level);
  }

  /** Runs one stage. @returns the next one, or ACCESS_DONE */
  stage(vcpu: number, stage: number): number {
    switch (stage) {
      case Stage.Exit:
        return this.exit(vcpu);
      case Stage.HostPage:
      case Stage.HostClear2:
      case Stage.HostClear3:
        return this.hostPage(vcpu, stage);
      case Stage.HostCopy:
        return Stage.NotifyStart;
      case Stage.NotifyStart:
        return this.notifyStart(vcpu);
      case Stage.ChangePte:
        this.notifier.changePte(this.gfn[vcpu]);
        return Stage.NotifyEnd;
      case Stage.NotifyEnd:
        return this.notifyEnd(vcpu);
      case Stage.Map:
      case Stage.Relax:
        return this.underLock(vcpu, stage);
      case Stage.Clean1:
      case Stage.Clean2:
      case Stage.Clean3:
      case Stage.Tlbi:
      case Stage.RelaxTlbi:
        return this.goOn(vcpu);
      case Stage.Mkyoung:
        return this.mkyoung(vcpu);
      default:
        return this.execute(vcpu);
    }
  }

  /** Selects the counters of a vCPU's abort: those of the memslot it concerns. */
  select(vcpu: number): void {
    const scope = this.scope[vcpu];
    this.tables.mm.scope = scope;
    this.counters.select(vcpu, scope);
  }

  /** The guest executes the access (again). */
  private execute(vcpu: number): number {
    const gfn = this.gfn[vcpu];
    const outcome = this.tables.hardwareWalk(gfn, this.kind[vcpu]);
    const result = walkResult(outcome);
    return result === Walk.Hit ? ACCESS_DONE : this.abort(vcpu, result, walkLevel(outcome));
  }

  /** The walk ends in an abort. @returns its first stage */
  private abort(vcpu: number, result: number, level: number): number {
    this.fault[vcpu] = result;
    this.faultLevel[vcpu] = level;
    const slot = this.slots.find(this.gfn[vcpu]);
    this.scope[vcpu] = slot === undefined || this.stage1[vcpu] === 1 ? 0 : slot.spec.id;
    this.select(vcpu);
    return Stage.Exit;
  }

  private exit(vcpu: number): number {
    const slot = this.slots.find(this.gfn[vcpu]);
    const kind = this.kind[vcpu];
    this.countAbort(vcpu, kind);
    if (slot === undefined || (slot.spec.readonly && kind === AccessKind.Write)) {
      this.add(kind === AccessKind.Exec || this.stage1[vcpu] === 1 ? Ev.injected : Ev.mmio);
      return ACCESS_DONE;
    }
    if (this.fault[vcpu] === Walk.AccessFlag) return Stage.Mkyoung;
    if (this.fault[vcpu] !== Walk.Permission || (slot.logged && kind === AccessKind.Write)) this.caches.topUp(vcpu);
    this.seq[vcpu] = this.slots.invalidations.ended;
    return Stage.HostPage;
  }

  private countAbort(vcpu: number, kind: number): void {
    this.add(Ev.exit);
    this.add(Ev.guestAbort);
    if (this.stage1[vcpu] === 1) this.add(Ev.s1ptw);
    const level = archLevel(this.faultLevel[vcpu]);
    if (this.fault[vcpu] === Walk.Translation) {
      this.add(Ev.translation + kind);
      this.add(Ev.translationLevel + level);
    } else if (this.fault[vcpu] === Walk.Permission) {
      this.add(Ev.permission + kind);
      this.add(Ev.permissionLevel + level);
    } else {
      this.add(Ev.accessFlag);
    }
  }

  /** The host resolves the page. @param stage HostPage, or HostClear once a huge page has been cleared */
  private hostPage(vcpu: number, stage: number): number {
    const gfn = this.gfn[vcpu];
    const slot = this.slots.find(gfn);
    if (slot === undefined) return Stage.Resume;
    const fault = this.slots.hostFault(slot, gfn, this.kind[vcpu] === AccessKind.Write);
    if (!fault.ok) {
      this.add(Ev.dropped);
      return ACCESS_DONE;
    }
    if (fault.notifications.length > 0) {
      this.hostFaults[vcpu] = fault;
      this.notification[vcpu] = 0;
      return Stage.HostCopy;
    }
    if (this.slots.hostStates.get(gfn) !== fault.state) {
      if (stage === Stage.HostPage && fault.spanLevel > 1 && (fault.writable || slot.spec.backing.hugetlb)) {
        return fault.spanLevel === PMD ? Stage.HostClear2 : Stage.HostClear3;
      }
      this.slots.setHostState(slot, gfn, fault.spanLevel, fault.state);
    }
    this.hostWritable[vcpu] = fault.writable && !slot.spec.readonly ? 1 : 0;
    return this.relaxesUnderReadLock(vcpu, slot) ? Stage.Relax : Stage.Map;
  }

  /** 5.18 to 6.1: a write to a read-only page under dirty logging needs the lock for reading only. */
  private relaxesUnderReadLock(vcpu: number, slot: Memslot): boolean {
    if (this.policy.lockMode !== MmuLockMode.RelaxShared || !slot.logged) return false;
    return this.fault[vcpu] === Walk.Permission && this.kind[vcpu] === AccessKind.Write && this.faultLevel[vcpu] === 1;
  }

  private notifyStart(vcpu: number): number {
    const gfn = this.gfn[vcpu];
    const slot = this.slots.find(gfn);
    const notification = this.hostFaults[vcpu]?.notifications[this.notification[vcpu]];
    if (slot === undefined || notification === undefined) return Stage.NotifyEnd;
    const span = this.slots.geometry.pagesAt(notification.level);
    const base = gfn - (gfn % span);
    this.notifier.start(Math.max(base, slot.spec.baseGfn), Math.min(base + span, slot.end));
    if (slot.holdsGuestTables) this.tablesUnmapped();
    // Another fault may have been faster: then the host finds its entry changed and leaves it.
    const expected = this.slots.hostFault(slot, gfn, true).notifications[0];
    if (expected?.level !== notification.level || expected.state !== notification.state) return Stage.NotifyEnd;
    this.slots.setHostState(slot, gfn, notification.level, notification.state);
    return notification.changePte && this.policy.changePte ? Stage.ChangePte : Stage.NotifyEnd;
  }

  private notifyEnd(vcpu: number): number {
    this.notifier.end();
    const index = this.notification[vcpu] + 1;
    this.notification[vcpu] = index;
    if (index < (this.hostFaults[vcpu]?.notifications.length ?? 0)) return Stage.HostCopy;
    return this.hostPage(vcpu, Stage.HostPage);
  }

  private underLock(vcpu: number, stage: number): number {
    const gfn = this.gfn[vcpu];
    const slot = this.slots.find(gfn);
    if (slot === undefined || this.slots.invalidations.mustRetry(this.seq[vcpu])) return this.drop();
    const level = this.mappingLevel(vcpu, slot, gfn);
    if (level === GONE) return this.drop();
    const kind = this.kind[vcpu];
    const device = slot.spec.backing.device === true;
    if (device && kind === AccessKind.Exec) {
      this.add(Ev.injected);
      return ACCESS_DONE;
    }
    const writable = this.hostWritable[vcpu] === 1 && (!slot.logged || kind === AccessKind.Write);
    const executable = !device && (kind === AccessKind.Exec || this.policy.dic);
    this.level[vcpu] = level;
    this.writable[vcpu] = writable ? 1 : 0;
    this.attr[vcpu] = this.tables.attrs.leaf(writable, executable, device);
    if (writable && !this.policy.dirtyOnSuccess) this.slots.markDirty(slot, gfn);
    const permission = this.fault[vcpu] === Walk.Permission;
    const cleans = !this.policy.walkerCmo && this.maintainInHandler(vcpu, gfn, level, permission, device);
    if (permission && level === this.faultLevel[vcpu])
      return this.relax(vcpu, gfn, writable, executable, stage === Stage.Relax ? Stage.RelaxTlbi : Stage.Tlbi);
    this.add(Ev.map);
    this.add(permission ? Ev.mapOnPermission : Ev.mapOnTranslation);
    if (!cleans) return this.walk(vcpu);
    this.then[vcpu] = Then.Walk;
    return Stage.Clean1 + level - 1;
  }

  private drop(): number {
    this.add(Ev.dropped);
    return Stage.Resume;
  }

  /** Cache maintenance before 5.14. @returns whether data was cleaned, which takes time */
  private maintainInHandler(vcpu: number, gfn: number, level: number, permission: boolean, device: boolean): boolean {
    const { mm } = this.tables;
    const cleans = !permission && !device;
    if (cleans) mm.cleanDcache(gfn, level, 1);
    if (this.kind[vcpu] === AccessKind.Exec) mm.invalidateIcache(level, 1);
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
    const faultLevel = this.faultLevel[vcpu];
    if (this.policy.permKeepsGranule && this.fault[vcpu] === Walk.Permission && faultLevel > 1) return faultLevel;
    if (fits < PMD) return 1;
    const host = this.slots.hostState(slot, gfn);
    if (this.policy.hostLeafAdjust) {
      if (!host.present) return GONE;
      return host.level >= PMD ? PMD : 1;
    }
    return host.present && host.thp && host.level >= PMD ? PMD : 1;
  }

  private relax(vcpu: number, gfn: number, writable: boolean, executable: boolean, tlbiStage: number): number {
    const { tables, policy } = this;
    this.add(Ev.relax);
    tables.relaxOp.write = writable;
    tables.relaxOp.exec = executable;
    const done = tables.relax(gfn) === AttrStep.Done;
    if (!done) this.add(Ev.relaxEagain);
    else this.markWritten(vcpu, gfn);
    if (!done && !policy.relaxTlbiOnEagain) return Stage.Resume;
    tables.mm.relaxTlbi(gfn, this.level[vcpu], policy.relaxLocal);
    this.then[vcpu] = Then.Resume;
    return tlbiStage;
  }

  /** The map walker's way down, as often as it takes. */
  private walk(vcpu: number): number {
    const { tables } = this;
    const gfn = this.gfn[vcpu];
    const op = tables.mapOp;
    op.goal = this.level[vcpu];
    op.attr = this.attr[vcpu];
    op.shared = this.shared;
    const before = tables.mm.taken;
    tables.mm.deferring = this.policy.deferredFree;
    const outcome = tables.map(gfn);
    tables.mm.deferring = false;
    if (tables.mm.taken !== before) this.caches.take(vcpu, tables.mm.taken - before);
    const step = mapStep(outcome);
    this.reached[vcpu] = step;
    switch (step) {
      case MapStep.Same:
        this.add(Ev.leafSame);
        return this.finish(vcpu, gfn);
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
        if (step === MapStep.Lost) tables.mm.freePage(gfn, 1, 1);
        this.add(Ev.mapEagain);
        return Stage.Resume;
    }
  }

  /** What was waited for under the lock is over. */
  private goOn(vcpu: number): number {
    switch (this.then[vcpu]) {
      case Then.Walk:
        return this.walk(vcpu);
      case Then.Clean:
        return this.clean(vcpu);
      case Then.Make:
        return this.make(vcpu);
      case Then.MakeTable:
        this.tables.mapOp.goal = this.level[vcpu];
        this.tables.makeTable(this.gfn[vcpu]);
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
    const gfn = this.gfn[vcpu];
    const level = this.level[vcpu];
    this.tables.makeLeaf(gfn, level, this.attr[vcpu]);
    const step = this.reached[vcpu];
    if (step === MapStep.Coalesced) this.add(this.sized.coalesce[level]);
    else if (step === MapStep.Replaced) this.add(Ev.leafReplace);
    else this.add(this.sized.install[level]);
    return this.finish(vcpu, gfn);
  }

  private finish(vcpu: number, gfn: number): number {
    this.markWritten(vcpu, gfn);
    return Stage.Resume;
  }

  private markWritten(vcpu: number, gfn: number): void {
    if (this.writable[vcpu] === 0 || !this.policy.dirtyOnSuccess) return;
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.slots.markDirty(slot, gfn);
  }

  private mkyoung(vcpu: number): number {
    this.add(Ev.mkyoung);
    this.tables.mkyoung(this.gfn[vcpu]);
    return Stage.Resume;
  }

  private add(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }

  private describe(vcpu: number): string {
    const entry = this.tables.lookup(this.gfn[vcpu]);
    return `kind ${entry.kind} level ${entry.level} attr 0x${this.tables.attrs.bits(entry.attr).toString(16)} access ${this.kind[vcpu]}`;
  }
}
