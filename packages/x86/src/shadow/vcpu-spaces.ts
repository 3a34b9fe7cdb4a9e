/**
 * Which guest tables each vCPU's hardware walks, and how accesses are judged by them.
 *
 * They are as the workload laid them out until the guest writes them: from then on they are read from memory, where an access may lead nowhere. With two-dimensional paging an access touches the pages of the guest's tables from the top down before its own page; under shadow paging the hardware walks
 * only our tables. Hot path.
 */
import type { AccessKind, GuestTables, Vfn, VmLayout } from '@mmulab/api';
import { badPagingMode } from '../errors';
import { GuestLayout } from '@mmulab/kvm';
import type { GuestWalks } from '@mmulab/kvm';
import { guestSpaces } from '../roots/guest-spaces';
import { Cr4, Efer } from '../roots/guest-state';
import type { GuestCpu } from '../roots/guest-state';
import type { GuestMemory } from './guest-memory';
import { permits } from './guest-walk';
import type { WalkRules } from './guest-walk';
import { TableWalk } from './table-walk';

/** Rules for walks of second-stage tables: accesses count as the user's. */
const NESTED_RULES: WalkRules = { user: true, wp: true, nx: true, smep: false, smap: false };

/** Address spaces of one VM. */
export class VcpuSpaces implements GuestWalks {
  private readonly layouts: readonly GuestLayout[];
  private readonly ruleSets: readonly WalkRules[];
  private readonly written: TableWalk;

  /**
   * @param tdp the hardware walks the guest's tables itself
   * @param tableAccess what it does to their pages then
   * @param memory the guest's table pages
   */
  constructor(
    vm: VmLayout,
    private readonly cpus: readonly GuestCpu[],
    private readonly tdp: boolean,
    readonly tableAccess: AccessKind,
    private readonly memory: GuestMemory,
  ) {
    this.written = new TableWalk(memory);
    this.layouts = guestSpaces(vm).map(space => new GuestLayout(space));
    this.ruleSets = Array.from({ length: 16 }, (_, bits) => ({
      user: false,
      wp: (bits & 1) !== 0,
      nx: (bits & 2) !== 0,
      smep: (bits & 4) !== 0,
      smap: (bits & 8) !== 0,
    }));
  }

  /** The address space a vCPU is in; without paging the flat one. @throws MmulabError GUEST_PAGING_MODE */
  current(vcpu: number): GuestTables {
    return this.layout(vcpu).space;
  }

  /** How walks of a vCPU's present tables judge accesses. */
  rules(vcpu: number): WalkRules {
    return this.cpus[vcpu].guestMode ? NESTED_RULES : this.ownRules(vcpu);
  }

  /** How the tables behind a vCPU's CR3 judge accesses. */
  private ownRules(vcpu: number): WalkRules {
    const cpu = this.cpus[vcpu];
    const bits =
      (cpu.wp ? 1 : 0) | ((cpu.efer & Efer.Nx) !== 0 ? 2 : 0) | ((cpu.cr4 & Cr4.Smep) !== 0 ? 4 : 0) | ((cpu.cr4 & Cr4.Smap) !== 0 ? 8 : 0);
    return this.ruleSets[bits];
  }

  /** Levels of guest tables the hardware walks itself. */
  levels(vcpu: number): number {
    return this.tdp ? this.layout(vcpu).levels : 0;
  }

  /**
   * The frame touched at a level: a guest table page, or (0) the one our own tables are walked for: physical with two-dimensional paging, else virtual; -1 where none
   * is, as behind tables that refuse an access of the kind.
   */
  frameAt(vcpu: number, level: number, vfn: number, kind: AccessKind): number {
    if (!this.tdp) return vfn;
    const layout = this.layout(vcpu);
    if (this.isWritten(layout)) return level === 0 ? this.reach(vcpu, vfn, kind) : this.written.frameAt(layout.space, level, vfn);
    return level === 0 ? layout.gfnOf(vfn) : layout.tableFrame(level, Math.floor(vfn / layout.spanOf(level)));
  }

  /** Frame that the tables behind a vCPU's CR3 lead to for an access, or -1 where they refuse it. */
  reach(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    const layout = this.layout(vcpu);
    if (layout.levels === 0) return layout.gfnOf(vfn);
    const frame = this.written.frameAt(layout.space, 0, vfn);
    return frame >= 0 && permits(this.written.rightsAt(layout.space, vfn), kind, this.ownRules(vcpu)) ? frame : -1;
  }

  /** Whether the guest has written tables, so that memory alone knows what a vCPU's addresses mean. */
  hasWritten(vcpu: number): boolean {
    return this.isWritten(this.layout(vcpu));
  }

  /** A virtual frame that maps a physical one as the workload laid it out, or -1. */
  virtual(vcpu: number, gfn: number): number {
    const run = this.current(vcpu).runs.find(candidate => gfn >= candidate.gfn && gfn < candidate.gfn + candidate.npages);
    return run === undefined ? -1 : run.vfn + (gfn - run.gfn);
  }

  private isWritten(layout: GuestLayout): boolean {
    return this.memory.stores > 0 && layout.levels > 0;
  }

  private layout(vcpu: number): GuestLayout {
    const cpu = this.cpus[vcpu];
    const layout = this.layouts[cpu.paging ? cpu.space : this.layouts.length - 1];
    if (layout.space.levels !== cpu.levels) throw badPagingMode(layout.space.name, layout.space.levels, cpu.levels);
    return layout;
  }
}
