/**
 * A nested guest beside the TDP MMU: L1 runs on the TDP MMU, L2 behind shadow pages that combine L1's second-stage tables with the memslots.
 *
 * Memslots, host memory, dirty bitmaps, the NX list and write tracking belong to the VM and serve both MMUs; operations of the host go over both.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c (guest_mmu under tdp_mmu=1: kvm_memslots_have_rmaps() paths), svm/nested.c.
 */
import type { Counters, GuestTables, VmLayout } from '@mmulab/api';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { GuestCpu } from '../roots/guest-state';
import type { VcpuRoots } from '../roots/vcpu-roots';
import type { LoggedMmu } from '../log-tables';
import type { ShadowedFrames } from '../tdp/fault-vm';
import type { RecoverableTables } from '../tdp/nx-recovery';
import type { MinLevels, TdpMmu, TdpRoot } from '../tdp/tdp-mmu';
import type { VmJournal } from '../vm-journal';
import type { WalkRules } from './guest-walk';
import { tableWritten } from './pte-write';
import { LegacyMmu } from './legacy-mmu';
import { ShadowAccesses } from './shadow-accesses';
import { ShadowFaultPath } from './shadow-fault';
import type { ShadowFaultVm } from './shadow-fault';
import type { ShadowVm } from './shadow-mmu';
import { NX_SHADOW_LEVEL } from './nx-level';
import type { ShadowPolicy } from './shadow-policy';
import { VcpuSpaces } from './vcpu-spaces';

/** What nested guests need of the backend that runs L1. */
export interface NestedHost extends ShadowVm {
  roots(): VcpuRoots;
  invalidate(slot: Memslot, start: number, end: number): void;
}

/** L2 of all vCPUs of a VM. */
export class NestedGuests implements ShadowFaultVm, ShadowedFrames {
  readonly engine: LegacyMmu;
  /** L2's pages are write-protected, never logged by the hardware: its log would hold L2 addresses. */
  readonly pmlActive = false;
  /** L2's accesses: the hardware touches the pages of its tables, then its own page, all through the shadow of L1's tables. */
  readonly accesses: ShadowAccesses;
  private readonly spaces: VcpuSpaces;

  constructor(
    vm: VmLayout,
    private readonly nested: GuestTables,
    cpus: readonly GuestCpu[],
    policy: ShadowPolicy,
    slots: Memslots,
    counters: Counters,
    journal: VmJournal,
    private readonly host: NestedHost,
  ) {
    this.engine = new LegacyMmu(policy, slots, counters, journal, vm, host);
    this.spaces = new VcpuSpaces(vm, cpus, true, policy.tableAccess);
    this.accesses = new ShadowAccesses(vm.vcpus, this.spaces, new ShadowFaultPath(vm.vcpus, this.engine.mmu, this.engine.map, this));
  }

  maxLevel(gfn: number, level: number): number {
    return this.engine.track.maxLevel(gfn, level);
  }

  refusesWrite(gfn: number): boolean {
    return this.engine.sync.tryToUnsync(gfn, true, false);
  }

  emulated(gfn: number): void {
    tableWritten(this.engine.mmu, { gfn, offset: 0, bytes: 8 });
  }

  rootPage(vcpu: number, frame: number): number {
    return this.engine.roots.pageFor(this.host.roots().root(vcpu), frame);
  }

  walkedSpace(): GuestTables {
    return this.nested;
  }

  rules(vcpu: number): WalkRules {
    return this.spaces.rules(vcpu);
  }

  invalidate(slot: Memslot, start: number, end: number): void {
    this.host.invalidate(slot, start, end);
  }

  reenter(vcpu: number): void {
    this.host.roots().serve(vcpu);
  }
}

/** Both page-table engines of a VM behind the operations of one: each goes over the TDP MMU, then over the shadow pages. */
export class BothTables implements LoggedMmu, RecoverableTables {
  /** One flush serves both. */
  readonly book = { flush: (count: number): void => this.flush(count) };

  constructor(
    private readonly tdp: TdpMmu,
    private readonly engine: LegacyMmu,
  ) {}

  /** Roots that may be walked by range: none once there are shadow pages, which have to be seen frame by frame. */
  get roots(): readonly TdpRoot[] {
    return this.engine.mmu.pages.live === 0 ? this.tdp.roots : [];
  }

  run(...parameters: Parameters<TdpMmu['run']>): void {
    this.tdp.run(...parameters);
  }

  splitHugePages(start: number, end: number): void {
    this.engine.tables.splitHugePages(start, end);
    this.tdp.splitHugePages(start, end);
  }

  clearDirtyRange(start: number, end: number): boolean {
    const changed = this.engine.tables.clearDirtyRange(start, end);
    return this.tdp.clearDirtyRange(start, end) || changed;
  }

  writeProtectRange(start: number, end: number, levels: MinLevels): boolean {
    const changed = this.engine.tables.writeProtectRange(start, end, levels);
    return this.tdp.writeProtectRange(start, end, levels) || changed;
  }

  clearDirtyPage(gfn: number, writeProtect: boolean): void {
    this.engine.tables.clearDirtyPage(gfn, writeProtect);
    this.tdp.clearDirtyPage(gfn, writeProtect);
  }

  writeProtectHugePage(gfn: number): void {
    this.engine.tables.writeProtectHugePage(gfn);
    this.tdp.writeProtectHugePage(gfn);
  }

  /** Each of the two asks for a flush of its own. */
  collapse(slot: Memslot): boolean {
    if (this.engine.tables.collapse(slot)) this.flush(1);
    return this.tdp.collapse(slot);
  }

  zapTableAt(gfn: number, level: number): boolean {
    return level === NX_SHADOW_LEVEL ? this.engine.tables.zapTableAt(gfn, level) : this.tdp.zapTableAt(gfn, level);
  }

  forgetNx(gfn: number, level: number): void {
    if (level === NX_SHADOW_LEVEL) this.engine.tables.forgetNx(gfn, level);
    else this.tdp.forgetNx(gfn, level);
  }

  listedGfn(gfn: number, level: number): number {
    return level === NX_SHADOW_LEVEL ? this.engine.tables.listedGfn(gfn, level) : gfn;
  }

  private flush(count: number): void {
    this.engine.tables.book.flush(count);
  }
}
