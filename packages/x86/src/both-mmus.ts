/**
 * The TDP MMU and the shadow pages of a nested guest behind the operations of one: each goes over the TDP MMU, then over the shadow pages, or the other way round where
 * the kernel does.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c: callers of both MMUs under kvm_memslots_have_rmaps().
 */
import type { LockMode, Memslot } from '@mmulab/kvm';
import type { RunProgram } from '@mmulab/pgtable';
import type { LoggedMmu, MinLevels } from './log-tables';
import type { ShadowPages } from './shadow/shadow-page';
import type { RmapOps } from './shadow/rmap-ops';
import type { TdpMmu } from './tdp/tdp-mmu';

/** Both MMUs of a VM. */
export class BothMmus implements LoggedMmu {
  constructor(
    private readonly tdp: TdpMmu,
    private readonly shadow: RmapOps,
    private readonly pages: ShadowPages,
  ) {}

  /** Not once there are shadow pages, which have to be seen frame by frame. */
  runLifted(program: RunProgram, start: number, end: number): boolean {
    return this.pages.live === 0 && this.tdp.runLifted(program, start, end);
  }

  /** The TDP MMU alone is walked while there are no shadow pages. */
  get slotLocks(): readonly LockMode[] {
    return this.pages.live === 0 ? this.tdp.slotLocks : [...this.shadow.slotLocks, ...this.tdp.slotLocks];
  }

  walkWord(first: number, last: number): void {
    this.tdp.walkWord(first, last);
  }

  splitHugePages(start: number, end: number): void {
    this.shadow.splitHugePages(start, end);
    this.tdp.splitHugePages(start, end);
  }

  clearDirtyRange(start: number, end: number): boolean {
    const changed = this.shadow.clearDirtyRange(start, end);
    return this.tdp.clearDirtyRange(start, end) || changed;
  }

  writeProtectRange(start: number, end: number, levels: MinLevels): boolean {
    const changed = this.shadow.writeProtectRange(start, end, levels);
    return this.tdp.writeProtectRange(start, end, levels) || changed;
  }

  clearDirtyPage(gfn: number, writeProtect: boolean): void {
    this.shadow.clearDirtyPage(gfn, writeProtect);
    this.tdp.clearDirtyPage(gfn, writeProtect);
  }

  writeProtectHugePage(gfn: number): void {
    this.shadow.writeProtectHugePage(gfn);
    this.tdp.writeProtectHugePage(gfn);
  }

  /** Each of the two asks for a flush of its own. */
  collapse(slot: Memslot): boolean {
    if (this.shadow.collapse(slot)) this.flush(1);
    return this.tdp.collapse(slot);
  }

  /** One flush serves both. */
  flush(times: number): void {
    this.shadow.flush(times);
  }
}
