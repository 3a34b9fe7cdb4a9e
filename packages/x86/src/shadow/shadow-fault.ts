/**
 * The page-fault path of the legacy MMU, as a list of stages.
 *
 * exit → lockless fix (direct tables only) → guest walk and host page → map → resume. Under shadow paging, and for a nested guest, each fault walks the guest's
 * tables in software: they may refuse the access, which is then the guest's own fault; a write to a tracked table is emulated. Mapping holds mmu_lock for
 * writing.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_page_fault(), direct_page_fault(), fast_page_fault(), page_fault_handle_page_track(); paging_tmpl.h
 * FNAME(page_fault)(). Hot path.
 */
import { ACCESS_DONE as DONE_CODE, AccessKind } from '@mmulab/api';
import type { GuestTables, StageDef } from '@mmulab/api';
import { Ev } from '../events';
import { Access, isDirect } from '../roots/role';
import { Spte } from '../spte';
import { isFastEligible } from '../fast-fault';
import type { Memslot } from '@mmulab/kvm';
import { HostFaults, HostPage, HostWork, hostStages, livelock, noHostPage } from '@mmulab/kvm';
import { RetPf } from '../ret-pf';
import type { X86Vm } from '../x86-vm';
import { GuestWalk, WalkedEntries } from './guest-walk';
import type { WalkRules } from './guest-walk';
import { clearFlood, tableWritten } from './pte-write';
import type { TableWriter } from './table-writer';
import { ShadowFault } from './shadow-mapper';
import type { ShadowMapper } from './shadow-mapper';
import type { ShadowMmu } from './shadow-mmu';
import { indexOf } from './shadow-page';
import { USER, isLeaf, isMmuWritable, isWritable } from './shadow-spte';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;
const { Read, Write, Exec } = AccessKind;

/** Stages by number (those behind HostPage are the host's work): the same as the TDP MMU's, with a lock that excludes all others. */
export const Stage = { Exit: 0, FastFault: 1, HostPage: 2, Map: 8, Resume: 9 } as const;

const HOST_PAGE_NS = 250;

/** The stages as the scheduler sees them; nominal durations as for the TDP MMU. */
export const shadowStages: readonly StageDef[] = [
  { name: 'exit', nominalNs: 350, lock: 'none' },
  { name: 'fast_page_fault', nominalNs: 60, lock: 'none' },
  ...hostStages(HOST_PAGE_NS),
  { name: 'map', nominalNs: 150, lock: 'write' },
  { name: 'resume', nominalNs: 300, lock: 'none' },
];

/** What the fault path asks of the VM. */
export interface ShadowFaultVm extends X86Vm {
  /** The page a vCPU's root has for a frame. */
  rootPage(vcpu: number, frame: number): number;
  /** Tables a fault walks in software: the guest's own, or L1's second-stage tables. Not asked for direct roots. */
  walkedSpace(vcpu: number): GuestTables;
  /** How they judge accesses. */
  rules(vcpu: number): WalkRules;
}

const MAX_FAULTS_PER_ACCESS = 64;

/** Faults of all vCPUs on one VM's shadow pages. */
export class ShadowFaultPath {
  readonly walk: GuestWalk;
  private readonly walked: WalkedEntries;
  private readonly fault = new ShadowFault();
  private readonly frame: Float64Array;
  private readonly kind: Uint8Array;
  private readonly denied: Uint8Array;
  private readonly guestTable: Uint8Array;
  private readonly seq: Float64Array;
  private readonly gfn: Float64Array;
  private readonly hostFaults: HostFaults;
  /** A `HostPage`. */
  private readonly host: Uint8Array;

  constructor(
    vcpus: number,
    private readonly mmu: ShadowMmu,
    private readonly map: ShadowMapper,
    private readonly vm: ShadowFaultVm,
    private readonly writer: TableWriter,
  ) {
    this.walk = new GuestWalk(mmu.memory, gfn => this.markDirty(gfn));
    this.walked = new WalkedEntries(vcpus);
    this.frame = new Float64Array(vcpus);
    this.kind = new Uint8Array(vcpus);
    this.denied = new Uint8Array(vcpus);
    this.guestTable = new Uint8Array(vcpus);
    this.seq = new Float64Array(vcpus);
    this.gfn = new Float64Array(vcpus);
    this.hostFaults = new HostFaults(vcpus, mmu.slots, (slot, start, end) => vm.invalidate(slot, start, end));
    this.host = new Uint8Array(vcpus);
  }

  /** One access with all its faults. @param frame virtual under shadow paging, else physical; @param guestTable 1 for the hardware's own to a guest table */
  access(vcpu: number, frame: number, kind: number, guestTable: number): void {
    let stage = this.start(vcpu, frame, kind, guestTable);
    for (let faults = 0; stage !== ACCESS_DONE; stage = this.stage(vcpu, stage)) {
      if (stage === Stage.Exit && ++faults > MAX_FAULTS_PER_ACCESS) throw livelock(frame, 1, `access ${kind}`);
    }
  }

  /** The hardware's walk for a new access. @returns ACCESS_DONE, or the first stage of its fault */
  start(vcpu: number, frame: number, kind: number, guestTable: number): number {
    this.frame[vcpu] = frame;
    this.kind[vcpu] = kind;
    this.guestTable[vcpu] = guestTable;
    return this.execute(vcpu);
  }

  /** Runs one stage. @returns the next one, or ACCESS_DONE */
  stage(vcpu: number, stage: number): number {
    switch (stage) {
      case Stage.Exit:
        return this.exit(vcpu);
      case Stage.FastFault:
        return this.fastFault(vcpu);
      case Stage.Map:
        return this.mapPage(vcpu);
      case Stage.Resume:
        this.vm.reenter(vcpu);
        return this.execute(vcpu);
      default:
        return stage === Stage.HostPage ? this.askHost(vcpu) : this.hostPage(vcpu, stage - Stage.HostPage);
    }
  }

  /** The guest executes the access (again). */
  private execute(vcpu: number): number {
    if (this.vm.mustExit(vcpu)) this.vm.reenter(vcpu);
    const { pages, leaf } = this.mmu;
    const frame = this.frame[vcpu];
    const kind = this.kind[vcpu];
    const page = pages.lowest(this.vm.rootPage(vcpu, frame), frame);
    const index = indexOf(frame, pages.level(page));
    const entry = pages.entry(page, index);
    // An MMIO entry made before memslots have changed may be wrong by now.
    if (entry === 0 || (!isLeaf(entry) && entry !== this.mmu.mmioEntry)) return this.faults(vcpu, 0);
    if (!isLeaf(entry)) {
      // A known MMIO frame: the exit goes straight to emulation.
      this.mmu.journal.exit();
      this.mmu.count(Ev.exit);
      return this.leaveFault(vcpu);
    }
    if (!leaf.allows(entry, kind) || this.userPageRefused(vcpu, entry, kind)) return this.faults(vcpu, (entry & Spte.AccessTracked) === 0 ? 1 : 0);
    const after = leaf.afterAccess(entry, kind);
    if (after !== entry) {
      const isLogged = (after & ~entry & Spte.Dirty) !== 0 && this.vm.pmlActive && isDirect(pages.role[page]);
      if (isLogged && this.mmu.journal.isRingFilledByLog()) {
        this.vm.reenter(vcpu);
        return this.execute(vcpu);
      }
      pages.setEntry(page, index, after);
      if (isLogged) this.logDirty(vcpu, pages.entryGfn(page, index));
    }
    return ACCESS_DONE;
  }

  private faults(vcpu: number, denied: number): number {
    this.denied[vcpu] = denied;
    return Stage.Exit;
  }

  /** Under shadow paging the hardware enforces SMEP and SMAP on our own entries. */
  private userPageRefused(vcpu: number, entry: number, kind: number): boolean {
    if (this.mmu.policy.tdp || (entry & USER) === 0) return false;
    const rules = this.vm.rules(vcpu);
    return !rules.user && (kind === Exec ? rules.smep : rules.smap);
  }

  private exit(vcpu: number): number {
    const { mmu } = this;
    const kind = this.kind[vcpu];
    mmu.journal.exit();
    mmu.count(Ev.exit);
    mmu.count(Ev.pageFault);
    mmu.count(Ev.pfTaken);
    if (kind === Write) mmu.count(Ev.pageFaultWrite);
    else if (kind === Exec) mmu.count(Ev.pageFaultFetch);
    if (this.denied[vcpu] === 1) mmu.count(Ev.pageFaultPresent);
    if (this.guestTable[vcpu] === 1) mmu.count(Ev.pageFaultGuestTable);
    if (!isFastEligible(mmu.policy, kind, this.denied[vcpu] === 1) || !this.isDirectRoot(vcpu)) return Stage.HostPage;
    // Writes to tracked frames (tables of a nested guest) are told apart first.
    if (kind === Write && this.denied[vcpu] === 1 && mmu.track.isTracked(this.frame[vcpu])) return Stage.HostPage;
    mmu.count(Ev.fastPageFault);
    return Stage.FastFault;
  }

  private isDirectRoot(vcpu: number): boolean {
    return isDirect(this.mmu.pages.role[this.vm.rootPage(vcpu, this.frame[vcpu])]);
  }

  private fastFault(vcpu: number): number {
    const { mmu } = this;
    const result = this.tryFast(vcpu);
    if (result === RetPf.Invalid) return Stage.HostPage;
    if (result === RetPf.Fixed) mmu.count(Ev.fastPageFaultFixed);
    else mmu.count(Ev.fastPageFaultSpurious);
    if (!mmu.policy.fixedInHandler) {
      mmu.count(Ev.pfFast);
      mmu.count(result === RetPf.Fixed ? Ev.pfFixed : Ev.pfSpurious);
    }
    return Stage.Resume;
  }

  private tryFast(vcpu: number): number {
    const { pages, leaf, slots, policy } = this.mmu;
    const frame = this.frame[vcpu];
    const kind = this.kind[vcpu];
    const page = pages.lowest(this.vm.rootPage(vcpu, frame), frame);
    const index = indexOf(frame, pages.level(page));
    const old = pages.entry(page, index);
    if (!isLeaf(old)) return RetPf.Invalid;
    if (leaf.allows(old, kind)) return RetPf.Spurious;
    const fixed = leaf.restored(old, kind === Write);
    if (fixed === old || !leaf.allows(fixed, kind)) return RetPf.Invalid;
    const slot = slots.find(frame);
    const gains = isWritable(fixed) && !isWritable(old);
    if (gains && pages.level(page) > 1 && (!policy.fastFixHuge || (slot !== undefined && slot.logged))) return RetPf.Invalid;
    pages.setEntry(page, index, fixed);
    if (gains && slot !== undefined && isMmuWritable(fixed)) slots.markDirty(slot, frame, vcpu);
    return RetPf.Fixed;
  }

  /** KVM_PRE_FAULT_MEMORY of one page of direct tables: a read fault that nobody took; neighbours come with it. @returns level of what maps it then */
  preFault(vcpu: number, slot: Memslot, gfn: number): number {
    const { mmu, fault } = this;
    this.frame[vcpu] = gfn;
    this.kind[vcpu] = Read;
    if (isFastEligible(mmu.policy, Read, false)) {
      mmu.count(Ev.fastPageFault);
      const result = this.tryFast(vcpu);
      if (result !== RetPf.Invalid) {
        mmu.count(result === RetPf.Fixed ? Ev.fastPageFaultFixed : Ev.fastPageFaultSpurious);
        mmu.count(Ev.pfFast);
        return 1;
      }
    }
    this.resolveAhead(vcpu, slot, gfn);
    mmu.slots.work.lock('write');
    mmu.makePagesAvailable();
    fault.set(gfn, Read, slot, this.host[vcpu] === HostPage.Writable);
    const root = this.vm.rootPage(vcpu, gfn);
    this.map.mapAhead(root, fault);
    return mmu.pages.level(mmu.pages.lowest(root, gfn));
  }

  /** The host finds a page for a read; notifier calls that it makes on the way have it look again. */
  private resolveAhead(vcpu: number, slot: Memslot, gfn: number): void {
    const { invalidations } = this.mmu.slots;
    for (;;) {
      const seq = invalidations.ended;
      this.hostFaults.ask(vcpu, gfn);
      let page = this.hostFaults.settleAtOnce(vcpu, slot, gfn, false, HostWork.None);
      while (page >= 0) page = this.hostFaults.settleAtOnce(vcpu, slot, gfn, false, page);
      this.host[vcpu] = ~page;
      if (~page === HostPage.Failed) throw noHostPage(vcpu, gfn, false);
      if (!invalidations.mustRetry(seq)) return;
    }
  }

  /** Walks the guest's tables where there are any to walk; samples the notifier sequence, and the host looks for the page. */
  private askHost(vcpu: number): number {
    const { mmu } = this;
    const gfn = this.resolve(vcpu);
    if (gfn < 0) {
      mmu.count(Ev.pfGuest);
      return this.leaveFault(vcpu);
    }
    if (this.kind[vcpu] === Write && this.denied[vcpu] === 1 && mmu.track.isTracked(gfn)) {
      clearFlood(mmu, this.vm.rootPage(vcpu, this.frame[vcpu]), this.frame[vcpu]);
      mmu.count(Ev.pfEmulate);
      return this.emulateWrite(vcpu, gfn);
    }
    if (!this.isDirectRoot(vcpu)) this.walked.note(vcpu, this.walk, mmu.memory.version);
    this.seq[vcpu] = mmu.slots.invalidations.ended;
    this.gfn[vcpu] = gfn;
    this.hostFaults.ask(vcpu, gfn);
    return this.hostPage(vcpu, HostWork.None);
  }

  /** The host resolves the page. @param done work of the host that is done */
  private hostPage(vcpu: number, done: number): number {
    const gfn = this.gfn[vcpu];
    const slot = this.mmu.slots.find(gfn);
    this.host[vcpu] = HostPage.ReadOnly;
    if (slot !== undefined) {
      const page = this.hostFaults.settleAtOnce(vcpu, slot, gfn, this.kind[vcpu] === Write, done);
      if (page >= 0) return Stage.HostPage + page;
      this.host[vcpu] = ~page;
      if (~page === HostPage.Failed) throw noHostPage(vcpu, gfn, this.kind[vcpu] === Write);
    }
    return Stage.Map;
  }

  /** Guest frame of the access, or -1 when the guest's tables refuse it. */
  private resolve(vcpu: number): number {
    const frame = this.frame[vcpu];
    if (this.isDirectRoot(vcpu)) return frame;
    return this.walk.walk(this.vm.walkedSpace(vcpu), frame, this.kind[vcpu], this.vm.rules(vcpu)) ? this.walk.gfn : -1;
  }

  /** Under mmu_lock: drops a stale fault, or maps the page. */
  private mapPage(vcpu: number): number {
    const { mmu, fault } = this;
    mmu.slots.work.lock('write');
    mmu.makePagesAvailable();
    if (mmu.slots.invalidations.mustRetry(this.seq[vcpu])) return Stage.Resume;
    const isDirectMap = this.isDirectRoot(vcpu);
    // Somebody has changed an entry of the walk since then.
    if (!isDirectMap && this.walked.haveChanged(vcpu, mmu.memory.version)) return Stage.Resume;
    const gfn = this.resolve(vcpu);
    if (gfn < 0) return Stage.Resume;
    const kind = this.kind[vcpu];
    fault.set(gfn, kind, mmu.slots.find(gfn), this.host[vcpu] === HostPage.Writable);
    fault.hugePageDisallowed = kind === Exec && mmu.policy.nxHugePages;
    if (fault.write && fault.slot !== undefined && fault.slot.spec.readonly) {
      mmu.count(Ev.pfEmulate);
      return this.leaveFault(vcpu);
    }
    const frame = this.frame[vcpu];
    const root = this.vm.rootPage(vcpu, frame);
    if (!isDirectMap) this.takeGuestRights(vcpu);
    const result = isDirectMap ? this.map.mapDirect(root, fault) : this.map.fetch(root, frame, this.walk, fault);
    return this.finish(vcpu, gfn, result);
  }

  /** Rights and level of the guest's leaf. Without WP the kernel may write what only users may read: then users are shut out. */
  private takeGuestRights(vcpu: number): void {
    const { fault, walk } = this;
    const rules = this.vm.rules(vcpu);
    fault.maxLevel = this.mmu.policy.selfMapSmall && walk.isSelfMap(rules.wp || rules.user) ? 1 : walk.level;
    fault.access = walk.access;
    if (!fault.write || (walk.access & Access.Write) !== 0 || rules.wp || rules.user || fault.slot === undefined) return;
    fault.access = (fault.access | Access.Write) & ~Access.User;
    // User pages are not for the kernel to execute.
    if (rules.smep) fault.access &= ~Access.Exec;
  }

  private finish(vcpu: number, gfn: number, result: number): number {
    const { mmu } = this;
    if (result === RetPf.Emulate) {
      mmu.count(Ev.pfEmulate);
      if (this.fault.mmio) {
        mmu.count(Ev.pfMmioSpteCreated);
        return this.leaveFault(vcpu);
      }
      return this.emulateWrite(vcpu, gfn);
    }
    if (result === RetPf.Fixed) mmu.count(Ev.pfFixed);
    else if (!mmu.policy.fixedInHandler) mmu.count(Ev.pfSpurious);
    return Stage.Resume;
  }

  /** KVM carries the write out itself. */
  private emulateWrite(vcpu: number, gfn: number): number {
    this.markDirty(gfn);
    const write = this.writer.writing(gfn);
    write?.store();
    tableWritten(this.mmu, write ?? { gfn, offset: 0, bytes: 8 });
    return this.leaveFault(vcpu);
  }

  /** The access is over without being executed again; the vCPU enters all the same. */
  private leaveFault(vcpu: number): number {
    this.vm.reenter(vcpu);
    return ACCESS_DONE;
  }

  private logDirty(vcpu: number, gfn: number): void {
    const { mmu } = this;
    mmu.count(Ev.pmlEntry);
    mmu.journal.pmlEntry();
    const slot = mmu.slots.find(gfn);
    if (slot !== undefined) mmu.slots.markLogged(slot, gfn, vcpu);
  }

  private markDirty(gfn: number): void {
    const slot = this.mmu.slots.find(gfn);
    if (slot !== undefined) this.mmu.slots.markDirty(slot, gfn, this.mmu.journal.vcpu);
  }
}
