/**
 * The TDP page-fault path around the map rule, as a list of stages.
 *
 * exit → lockless fix → host page → (walk) → map → resume: a fault leaves the guest and is counted; the lockless path tries to fix it; otherwise memory caches are
 * topped up, the notifier sequence is sampled and the host page resolved (which may itself call the MMU notifier: copy-on-write); then, under
 * mmu_lock for reading, the fault is dropped when the sequence has moved, else mapped; finally the vCPU serves its requests and executes the instruction
 * again. Up to 5.11 mmu_lock is a spinlock and the walk part of the map stage. The stages run back to back for private memory; the scheduler lets those of several vCPUs interleave where memory is
 * shared. Both call the same functions. Only an interleaved fault has the walk stage: it reads the entry it will exchange, and when another vCPU has changed
 * that entry by the time of the map stage, the exchange is lost: the table taken for it goes back, and the access is tried again.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_page_fault(), direct_page_fault()/kvm_tdp_page_fault(), kvm_faultin_pfn(),
 * kvm_mmu_hugepage_adjust(), fast_page_fault(). Hot path.
 */
import { ACCESS_DONE as DONE_CODE, AccessKind, EntryKind } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import { Ev } from '../events';
import { isFastEligible } from '../fast-fault';
import type { HostPages } from '../host-pages';
import { HostFaults, HostPage, livelock, noHostPage } from '@mmulab/kvm';
import type { LockMode, Memslot, Memslots } from '@mmulab/kvm';
import type { VmJournal } from '../vm-journal';
import type { ShadowedFrames } from '../x86-vm';
import { Stage } from './fault-stages';
import type { FaultPolicy, TdpFaultVm } from './fault-vm';
import { HwWalk } from './map-rule';
import { PendingFaults } from './pending-faults';
import { RetPf } from '../ret-pf';
import type { TdpMmu, TdpRoot } from './tdp-mmu';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;
const { ReadOnly: READ_ONLY, Writable: WRITABLE, Failed: FAILED } = HostPage;
const { Leaf } = EntryKind;
const { Read, Write, Exec } = AccessKind;
const { Invalid: INVALID, Fixed: FIXED } = RetPf;
const { Hit: HIT, NotPresent: NOT_PRESENT, Denied: DENIED } = HwWalk;
const {
  exit: EXIT,
  pageFault: PAGE_FAULT,
  pageFaultWrite: PAGE_FAULT_WRITE,
  pageFaultPresent: PAGE_FAULT_PRESENT,
  pfTaken: PF_TAKEN,
  pfFast: PF_FAST,
  pfFixed: PF_FIXED,
  fastPageFault: FAST_PAGE_FAULT,
  fastPageFaultFixed: FAST_FIXED,
} = Ev;

const MAX_FAULTS_PER_ACCESS = 64;
/** The state of each vCPU's fault, and the stages. */
export class TdpFaultPath {
  /** Set while a nested guest's pages shadow tables of L1. */
  shadowed: ShadowedFrames | undefined = undefined;
  /** Faults under way, stage by stage. */
  readonly pending: PendingFaults;
  readonly hostFaults: HostFaults;
  private readonly lockMode: LockMode;
  constructor(
    vcpus: number,
    private readonly mmu: TdpMmu,
    private readonly slots: Memslots,
    private readonly hostPages: HostPages,
    private readonly counters: Counters,
    private readonly journal: VmJournal,
    private readonly vm: TdpFaultVm,
    private readonly policy: FaultPolicy,
  ) {
    this.lockMode = policy.parallelFaults ? 'read' : 'write';
    this.pending = new PendingFaults(vcpus);
    this.hostFaults = new HostFaults(vcpus, slots, (slot, start, end) => vm.invalidate(slot, start, end));
  }

  /** One access with all its faults: the stages back to back. @param guestTable 1 when the hardware touches a guest page-table page */
  access(vcpu: number, gfn: number, kind: number, guestTable: number): void {
    let faults = 0;
    for (let walk = this.walkFor(vcpu, gfn, kind); walk !== HIT; walk = this.walkFor(vcpu, gfn, kind)) {
      if (walk !== NOT_PRESENT && walk !== DENIED) return this.endWalk(vcpu, gfn, kind, walk);
      if (++faults > MAX_FAULTS_PER_ACCESS) throw livelock(gfn, 1, this.describe(vcpu, gfn, kind));
      const slot = this.slots.find(gfn);
      const isTracked = this.isTrackedWrite(gfn, kind, walk === DENIED);
      const isFixed = this.leave(kind, walk === DENIED, guestTable, isTracked) && this.fixFast(this.vm.root(vcpu), slot, gfn, kind);
      if (isTracked) {
        this.emulate(vcpu, gfn);
        return;
      }
      if (!isFixed && this.mapFresh(vcpu, slot, gfn, kind) === ACCESS_DONE) return;
      this.vm.reenter(vcpu);
    }
  }

  /** The hardware's walk. @returns a HwWalk */
  private walkFor(vcpu: number, gfn: number, kind: number): number {
    if (this.vm.mustExit(vcpu)) this.vm.reenter(vcpu);
    return this.mmu.hardwareWalk(this.vm.root(vcpu), gfn, kind);
  }

  /** Resolves the host page and maps it, unless a notifier has been there meanwhile. @returns Stage.Resume or ACCESS_DONE */
  private mapFresh(vcpu: number, slot: Memslot | undefined, gfn: number, kind: number): number {
    const root = this.vm.root(vcpu);
    const seq = this.slots.invalidations.ended;
    const host = this.hostPages.resolve(slot, gfn, kind === Write);
    if (host === FAILED) throw noHostPage(vcpu, gfn, kind === Write);
    this.slots.work.lock(this.lockMode);
    return this.slots.invalidations.mustRetry(seq) ? Stage.Resume : this.mapPage(vcpu, root, slot, gfn, kind, host);
  }

  /** Starts an access that may interleave with others. @returns ACCESS_DONE, or the first stage of its fault */
  start(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    this.pending.gfn[vcpu] = gfn;
    this.pending.kind[vcpu] = kind;
    this.pending.guestTable[vcpu] = guestTable;
    return this.execute(vcpu);
  }

  /** Runs one stage. @returns the next one, or ACCESS_DONE */
  stage(vcpu: number, stage: number): number {
    switch (stage) {
      case Stage.Exit:
        return this.exit(vcpu);
      case Stage.FastFault:
        return this.fastFault(vcpu);
      case Stage.Walk:
        return this.walk(vcpu);
      case Stage.Map:
        return this.map(vcpu);
      case Stage.Resume:
        this.vm.reenter(vcpu);
        return this.execute(vcpu);
      default:
        return this.hostPage(vcpu, stage);
    }
  }

  /** The guest executes the access (again). */
  private execute(vcpu: number): number {
    const gfn = this.pending.gfn[vcpu];
    const walk = this.walkFor(vcpu, gfn, this.pending.kind[vcpu]);
    if (walk === HIT) return ACCESS_DONE;
    if (walk !== NOT_PRESENT && walk !== DENIED) {
      this.endWalk(vcpu, gfn, this.pending.kind[vcpu], walk);
      return ACCESS_DONE;
    }
    this.pending.denied[vcpu] = walk === DENIED ? 1 : 0;
    return Stage.Exit;
  }

  /** What a walk that did not fault, but did not merely hit, entails. */
  private endWalk(vcpu: number, gfn: number, kind: number, walk: number): void {
    if (walk === HwWalk.Mmio) {
      // A known MMIO frame: the exit goes straight to emulation.
      this.journal.exit();
      this.add(Ev.exit);
    } else if (this.vm.pmlActive) {
      this.logPage(vcpu, gfn, kind);
    }
  }

  /** The hardware logs a page whose D bit it has set. */
  private logPage(vcpu: number, gfn: number, kind: number): void {
    if (this.journal.isRingFilledByLog()) {
      // User space takes D back, of this page perhaps, before the access is made.
      this.vm.reenter(vcpu);
      this.walkFor(vcpu, gfn, kind);
    }
    this.add(Ev.pmlEntry);
    this.journal.pmlEntry();
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.slots.markLogged(slot, gfn, vcpu);
  }

  private exit(vcpu: number): number {
    const [gfn, kind, denied] = [this.pending.gfn[vcpu], this.pending.kind[vcpu], this.pending.denied[vcpu] === 1];
    const isTracked = this.isTrackedWrite(gfn, kind, denied);
    const tryFast = this.leave(kind, denied, this.pending.guestTable[vcpu], isTracked);
    if (isTracked) return this.emulate(vcpu, gfn);
    return tryFast ? Stage.FastFault : this.askHost(vcpu);
  }

  /** Whether L1 writes a table of its nested guest that it has mapped and may not write. */
  private isTrackedWrite(gfn: number, kind: number, denied: boolean): boolean {
    return denied && kind === Write && this.shadowed !== undefined && this.shadowed.isTracked(gfn);
  }

  /** KVM carries a write to a tracked table out itself. What that asked for is served when the vCPU enters again. @returns ACCESS_DONE */
  private emulate(vcpu: number, gfn: number): number {
    this.add(Ev.pfEmulate);
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.slots.markDirty(slot, gfn);
    this.shadowed?.emulated(gfn);
    this.vm.reenter(vcpu);
    return ACCESS_DONE;
  }

  /** A fault leaves the guest and is counted. @param isTracked KVM will carry the write out @returns whether the lockless path tries to fix it */
  private leave(kind: number, denied: boolean, guestTable: number, isTracked: boolean): boolean {
    const now = this.counters.now;
    this.journal.exit();
    now[EXIT] = now[EXIT] + 1;
    now[PAGE_FAULT] = now[PAGE_FAULT] + 1;
    now[PF_TAKEN] = now[PF_TAKEN] + 1;
    if (kind === Write) now[PAGE_FAULT_WRITE] = now[PAGE_FAULT_WRITE] + 1;
    else if (kind === Exec) this.add(Ev.pageFaultFetch);
    if (denied) now[PAGE_FAULT_PRESENT] = now[PAGE_FAULT_PRESENT] + 1;
    if (guestTable === 1) this.add(Ev.pageFaultGuestTable);
    if (isTracked || !this.policy.fastPageFault || !isFastEligible(this.policy, kind, denied)) return false;
    now[FAST_PAGE_FAULT] = now[FAST_PAGE_FAULT] + 1;
    return true;
  }

  private fastFault(vcpu: number): number {
    const gfn = this.pending.gfn[vcpu];
    return this.fixFast(this.vm.root(vcpu), this.slots.find(gfn), gfn, this.pending.kind[vcpu]) ? Stage.Resume : this.askHost(vcpu);
  }

  /** The lockless path. @returns whether the fault ends here */
  private fixFast(root: TdpRoot, slot: Memslot | undefined, gfn: number, kind: number): boolean {
    const result = this.tryFast(root, slot, gfn, kind);
    if (result === INVALID) return false;
    this.add(result === FIXED ? PF_FIXED : Ev.pfSpurious);
    return true;
  }

  /** fast_page_fault, counted. @returns a RetPf */
  private tryFast(root: TdpRoot, slot: Memslot | undefined, gfn: number, kind: number): number {
    const op = this.mmu.fastOp;
    op.kind = kind;
    op.logged = slot !== undefined && slot.logged;
    const result = this.mmu.fastFault(root, gfn);
    if (result === INVALID) return result;
    this.add(PF_FAST);
    this.add(result === FIXED ? FAST_FIXED : Ev.fastPageFaultSpurious);
    return result;
  }

  /** Samples the notifier sequence; then the host looks for the page. */
  askHost(vcpu: number): number {
    this.pending.seq[vcpu] = this.slots.invalidations.ended;
    this.hostFaults.ask(vcpu, this.pending.gfn[vcpu]);
    return Stage.HostPage;
  }

  /** @param stage HostPage, or the host's work that is done */
  private hostPage(vcpu: number, stage: number): number {
    const gfn = this.pending.gfn[vcpu];
    const slot = this.slots.find(gfn);
    this.pending.host[vcpu] = READ_ONLY;
    if (slot !== undefined) {
      const page = this.hostFaults.settleAtOnce(vcpu, slot, gfn, this.pending.kind[vcpu] === Write, stage - Stage.HostPage);
      if (page >= 0) return Stage.HostPage + page;
      this.pending.host[vcpu] = ~page;
      if (~page === FAILED) throw noHostPage(vcpu, gfn, this.pending.kind[vcpu] === Write);
    }
    return this.policy.parallelFaults ? Stage.Walk : Stage.Map;
  }

  /** Reads the entry the map stage will exchange. */
  private walk(vcpu: number): number {
    const entry = this.mmu.lookup(this.vm.root(vcpu), this.pending.gfn[vcpu]);
    this.pending.seenLevel[vcpu] = entry.level;
    this.pending.seenKind[vcpu] = entry.kind;
    this.pending.seenAttr[vcpu] = entry.attr;
    return Stage.Map;
  }

  /** Whether another vCPU changed the entry since the walk. What had been taken for the exchange is given back and counted. */
  private lostExchange(vcpu: number): boolean {
    const entry = this.mmu.lookup(this.vm.root(vcpu), this.pending.gfn[vcpu]);
    const seenLevel = this.pending.seenLevel[vcpu];
    const seenKind = this.pending.seenKind[vcpu];
    if (entry.level === seenLevel && entry.kind === seenKind && entry.attr === this.pending.seenAttr[vcpu]) return false;
    this.add(Ev.exchangeLost);
    if (entry.level >= seenLevel) return true;
    // A table stands where this fault would have linked one or split a huge page into one.
    const splits = seenKind === Leaf;
    if (splits && !this.mmu.splitsOnFault) return true;
    this.add(Ev.tableAlloc);
    this.add(Ev.tableFree);
    if (splits) {
      this.add(Ev.hugeSplit[seenLevel]);
      this.add(Ev.hugeSplitFailed);
    }
    return true;
  }

  /** Under mmu_lock: drops a stale fault, or maps the page. */
  private map(vcpu: number): number {
    this.slots.work.lock(this.lockMode);
    if (this.slots.invalidations.mustRetry(this.pending.seq[vcpu])) return Stage.Resume;
    if (this.policy.parallelFaults && this.lostExchange(vcpu)) return Stage.Resume;
    const gfn = this.pending.gfn[vcpu];
    return this.mapPage(vcpu, this.vm.root(vcpu), this.slots.find(gfn), gfn, this.pending.kind[vcpu], this.pending.host[vcpu]);
  }

  /**
   * KVM_PRE_FAULT_MEMORY of one page: a read fault that nobody took. No statistic tells of it but that of the lockless path, and the leaf is not accessed.
   * @returns level of what maps the page then
   */
  preFault(vcpu: number, slot: Memslot, gfn: number): number {
    const { invalidations } = this.slots;
    if (this.policy.fastPageFault && isFastEligible(this.policy, Read, false)) {
      this.add(FAST_PAGE_FAULT);
      const result = this.tryFast(this.vm.root(vcpu), slot, gfn, Read);
      if (result !== INVALID) return 1;
    }
    for (;;) {
      const seq = invalidations.ended;
      const host = this.hostPages.resolve(slot, gfn, false);
      if (host === FAILED) throw noHostPage(vcpu, gfn, false);
      this.slots.work.lock(this.lockMode);
      if (!invalidations.mustRetry(seq)) return this.mapAhead(this.vm.root(vcpu), slot, gfn, host);
    }
  }

  private mapAhead(root: TdpRoot, slot: Memslot, gfn: number, host: number): number {
    const op = this.mmu.mapOp;
    const isRefused = this.shadowed !== undefined && host === WRITABLE && this.shadowed.refusesWrite(gfn, true);
    const goal = this.prepareMap(slot, gfn, Read, isRefused ? READ_ONLY : host);
    op.prefetch = true;
    this.mmu.map(root, gfn, goal);
    op.prefetch = false;
    return this.mmu.lookup(root, gfn).level;
  }

  /** Starts a fault that a trace shows, whatever the tables say by now. @returns its first stage */
  beginShown(vcpu: number, gfn: number, kind: number, guestTable: number, denied: boolean): number {
    this.pending.gfn[vcpu] = gfn;
    this.pending.kind[vcpu] = kind;
    this.pending.guestTable[vcpu] = guestTable;
    this.pending.denied[vcpu] = denied ? 1 : 0;
    return Stage.Exit;
  }

  /** Frame of the vCPU's fault. */
  faultGfn(vcpu: number): number {
    return this.pending.gfn[vcpu];
  }

  /** Asks the host once more what stands behind the faulting frame. */
  resolveAgain(vcpu: number): void {
    const gfn = this.pending.gfn[vcpu];
    this.pending.host[vcpu] = this.hostPages.resolve(this.slots.find(gfn), gfn, this.pending.kind[vcpu] === Write);
  }

  /** Under mmu_lock: drops a stale fault, or makes the next change. @returns Stage.Map while there may be another, else as `map` */
  mapOnce(vcpu: number): number {
    if (this.slots.invalidations.mustRetry(this.pending.seq[vcpu])) return Stage.Resume;
    const gfn = this.pending.gfn[vcpu];
    const slot = this.slots.find(gfn);
    const kind = this.pending.kind[vcpu];
    if (isReadonlyWrite(slot, kind)) return this.refuse();
    const goal = this.prepareMap(slot, gfn, kind, this.pending.host[vcpu]);
    const result = this.mmu.mapOnce(this.vm.root(vcpu), gfn, goal);
    return result === RetPf.Continue ? Stage.Map : this.endMap(result);
  }

  /** Whether `mapOnce` would change an entry. */
  wouldMap(vcpu: number): boolean {
    const gfn = this.pending.gfn[vcpu];
    const slot = this.slots.find(gfn);
    const kind = this.pending.kind[vcpu];
    if (this.slots.invalidations.mustRetry(this.pending.seq[vcpu]) || isReadonlyWrite(slot, kind)) return false;
    return this.mmu.wouldMap(this.vm.root(vcpu), gfn, this.prepareMap(slot, gfn, kind, this.pending.host[vcpu]));
  }

  /** @param host a `HostPage`; @returns Stage.Resume or ACCESS_DONE */
  private mapPage(vcpu: number, root: TdpRoot, slot: Memslot | undefined, gfn: number, kind: number, host: number): number {
    if (isReadonlyWrite(slot, kind)) return this.refuse();
    const isRefused = this.shadowed !== undefined && host === WRITABLE && this.shadowed.refusesWrite(gfn);
    const goal = this.prepareMap(slot, gfn, kind, isRefused ? 0 : host);
    const result = this.mmu.map(root, gfn, goal);
    if (isRefused && kind === Write) return this.emulate(vcpu, gfn);
    return this.endMap(result);
  }

  private refuse(): number {
    this.add(Ev.pfEmulate);
    return ACCESS_DONE;
  }

  /** Sets the map rule's constants. @returns the goal */
  private prepareMap(slot: Memslot | undefined, gfn: number, kind: number, host: number): number {
    const op = this.mmu.mapOp;
    op.kind = kind;
    op.mmio = slot === undefined;
    op.hostWritable = host === WRITABLE;
    op.logged = slot !== undefined && slot.logged;
    op.hugePageDisallowed = kind === Exec && this.policy.nxHugePages;
    op.reqLevel = slot === undefined || slot.logged ? 1 : this.maxMappingLevel(slot, gfn);
    return op.hugePageDisallowed ? 1 : op.reqLevel;
  }

  /** Counts how the map ended. @returns Stage.Resume or ACCESS_DONE */
  private endMap(result: number): number {
    if (result === FIXED) {
      const now = this.counters.now;
      now[PF_FIXED] = now[PF_FIXED] + 1;
    } else if (result === RetPf.Emulate) {
      this.add(Ev.pfEmulate);
      this.add(Ev.pfMmioSpteCreated);
      return ACCESS_DONE;
    } else if (result === RetPf.Spurious) {
      this.add(this.policy.fixedInHandler ? Ev.pfFixed : Ev.pfSpurious);
    }
    return Stage.Resume;
  }

  private maxMappingLevel(slot: Memslot, gfn: number): number {
    const host = this.slots.hostLevel(slot, gfn);
    if (host === 1) return 1;
    const level = Math.min(this.policy.maxLeafLevel, host, slot.maxLevel(gfn));
    return this.shadowed === undefined ? level : this.shadowed.maxLevel(gfn, level);
  }

  private add(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }

  private describe(vcpu: number, gfn: number, kind: number): string {
    const entry = this.mmu.lookup(this.vm.root(vcpu), gfn);
    return `kind ${entry.kind} level ${entry.level} attr 0x${this.mmu.spte.bits(entry.attr).toString(16)} access ${kind}`;
  }
}

/** A write to a read-only slot goes to user space. */
function isReadonlyWrite(slot: Memslot | undefined, kind: number): boolean {
  return slot !== undefined && slot.spec.readonly && kind === Write;
}
