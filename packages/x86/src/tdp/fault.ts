/**
 * The TDP page-fault path around the map rule, as a list of stages.
 *
 * exit → lockless fix → host page → (walk) → map → resume: a fault leaves the guest and is counted; the lockless path tries to fix it; otherwise memory caches are
 * topped up, the notifier sequence is sampled and the host page resolved (which may itself call the MMU notifier: copy-on-write); then, under
 * mmu_lock for reading, the fault is dropped when the sequence has moved, else mapped; finally the vCPU serves its requests and executes the instruction
 * again. The stages run back to back for private memory; the scheduler lets those of several vCPUs interleave where memory is
 * shared. Both call the same functions. Only an interleaved fault has the walk stage: it reads the entry it will exchange, and when another vCPU has changed
 * that entry by the time of the map stage, the exchange is lost: the table taken for it goes back, and the access is tried again.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_page_fault(), direct_page_fault()/kvm_tdp_page_fault(), kvm_faultin_pfn(),
 * kvm_mmu_hugepage_adjust(), fast_page_fault(). Hot path.
 */
import { ACCESS_DONE as DONE_CODE, EntryKind } from '@mmulab/api';
import type { Counters, StageDef } from '@mmulab/api';
import { livelock } from '../errors';
import { Ev } from '../events';
import type { Memslot, Memslots } from '../memslots';
import type { VmJournal } from '../vm-journal';
import { HwWalk } from './map-rule';
import { RetPf } from './protocols';
import type { TdpMmu, TdpRoot } from './tdp-mmu';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;
const { Leaf } = EntryKind;

/** Stages by number. */
export const Stage = { Exit: 0, FastFault: 1, HostPage: 2, Walk: 3, Map: 4, Resume: 5 } as const;

/** The stages as the scheduler sees them. Durations are nominal: about those of the published tables' fault costs, split by share of the path. */
export const tdpStages: readonly StageDef[] = [
  { name: 'exit', nominalNs: 350, lock: 'none' },
  { name: 'fast_page_fault', nominalNs: 60, lock: 'none' },
  { name: 'host_page', nominalNs: 250, lock: 'none' },
  { name: 'walk', nominalNs: 70, lock: 'read' },
  { name: 'map', nominalNs: 80, lock: 'read' },
  { name: 'resume', nominalNs: 300, lock: 'none' },
];

/** What the fault path needs of the VM around it. */
export interface FaultWorld {
  /** Root of a vCPU; it is loaded while the vCPU is in the guest. */
  root(vcpu: number): TdpRoot;
  /** The host takes pages away (MMU notifier). */
  invalidate(slot: Memslot, start: number, end: number): void;
  /** Serves the vCPU's requests before it enters again. */
  reenter(vcpu: number): void;
  /** Whether the vCPU's dirty pages are logged by hardware now. */
  readonly pmlActive: boolean;
}

/** Policy switches of the fault path. */
export interface FaultPolicy {
  readonly fastPageFault: boolean;
  readonly adBits: boolean;
  readonly nxHugePages: boolean;
  /** Spurious results count as fixed. */
  readonly fixedInHandler: boolean;
  /** A huge leaf above the goal is split; else zapped. */
  readonly splitHugePages: boolean;
  /** Largest level of a leaf: 3, or 2 without 1 GiB pages. */
  readonly maxLeafLevel: number;
}

const MAX_FAULTS_PER_ACCESS = 64;

/** The state of each vCPU's fault, and the stages. */
export class TdpFaultPath {
  private readonly gfn: Float64Array;
  private readonly kind: Uint8Array;
  private readonly denied: Uint8Array;
  private readonly seq: Float64Array;
  private readonly guestTable: Uint8Array;
  private readonly hostWritable: Uint8Array;
  private readonly hostFailed: Uint8Array;
  /** 1 while the vCPU's access may interleave with others. */
  private readonly interleaved: Uint8Array;
  // The lowest entry the walk stage saw.
  private readonly seenLevel: Uint8Array;
  private readonly seenKind: Uint8Array;
  private readonly seenAttr: Uint8Array;

  constructor(
    vcpus: number,
    private readonly mmu: TdpMmu,
    private readonly slots: Memslots,
    private readonly counters: Counters,
    private readonly journal: VmJournal,
    private readonly world: FaultWorld,
    private readonly policy: FaultPolicy,
  ) {
    this.gfn = new Float64Array(vcpus);
    this.kind = new Uint8Array(vcpus);
    this.denied = new Uint8Array(vcpus);
    this.seq = new Float64Array(vcpus);
    this.guestTable = new Uint8Array(vcpus);
    this.hostWritable = new Uint8Array(vcpus);
    this.hostFailed = new Uint8Array(vcpus);
    this.interleaved = new Uint8Array(vcpus);
    this.seenLevel = new Uint8Array(vcpus);
    this.seenKind = new Uint8Array(vcpus);
    this.seenAttr = new Uint8Array(vcpus);
  }

  /** One access with all its faults. @param guestTable 1 when the hardware touches a guest page-table page */
  access(vcpu: number, gfn: number, kind: number, guestTable: number): void {
    this.interleaved[vcpu] = 0;
    if (this.start(vcpu, gfn, kind, guestTable) === ACCESS_DONE) return;
    let stage: number = Stage.Exit;
    let faults = 0;
    do {
      stage = this.stage(vcpu, stage);
      if (stage === Stage.Exit && ++faults > MAX_FAULTS_PER_ACCESS) throw livelock(gfn, 1, this.describe(vcpu, gfn));
    } while (stage !== ACCESS_DONE);
  }

  /** Starts an access that may interleave with others. @returns ACCESS_DONE, or the first stage of its fault */
  begin(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    this.interleaved[vcpu] = 1;
    return this.start(vcpu, gfn, kind, guestTable);
  }

  /** The hardware's walk for a new access. */
  private start(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    this.gfn[vcpu] = gfn;
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
      case Stage.HostPage:
        return this.hostPage(vcpu);
      case Stage.Walk:
        return this.walk(vcpu);
      case Stage.Map:
        return this.map(vcpu);
      default:
        this.world.reenter(vcpu);
        return this.execute(vcpu);
    }
  }

  /** The guest executes the access (again). */
  private execute(vcpu: number): number {
    const result = this.mmu.hardwareWalk(this.world.root(vcpu), this.gfn[vcpu] as number, this.kind[vcpu] as number);
    if (result === HwWalk.Hit) return ACCESS_DONE;
    if (result === HwWalk.HitDirtied) {
      if (this.world.pmlActive) this.logDirty(this.gfn[vcpu] as number);
      return ACCESS_DONE;
    }
    if (result === HwWalk.Mmio) {
      // A known MMIO frame: the exit goes straight to emulation.
      this.journal.exit();
      this.add(Ev.exit);
      return ACCESS_DONE;
    }
    this.denied[vcpu] = result === HwWalk.Denied ? 1 : 0;
    return Stage.Exit;
  }

  private logDirty(gfn: number): void {
    this.add(Ev.pmlEntry);
    this.journal.pmlEntry();
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.slots.markDirty(slot, gfn);
  }

  private exit(vcpu: number): number {
    const kind = this.kind[vcpu] as number;
    this.journal.exit();
    this.add(Ev.exit);
    this.add(Ev.pageFault);
    this.add(Ev.pfTaken);
    if (kind === 1) this.add(Ev.pageFaultWrite);
    else if (kind === 2) this.add(Ev.pageFaultFetch);
    if (this.denied[vcpu] === 1) this.add(Ev.pageFaultPresent);
    if (this.guestTable[vcpu] === 1) this.add(Ev.pageFaultGuestTable);
    const eligible = this.denied[vcpu] === 1 ? kind === 1 : !this.policy.adBits;
    if (!eligible || !this.policy.fastPageFault) return Stage.HostPage;
    this.add(Ev.fastPageFault);
    return Stage.FastFault;
  }

  private fastFault(vcpu: number): number {
    const gfn = this.gfn[vcpu] as number;
    const slot = this.slots.find(gfn);
    const op = this.mmu.fastOp;
    op.kind = this.kind[vcpu] as number;
    op.logged = slot !== undefined && slot.logged;
    const result = this.mmu.fastFault(this.world.root(vcpu), gfn);
    if (result === RetPf.Invalid) return Stage.HostPage;
    this.add(Ev.pfFast);
    if (result === RetPf.Fixed) {
      this.add(Ev.pfFixed);
      this.add(Ev.fastPageFaultFixed);
    } else {
      this.add(Ev.pfSpurious);
      this.add(Ev.fastPageFaultSpurious);
    }
    return Stage.Resume;
  }

  /** Samples the notifier sequence and resolves the host page. */
  private hostPage(vcpu: number): number {
    const gfn = this.gfn[vcpu] as number;
    const slot = this.slots.find(gfn);
    this.seq[vcpu] = this.slots.notifierSeq;
    this.hostFailed[vcpu] = 0;
    this.hostWritable[vcpu] = 0;
    const next = this.interleaved[vcpu] === 1 ? Stage.Walk : Stage.Map;
    if (slot === undefined) return next;
    const fault = this.slots.hostFault(slot, gfn, this.kind[vcpu] === 1);
    if (!fault.ok) {
      this.hostFailed[vcpu] = 1;
      return next;
    }
    for (const notification of fault.notifications) {
      const span = this.mmu.geometry.pagesAt(notification.level);
      const base = gfn - (gfn % span);
      this.world.invalidate(slot, Math.max(base, slot.spec.baseGfn), Math.min(base + span, slot.end));
      this.slots.setHostState(slot, gfn, notification.level, notification.state);
    }
    if (this.slots.hostPlane.get(gfn) !== fault.state) this.slots.setHostState(slot, gfn, fault.spanLevel, fault.state);
    this.hostWritable[vcpu] = fault.writable && !slot.spec.readonly ? 1 : 0;
    return next;
  }

  /** Reads the entry the map stage will exchange. */
  private walk(vcpu: number): number {
    const entry = this.mmu.lookup(this.world.root(vcpu), this.gfn[vcpu] as number);
    this.seenLevel[vcpu] = entry.level;
    this.seenKind[vcpu] = entry.kind;
    this.seenAttr[vcpu] = entry.attr;
    return Stage.Map;
  }

  /** Whether another vCPU changed the entry since the walk. What had been taken for the exchange is given back and counted. */
  private lostExchange(vcpu: number): boolean {
    const entry = this.mmu.lookup(this.world.root(vcpu), this.gfn[vcpu] as number);
    const seenLevel = this.seenLevel[vcpu] as number;
    const seenKind = this.seenKind[vcpu] as number;
    if (entry.level === seenLevel && entry.kind === seenKind && entry.attr === this.seenAttr[vcpu]) return false;
    if (entry.level >= seenLevel) return true;
    // A table stands where this fault would have linked one or split a huge page into one.
    const splits = seenKind === Leaf;
    if (splits && !this.policy.splitHugePages) return true;
    this.add(Ev.tableAlloc);
    this.add(Ev.tableFree);
    if (splits) {
      this.add(Ev.hugeSplit[seenLevel] as number);
      this.add(Ev.hugeSplitFailed);
    }
    return true;
  }

  /** Under mmu_lock: drops a stale fault, or maps the page. */
  private map(vcpu: number): number {
    if (this.seq[vcpu] !== this.slots.notifierSeq) return Stage.Resume;
    if (this.interleaved[vcpu] === 1 && this.lostExchange(vcpu)) return Stage.Resume;
    const gfn = this.gfn[vcpu] as number;
    const slot = this.slots.find(gfn);
    if (slot !== undefined && slot.spec.readonly && this.kind[vcpu] === 1) {
      this.add(Ev.pfEmulate);
      return ACCESS_DONE;
    }
    const op = this.mmu.mapOp;
    op.mmio = slot === undefined || this.hostFailed[vcpu] === 1;
    op.hostWritable = this.hostWritable[vcpu] === 1;
    op.logged = slot !== undefined && slot.logged;
    op.hugePageDisallowed = this.kind[vcpu] === 2 && this.policy.nxHugePages;
    op.reqLevel = slot === undefined || slot.logged ? 1 : this.maxMappingLevel(slot, gfn);
    const goal = op.hugePageDisallowed ? 1 : op.reqLevel;
    const result = this.mmu.map(this.world.root(vcpu), gfn, goal);
    if (result === RetPf.Emulate) {
      this.add(Ev.pfEmulate);
      this.add(Ev.pfMmioSpteCreated);
      return ACCESS_DONE;
    }
    if (result === RetPf.Fixed) this.add(Ev.pfFixed);
    else if (result === RetPf.Spurious) this.add(this.policy.fixedInHandler ? Ev.pfFixed : Ev.pfSpurious);
    return Stage.Resume;
  }

  private maxMappingLevel(slot: Memslot, gfn: number): number {
    return Math.min(this.policy.maxLeafLevel, slot.maxLevel(gfn), this.slots.hostLevel(slot, gfn));
  }

  private add(index: number): void {
    const now = this.counters.now;
    now[index] = (now[index] as number) + 1;
  }

  private describe(vcpu: number, gfn: number): string {
    const entry = this.mmu.lookup(this.world.root(vcpu), gfn);
    return `kind ${entry.kind} level ${entry.level} attr 0x${this.mmu.spte.bits(entry.attr).toString(16)} access ${this.kind[vcpu]}`;
  }
}
