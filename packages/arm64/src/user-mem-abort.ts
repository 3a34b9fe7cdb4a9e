/**
 * The abort path: from a stage-2 fault to a mapping, in the kernel's order.
 *
 * An abort leaves the guest and is counted. Without a memslot it is a device access (user space emulates it) or the guest's own error. Otherwise the memory cache is topped up, the
 * notifier sequence sampled, the host page resolved — which may itself call the notifier — and mmu_lock taken. What happens under it is abort-mapper.ts's affair. At
 * last the guest executes the access again.
 *
 * The parts run as stages: back to back for private memory, interleaved in virtual time where vCPUs share it. Both call the same functions.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_handle_guest_abort(), user_mem_abort() up to mmu_lock. Hot path.
 */
import { ACCESS_DONE, AccessKind, EntryKind } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import { HostFaults, HostPage, HostWork, livelock, noHostPage } from '@mmulab/kvm';
import type { AccessPath, Memslot, Memslots } from '@mmulab/kvm';
import { AbortMapper } from './abort-mapper';
import { Stage } from './abort-stages';
import { AbortState } from './abort-state';
import { Walk, walkLevel, walkResult } from './attr';
import { Ev } from './events';
import type { MemoryCaches } from './memcache';
import type { MmuNotifier } from './notifier';
import { MmuLockMode } from './policy';
import type { Stage2Policy } from './policy';
import { archLevel } from './stage2-geometry';
import type { Stage2Tables } from './stage2-tables';

/** More faults than an access of private memory takes. */
const MAX_FAULTS_PER_ACCESS = 64;

/** The dirty rings of a VM, as the path meets them. */
export interface VcpuRings {
  /** Whether the vCPU must not enter the guest. */
  isSoftFull(vcpu: number): boolean;
  /** It goes to user space, and comes back. */
  exitFull(vcpu: number): void;
}

/** Told when guest page-table pages may have lost their mapping. */
export type TablesUnmapped = () => void;

/** The state of each vCPU's abort, and the stages. */
export class UserMemAbort implements AccessPath {
  private readonly state: AbortState;
  private readonly mapper: AbortMapper;
  private readonly hostFaults: HostFaults;

  constructor(
    vcpus: number,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly caches: MemoryCaches,
    private readonly notifier: MmuNotifier,
    private readonly counters: Counters,
    private readonly policy: Stage2Policy,
    private readonly tablesUnmapped: TablesUnmapped,
    private readonly rings?: VcpuRings,
  ) {
    this.state = new AbortState(vcpus);
    this.hostFaults = new HostFaults(vcpus, slots, (_slot, start, end) => notifier.start(start, end));
    this.mapper = new AbortMapper(vcpus, this.state, tables, slots, caches, counters, policy);
  }

  /** One access with all its faults, back to back. @param guestTable 1 when the hardware reads a guest page-table page */
  access(vcpu: number, gfn: number, kind: number, guestTable: number): void {
    let stage = this.start(vcpu, gfn, kind, guestTable);
    let faults = 0;
    while (stage !== ACCESS_DONE) {
      if (stage === Stage.Exit && ++faults > MAX_FAULTS_PER_ACCESS) throw livelock(gfn, this.state.faultLevel[vcpu], this.describe(vcpu));
      stage = this.stage(vcpu, stage);
    }
  }

  /** The hardware's walk for a new access. @returns ACCESS_DONE, or the first stage of its fault */
  start(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    this.state.gfn[vcpu] = gfn;
    this.state.kind[vcpu] = kind;
    this.state.stage1[vcpu] = guestTable;
    return this.execute(vcpu);
  }

  /** Starts an abort that a trace shows, whatever the tables say by now. @param result a `Walk`; @returns its first stage */
  beginShown(vcpu: number, gfn: number, kind: number, guestTable: number, result: number, level: number): number {
    this.state.gfn[vcpu] = gfn;
    this.state.kind[vcpu] = kind;
    this.state.stage1[vcpu] = guestTable;
    return this.abort(vcpu, result, level);
  }

  /** Runs one stage. @returns the next one, or ACCESS_DONE */
  stage(vcpu: number, stage: number): number {
    switch (stage) {
      case Stage.Exit:
        return this.exit(vcpu);
      case Stage.HostPage:
      case Stage.HostAlloc:
      case Stage.HostClear2:
      case Stage.HostClear3:
        return this.hostFaults.isUnderWay(vcpu) ? Stage.NotifyStart : this.hostPage(vcpu, stage);
      case Stage.HostCopy:
      case Stage.HostSplit:
        return Stage.NotifyStart;
      case Stage.NotifyStart:
        return this.notifyStart(vcpu);
      case Stage.ChangePte:
        this.notifier.changePte(this.state.gfn[vcpu]);
        return Stage.NotifyEnd;
      case Stage.NotifyEnd:
        return this.notifyEnd(vcpu);
      case Stage.Map:
      case Stage.Relax:
        return this.mapper.underLock(vcpu, stage);
      case Stage.Clean1:
      case Stage.Clean2:
      case Stage.Clean3:
      case Stage.Tlbi:
      case Stage.RelaxTlbi:
        return this.mapper.goOn(vcpu);
      case Stage.Mkyoung:
        return this.mapper.mkyoung(vcpu);
      default:
        return this.execute(vcpu);
    }
  }

  /** Changes with every change of an entry or a host page, and with every invalidation that begins. */
  get version(): number {
    const { invalidations, hostChanges } = this.slots;
    return this.tables.mm.transitions + hostChanges + invalidations.ended + invalidations.inProgress;
  }

  /** Whether an abort that has begun again met an entry that another walker has locked, and meets it still. */
  isWaiting(vcpu: number): boolean {
    return (
      this.mapper.hasLost(vcpu) && this.slots.invalidations.inProgress === 0 && this.tables.lookup(this.state.gfn[vcpu]).kind === EntryKind.Special
    );
  }

  /** Selects the counters of a vCPU's abort: those of the memslot it concerns. */
  select(vcpu: number): void {
    const scope = this.state.scope[vcpu];
    this.tables.mm.scope = scope;
    this.counters.select(vcpu, scope);
  }

  /** The guest executes the access (again). */
  private execute(vcpu: number): number {
    if (this.rings?.isSoftFull(vcpu) === true) {
      this.rings.exitFull(vcpu);
      this.select(vcpu);
    }
    const gfn = this.state.gfn[vcpu];
    const outcome = this.tables.hardwareWalk(gfn, this.state.kind[vcpu]);
    const result = walkResult(outcome);
    return result === Walk.Hit ? ACCESS_DONE : this.abort(vcpu, result, walkLevel(outcome));
  }

  /** The walk ends in an abort. @returns its first stage */
  private abort(vcpu: number, result: number, level: number): number {
    this.state.fault[vcpu] = result;
    this.state.faultLevel[vcpu] = level;
    const slot = this.slots.find(this.state.gfn[vcpu]);
    this.state.scope[vcpu] = slot === undefined || this.state.stage1[vcpu] === 1 ? 0 : slot.spec.id;
    this.select(vcpu);
    return Stage.Exit;
  }

  private exit(vcpu: number): number {
    const slot = this.slots.find(this.state.gfn[vcpu]);
    const kind = this.state.kind[vcpu];
    this.countAbort(vcpu, kind);
    if (slot === undefined || (slot.spec.readonly && kind === AccessKind.Write)) {
      this.add(kind === AccessKind.Exec || this.state.stage1[vcpu] === 1 ? Ev.injected : Ev.mmio);
      return ACCESS_DONE;
    }
    if (this.state.fault[vcpu] === Walk.AccessFlag) return Stage.Mkyoung;
    if (this.state.fault[vcpu] !== Walk.Permission || (slot.logged && kind === AccessKind.Write)) this.caches.topUp(vcpu);
    this.state.seq[vcpu] = this.slots.invalidations.ended;
    this.hostFaults.ask(vcpu, this.state.gfn[vcpu]);
    return Stage.HostPage;
  }

  private countAbort(vcpu: number, kind: number): void {
    this.add(Ev.exit);
    this.add(Ev.guestAbort);
    if (this.state.stage1[vcpu] === 1) this.add(Ev.s1ptw);
    const level = archLevel(this.state.faultLevel[vcpu]);
    if (this.state.fault[vcpu] === Walk.Translation) {
      this.add(Ev.translation + kind);
      this.add(Ev.translationLevel + level);
    } else if (this.state.fault[vcpu] === Walk.Permission) {
      this.add(Ev.permission + kind);
      this.add(Ev.permissionLevel + level);
    } else {
      this.add(Ev.accessFlag);
    }
  }

  /** The host resolves the page. @param stage HostPage, or the host's work that is done */
  private hostPage(vcpu: number, stage: number): number {
    const gfn = this.state.gfn[vcpu];
    const slot = this.slots.find(gfn);
    if (slot === undefined) return Stage.Resume;
    const page = this.hostFaults.settle(vcpu, slot, gfn, this.state.kind[vcpu] === AccessKind.Write, stage - Stage.HostPage);
    if (page >= 0) return Stage.HostPage + page;
    if (page === ~HostPage.Failed) throw noHostPage(vcpu, gfn, this.state.kind[vcpu] === AccessKind.Write);
    this.state.hostWritable[vcpu] = page === ~HostPage.Writable ? 1 : 0;
    return this.relaxesUnderReadLock(vcpu, slot) ? Stage.Relax : Stage.Map;
  }

  /** 5.18 to 6.1: a write to a read-only page under dirty logging needs the lock for reading only. */
  private relaxesUnderReadLock(vcpu: number, slot: Memslot): boolean {
    if (this.policy.lockMode !== MmuLockMode.RelaxShared || !slot.logged) return false;
    return this.state.fault[vcpu] === Walk.Permission && this.state.kind[vcpu] === AccessKind.Write && this.state.faultLevel[vcpu] === 1;
  }

  private notifyStart(vcpu: number): number {
    const gfn = this.state.gfn[vcpu];
    const slot = this.slots.find(gfn);
    if (slot === undefined) return Stage.NotifyEnd;
    if (slot.holdsGuestTables) this.tablesUnmapped();
    return this.hostFaults.start(vcpu, slot, gfn) && this.policy.changePte ? Stage.ChangePte : Stage.NotifyEnd;
  }

  private notifyEnd(vcpu: number): number {
    this.notifier.end();
    const gfn = this.state.gfn[vcpu];
    const slot = this.slots.find(gfn);
    const work = slot === undefined ? HostWork.None : this.hostFaults.end(vcpu, slot);
    if (work !== HostWork.None) return Stage.HostPage + work;
    this.hostFaults.ask(vcpu, gfn);
    return this.hostPage(vcpu, Stage.HostPage);
  }

  private add(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }

  private describe(vcpu: number): string {
    const entry = this.tables.lookup(this.state.gfn[vcpu]);
    return `kind ${entry.kind} level ${entry.level} attr 0x${this.tables.attrs.bits(entry.attr).toString(16)} access ${this.state.kind[vcpu]}`;
  }
}
