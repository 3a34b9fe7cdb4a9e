/**
 * The TDP MMU driven by a trace: faults step by step, and the host's walks over the ranges that a trace shows.
 *
 * A fault begins because the trace has it, not because a walk found something missing: another vCPU may have mapped the page in between. Its stages are those of fault.ts; only
 * the map stage stops after every change, so that the changes of several vCPUs fall in the order of the trace.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c direct_page_fault()/kvm_tdp_page_fault(); tdp_mmu.c.
 */
import { ACCESS_DONE, EntryKind, FaultStep, HostWalk } from '@mmulab/api';
import type { AccessKind, EntryView, ReplayPort, SeenHostPage, ShownFault } from '@mmulab/api';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { TdpFaultPath } from './fault';
import { Stage } from './fault-stages';
import { HwWalk } from './map-rule';
import { Spte } from '../spte';
import { SpteReader, describeSpte } from '../spte-reader';
import type { KnownAccesses } from './known-accesses';
import type { TdpMmu, TdpRoot } from './tdp-mmu';

/** What the port needs of the VM around it. */
export interface ReplayedVm {
  /** A vCPU enters: requests are served, a root is loaded. Selects its counters. */
  enter(vcpu: number): void;
  /** A vCPU acts, in the guest: its counters are selected. */
  act(vcpu: number): void;
  invalidate(slot: Memslot, start: number, end: number): void;
  /** The number of slots under dirty logging has changed. */
  logChanged(): void;
  host(op: { readonly op: 'zap_all' }): void;
}

/** No fault under way. */
const NONE = ACCESS_DONE;

export class TdpReplay implements ReplayPort {
  readonly hardwareBits: number;
  private readonly pending: Int8Array;
  /** vCPUs that have faulted have numbers below this. */
  private begun = 0;
  private readonly reader: SpteReader;
  /** Entries of the tables. */
  private readonly found: SpteReader;

  /** @param ept descriptors are those of EPT, else of NPT */
  constructor(
    vcpus: number,
    private readonly mmu: TdpMmu,
    private readonly slots: Memslots,
    private readonly path: TdpFaultPath,
    private readonly accesses: KnownAccesses,
    private readonly vm: ReplayedVm,
    ept: boolean,
    adBits: boolean,
  ) {
    this.pending = new Int8Array(vcpus).fill(NONE);
    this.hardwareBits = adBits ? Spte.Accessed | Spte.Dirty : 0;
    this.reader = new SpteReader(ept, adBits);
    this.found = new SpteReader(ept, adBits);
  }

  beginFault(vcpu: number, fault: ShownFault): void {
    this.vm.enter(vcpu);
    this.begun = Math.max(this.begun, vcpu + 1);
    const first = this.path.beginShown(vcpu, fault.gfn, fault.kind, fault.guestTable ? 1 : 0, fault.present);
    this.pending[vcpu] = this.path.stage(vcpu, first);
  }

  nextStep(vcpu: number): FaultStep {
    switch (this.pending[vcpu]) {
      case Stage.FastFault:
        return FaultStep.Fast;
      case Stage.Map:
        return FaultStep.Map;
      case Stage.Resume:
      case NONE:
        return FaultStep.Done;
      default:
        return FaultStep.Host;
    }
  }

  step(vcpu: number): void {
    const stage = this.pending[vcpu];
    if (stage === Stage.Map) {
      this.pending[vcpu] = this.path.mapOnce(vcpu);
      return;
    }
    if (stage === Stage.HostPage) this.path.askHost(vcpu);
    const next = this.path.stage(vcpu, stage);
    // The walk would look for exchanges lost to other vCPUs: here the trace tells of those.
    this.pending[vcpu] = next === Stage.Walk ? Stage.Map : next;
  }

  wouldChange(vcpu: number): boolean {
    return this.pending[vcpu] === Stage.Map && this.path.wouldMap(vcpu);
  }

  endFault(vcpu: number): void {
    this.pending[vcpu] = NONE;
    this.vm.enter(vcpu);
  }

  access(vcpu: number, gfn: number, kind: AccessKind, guestTable: boolean): void {
    this.vm.act(vcpu);
    this.accesses.access(vcpu, gfn, kind, guestTable ? 1 : 0);
  }

  setHostPages(gfn: number, npages: number, page: SeenHostPage): void {
    const slot = this.slots.find(gfn);
    if (slot === undefined) return;
    const { states } = slot.spec.backing;
    const state = states.findIndex(({ present, level, writable }, i) =>
      page.level === 0 ? i > 0 && !present : present && level === page.level && writable === page.writable,
    );
    if (state < 0) return;
    this.slots.hostStates.setRange(gfn, npages, state);
    for (let vcpu = 0; vcpu < this.begun; vcpu++) {
      const at = this.path.faultGfn(vcpu);
      if (this.pending[vcpu] === Stage.Map && at >= gfn && at < gfn + npages) this.path.resolveAgain(vcpu);
    }
  }

  setLogged(gfn: number, npages: number, on: boolean): void {
    for (const slot of this.slots.all) if (slot.base < gfn + npages && slot.end > gfn) slot.logged = on;
    this.vm.logChanged();
  }

  isLogged(gfn: number): boolean {
    return this.slots.find(gfn)?.logged ?? false;
  }

  walk(walk: HostWalk, start: number, end: number, level: number): void {
    const { mmu } = this;
    switch (walk) {
      case HostWalk.WriteProtect:
        mmu.writeProtectRange(start, end, { tdp: 1, rmap: 1 });
        break;
      case HostWalk.WriteProtectHuge:
        mmu.writeProtectRange(start, end, { tdp: 2, rmap: 2 });
        break;
      case HostWalk.ClearMmuWritable:
        mmu.writeProtectHugePage(start);
        break;
      case HostWalk.ClearDirty:
        mmu.clearDirtyRange(start, end);
        break;
      case HostWalk.Age:
        mmu.age(start, end);
        break;
      case HostWalk.Split:
        mmu.splitHugePages(start, end);
        break;
      case HostWalk.Zap:
        mmu.zapLevel(start, end, level);
        break;
      default:
        this.walkSlots(walk, start, end);
    }
  }

  hardware(gfn: number, kind: AccessKind): boolean {
    const root = this.root();
    if (root === undefined) return false;
    const walked = this.mmu.hardwareWalk(root, gfn, kind);
    return walked === HwWalk.Hit || walked === HwWalk.HitDirtied;
  }

  readDescriptor(hi: number, lo: number, level: number): EntryView {
    return this.reader.read(hi, lo, level);
  }

  entryAt(gfn: number, level: number): EntryView {
    const root = this.root();
    if (root === undefined) return this.found.set(EntryKind.Empty, this.mmu.geometry.levels, 0);
    const { kind, level: at, attr } = this.mmu.lookupAbove(root, gfn, level);
    return this.found.set(kind, at, this.mmu.spte.bits(attr));
  }

  describe(kind: EntryKind, bits: number): string {
    return describeSpte(kind, bits);
  }

  adopt(gfn: number, level: number, entry: EntryView): void {
    const root = this.root();
    if (root === undefined) return;
    const { kind, bits } = entry;
    const attr = kind === EntryKind.Table ? -1 : kind === EntryKind.Empty ? 0 : this.mmu.spte.table.intern(bits, kind === EntryKind.Special);
    this.mmu.adopt(root, gfn, level, attr);
  }

  hasEntries(): boolean {
    const root = this.root();
    return root !== undefined && this.mmu.tableCount(root) > 1;
  }

  dropRoots(): void {
    this.vm.host({ op: 'zap_all' });
  }

  private root(): TdpRoot | undefined {
    return this.mmu.roots.find(one => one.valid) ?? this.mmu.roots[0];
  }

  /** Walks that concern memslots. */
  private walkSlots(walk: HostWalk, start: number, end: number): void {
    for (const slot of this.slots.all) {
      const from = Math.max(start, slot.base);
      const to = Math.min(end, slot.end);
      if (from >= to) continue;
      if (walk === HostWalk.Unmap) this.vm.invalidate(slot, from, to);
      else this.mmu.collapse(slot, from, to);
    }
  }
}
