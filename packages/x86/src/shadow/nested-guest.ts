/**
 * A nested guest beside the TDP MMU: L1 runs on the TDP MMU, L2 behind shadow pages that combine L1's second-stage tables with the memslots.
 *
 * Memslots, host memory, dirty bitmaps, the NX list and write tracking belong to the VM and serve both MMUs; operations of the host go over both.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c (guest_mmu under tdp_mmu=1: kvm_memslots_have_rmaps() paths), svm/nested.c.
 */
import type { GuestTables } from '@mmulab/api';
import type { Memslot } from '@mmulab/kvm';
import type { VcpuRoots } from '../roots/vcpu-roots';
import type { VmParts } from '../vm-parts';
import type { ShadowedFrames } from '../x86-vm';
import type { WalkRules } from './guest-walk';
import { tableWritten } from './pte-write';
import { LegacyMmu } from './legacy-mmu';
import { ShadowAccesses } from './shadow-accesses';
import { ShadowFaultPath } from './shadow-fault';
import type { ShadowFaultVm } from './shadow-fault';
import type { ShadowVm } from './shadow-mmu';
import type { TableWriter } from './table-writer';
import { VcpuSpaces } from './vcpu-spaces';

/** What nested guests need of the backend that runs L1. */
export interface NestedHost extends ShadowVm {
  roots(): VcpuRoots;
  mustExit(vcpu: number): boolean;
  /** The vCPU goes on in the guest. */
  resume(vcpu: number): void;
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
  private readonly writer: TableWriter;

  constructor(
    parts: VmParts,
    private readonly nested: GuestTables,
    private readonly host: NestedHost,
  ) {
    const { shadowPolicy, counters } = parts.world;
    const { vcpus } = parts.layout;
    this.engine = new LegacyMmu(parts, host);
    this.spaces = new VcpuSpaces(parts.layout, parts.cpus, true, shadowPolicy.tableAccess, parts.memory);
    const path = new ShadowFaultPath(vcpus, this.engine.mmu, this.engine.map, this, parts.tableWriter);
    this.writer = parts.tableWriter;
    this.accesses = new ShadowAccesses(parts.vcpus, this.spaces, path, counters);
  }

  maxLevel(gfn: number, level: number): number {
    return this.engine.track.maxLevel(gfn, level);
  }

  isTracked(gfn: number): boolean {
    return this.engine.track.isTracked(gfn);
  }

  refusesWrite(gfn: number, prefetch = false): boolean {
    return this.engine.mmu.tryToUnsync(gfn, !prefetch, prefetch);
  }

  emulated(gfn: number): void {
    const write = this.writer.writing(gfn);
    write?.store();
    tableWritten(this.engine.mmu, write ?? { gfn, offset: 0, bytes: 8 });
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

  mustExit(vcpu: number): boolean {
    return this.host.mustExit(vcpu);
  }

  reenter(vcpu: number): void {
    this.host.resume(vcpu);
  }
}
