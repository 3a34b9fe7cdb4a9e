/**
 * Roles, roots and requests of all vCPUs of a VM: the primitives that control-register changes are made of.
 *
 * Each vCPU has two MMUs: `main` runs L1 (and L2 without nested paging), `nested` shadows L1's own second-stage tables. An MMU keeps one current and three
 * previous roots, each with a reference. A change of roles resets the context: init computes the roles, and the roots are unloaded, or (series as posted)
 * looked for in the cache. What a vCPU owes is kept as requests and served, in the kernel's order, when it enters next; loading a root comes last, so a flush
 * requested by the same change is served on a root that is not there yet.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_init_mmu(), kvm_mmu_free_roots(), kvm_mmu_unload(), kvm_mmu_reset_context(), kvm_mmu_load(), kvm_mmu_new_pgd(),
 * kvm_mmu_free_obsolete_roots(); x86.c vcpu_enter_guest(). Hot path: `serve`.
 */
import type { Counters } from '@mmulab/api';
import { lingeringPaeRoot } from '../errors';
import { Ev } from '../events';
import type { VcpuStates } from '../vcpu-state';
import type { GuestCpu } from './guest-state';
import { switchPgd } from './new-pgd';
import type { PgdSwitch } from './new-pgd';
import { cpuRole, cpuRoleExt, nestedRootRole, roleLevel, rootRole } from './role';
import { INVALID_ROOT, PREVIOUS_ROOTS, RootCache } from './root-cache';
import type { RootPages } from './root-pages';
import type { RootPolicy } from './root-policy';

/** What a vCPU owes at its next entry, as bits. Remote TLB flushes are kept apart (VcpuStates). */
export const Request = { FreeObsolete: 1, Reload: 2, Sync: 4, LoadPgd: 8, FlushCurrent: 16, FlushGuest: 32 } as const;

/** Guest top tables as an MMU tells them apart. */
export interface PgdSource {
  /** Value of CR3: frame of the top table, and PCID. */
  pgd(vcpu: number): number;
  /** Levels of L1's second-stage tables, and their top table's frame. */
  readonly nestedLevels: number;
  readonly nestedPgd: number;
}

/** One MMU of one vCPU. */
class Mmu {
  readonly cache = new RootCache();
  cpuRole = 0;
  cpuExt = 0;
  rootRole = 0;

  /** All of it as a key. */
  key(): string {
    const { current, currentPgd, previous, previousPgd } = this.cache;
    return `${this.cpuRole}/${this.cpuExt}/${this.rootRole}/${current}/${currentPgd}/${previous.join()}/${previousPgd.join()}`;
  }
}

/** Roots of all vCPUs. */
export class VcpuRoots {
  readonly requests: Uint8Array;
  /** 1 once the CPU has loaded the vCPU's second VMCS, for its nested guest. */
  private readonly nestedVmcs: Uint8Array;
  private readonly main: Mmu[];
  private readonly nested: Mmu[];

  /**
   * @param cpus registers by vCPU
   * @param mainPages tables L1 runs on
   * @param nestedPages tables L2 runs on behind L1's own second-stage tables
   */
  constructor(
    private readonly cpus: readonly GuestCpu[],
    private readonly policy: RootPolicy,
    private readonly counters: Counters,
    private readonly vcpus: VcpuStates,
    private readonly mainPages: RootPages,
    private readonly nestedPages: RootPages | undefined,
    private readonly source: PgdSource,
  ) {
    this.requests = new Uint8Array(cpus.length);
    this.nestedVmcs = new Uint8Array(cpus.length);
    this.main = cpus.map(() => new Mmu());
    this.nested = cpus.map(() => new Mmu());
    for (let vcpu = 0; vcpu < cpus.length; vcpu++) {
      this.init(vcpu);
      if (policy.sregsFlush) this.request(vcpu, Request.FlushGuest);
      // A VMCS that a CPU loads for the first time may meet what another guest has left in the TLB.
      if (policy.vmx) vcpus.flushPending[vcpu] = 1;
    }
  }

  /** The VMCS of the nested guest is loaded; the first time that asks for a flush, as the vCPU's own did. */
  loadNestedVmcs(vcpu: number): void {
    this.vcpus.version.bump();
    if (this.nestedVmcs[vcpu] === 0) this.vcpus.flushPending[vcpu] = 1;
    this.nestedVmcs[vcpu] = 1;
  }

  /** Whether the vCPU runs on the tables behind L1's own. */
  isNested(vcpu: number): boolean {
    return this.nestedPages !== undefined && this.cpus[vcpu].guestMode;
  }

  /** Current root of the MMU in use, or INVALID_ROOT. */
  root(vcpu: number): number {
    return this.active(vcpu).cache.current;
  }

  /** root_role of the MMU in use. */
  role(vcpu: number): number {
    return this.active(vcpu).rootRole;
  }

  /** cpu_role of the MMU in use. */
  cpuRole(vcpu: number): number {
    return this.active(vcpu).cpuRole;
  }

  /** The roots an MMU of a vCPU holds. */
  cache(vcpu: number, which: 'main' | 'nested'): RootCache {
    return this[which][vcpu].cache;
  }

  /** Adds to what a vCPU owes. */
  request(vcpu: number, bits: number): void {
    this.vcpus.version.bump();
    this.requests[vcpu] = this.requests[vcpu] | bits;
  }

  /** Recomputes the roles of the MMU in use; its roots stay as they are. @returns whether anything changed */
  init(vcpu: number): boolean {
    const mmu = this.active(vcpu);
    const cpu = this.cpus[vcpu];
    const isNested = mmu === this.nested[vcpu];
    const role = isNested ? nestedRootRole(cpu, this.policy, this.source.nestedLevels, this.policy.vmx) : rootRole(cpu, this.policy);
    const walk = cpuRole(cpu);
    const ext = cpuRoleExt(cpu);
    const changed = role !== mmu.rootRole || walk !== mmu.cpuRole || ext !== mmu.cpuExt;
    mmu.rootRole = role;
    mmu.cpuRole = walk;
    mmu.cpuExt = ext;
    return changed;
  }

  /** Drops all roots of both MMUs. */
  unload(vcpu: number): void {
    this.freeAll(this.main[vcpu].cache, this.mainPages);
    if (this.nestedPages !== undefined) this.freeAll(this.nested[vcpu].cache, this.nestedPages);
    if ((this.mainPages.shadow?.paeRootsOf(vcpu) ?? 0) !== 0) throw lingeringPaeRoot(vcpu);
  }

  /** What a role change does: unload and init; or, with look-up, init and a switch to the present top table. */
  resetContext(vcpu: number): void {
    this.count(Ev.mmuResetContext);
    const mmu = this.active(vcpu);
    const wideEnough = this.wideEnough(mmu);
    if (!this.policy.lookup) this.unload(vcpu);
    this.init(vcpu);
    if (this.policy.lookup) this.lookUp(vcpu, wideEnough);
  }

  /** Switches the MMU in use to a top table. @returns whether a remembered root serves */
  newPgd(vcpu: number): PgdSwitch {
    return this.lookUp(vcpu, this.wideEnough(this.active(vcpu)));
  }

  /** Frees roots that were invalidated, or all of them on kernels that cannot tell. */
  freeObsolete(vcpu: number): void {
    if (!this.policy.obsoleteOnly) return this.unload(vcpu);
    this.freeObsoleteOf(this.main[vcpu].cache, this.mainPages);
    if (this.nestedPages !== undefined) this.freeObsoleteOf(this.nested[vcpu].cache, this.nestedPages);
  }

  /** Some root was invalidated: every vCPU lets go of its own at its next entry. */
  invalidateAll(): void {
    for (let vcpu = 0; vcpu < this.cpus.length; vcpu++) this.request(vcpu, this.policy.obsoleteOnly ? Request.FreeObsolete : Request.Reload);
  }

  /** Frees previous roots that `which` picks by their top table. */
  freePrevious(vcpu: number, which: (pgd: number, root: number) => boolean): void {
    const { cache } = this.active(vcpu);
    const pages = this.activePages(vcpu);
    for (let i = 0; i < PREVIOUS_ROOTS; i++) {
      const root = cache.previous[i];
      if (root !== INVALID_ROOT && which(cache.previousPgd[i], root)) pages.put(cache.takePrevious(i));
    }
    pages.shadow?.commit();
  }

  /** Frees all roots behind L1's second-stage tables. */
  freeNested(vcpu: number): void {
    if (this.nestedPages !== undefined) this.freeAll(this.nested[vcpu].cache, this.nestedPages);
  }

  /** Frees the current root. */
  freeCurrent(vcpu: number): void {
    const pages = this.activePages(vcpu);
    pages.put(this.active(vcpu).cache.takeCurrent());
    pages.shadow?.commit();
  }

  /** The guest invalidates a translation: in the current root and in every previous one `which` picks. */
  invlpg(vcpu: number, vfn: number, which: (pgd: number) => boolean): void {
    const { cache } = this.active(vcpu);
    const pages = this.activePages(vcpu);
    this.count(Ev.invlpg);
    if (cache.current !== INVALID_ROOT && which(cache.currentPgd)) pages.shadow?.invlpg(cache.current, vfn);
    for (let i = 0; i < PREVIOUS_ROOTS; i++) {
      const root = cache.previous[i];
      if (root !== INVALID_ROOT && which(cache.previousPgd[i])) pages.shadow?.invlpg(root, vfn);
    }
  }

  /** Whether a vCPU has something to serve at its next entry. */
  owes(vcpu: number): boolean {
    return this.requests[vcpu] !== 0 || this.vcpus.flushPending[vcpu] === 1 || this.root(vcpu) === INVALID_ROOT;
  }

  /** Serves what the vCPU owes, in the kernel's order, and loads a root where there is none. */
  serve(vcpu: number): void {
    const owed = this.requests[vcpu];
    if (owed !== 0 || this.vcpus.flushPending[vcpu] === 1) this.serveRequests(vcpu, owed);
    const mmu = this.active(vcpu);
    if (mmu.cache.current === INVALID_ROOT) this.load(vcpu, mmu);
  }

  /** kvm_mmu_reload: obsolete roots go, and a root is loaded where there is none; whatever else the vCPU owes waits for its entry. */
  reload(vcpu: number): void {
    const obsolete = this.requests[vcpu] & (Request.FreeObsolete | Request.Reload);
    this.requests[vcpu] = this.requests[vcpu] & ~obsolete;
    if ((obsolete & Request.Reload) !== 0) this.unload(vcpu);
    else if (obsolete !== 0) this.freeObsolete(vcpu);
    const mmu = this.active(vcpu);
    if (mmu.cache.current === INVALID_ROOT) this.load(vcpu, mmu);
  }

  /** Serves the flushes of the MMU in use before another one is switched to. */
  serveLocalFlushes(vcpu: number): void {
    const owed = this.requests[vcpu] & (Request.FlushCurrent | Request.FlushGuest);
    if (owed === 0) return;
    this.requests[vcpu] = this.requests[vcpu] & ~owed;
    if ((owed & Request.FlushCurrent) !== 0) this.flushCurrent(vcpu);
    if ((owed & Request.FlushGuest) !== 0) this.flushGuest(vcpu);
  }

  /** Registers, roots and debts of all vCPUs as a key. */
  key(): string {
    const parts = this.cpus.map((cpu, vcpu) => {
      const { cr0, cr4, efer, smm, guestMode, space, pcid } = cpu;
      const owed = `${this.requests[vcpu]}/${this.nestedVmcs[vcpu]}/${this.vcpus.flushPending[vcpu]}/${this.vcpus.pmlFill[vcpu]}/${this.vcpus.pmlFulls[vcpu]}`;
      return `${cr0}/${cr4}/${efer}/${smm}/${guestMode}/${space}/${pcid} ${owed} ${this.main[vcpu].key()} ${this.nested[vcpu].key()}`;
    });
    return parts.join(';');
  }

  private serveRequests(vcpu: number, owed: number): void {
    this.requests[vcpu] = 0;
    if ((owed & Request.Reload) !== 0) this.unload(vcpu);
    if ((owed & Request.FreeObsolete) !== 0) this.freeObsolete(vcpu);
    if ((owed & Request.Sync) !== 0) this.syncRoots(vcpu);
    const flush = this.vcpus.flushPending[vcpu] === 1;
    if (flush) {
      this.vcpus.flushPending[vcpu] = 0;
      this.count(Ev.tlbFlush);
      this.count(Ev.tlbFlushHw);
    }
    if (!flush && (owed & Request.FlushCurrent) !== 0) this.flushCurrent(vcpu);
    if ((owed & Request.FlushGuest) !== 0) this.flushGuest(vcpu);
  }

  private flushCurrent(vcpu: number): void {
    this.count(Ev.tlbFlush);
    // VMX names a root's translations, and does nothing without a root; SVM flushes the ASID.
    if (!this.policy.vmx || this.root(vcpu) !== INVALID_ROOT) this.count(Ev.tlbFlushHw);
  }

  /** A flush on behalf of the guest; shadow tables are brought in line too. */
  private flushGuest(vcpu: number): void {
    this.count(Ev.tlbFlush);
    this.count(Ev.tlbFlushHw);
    if (this.policy.tdp) return;
    this.syncRoots(vcpu);
    const pages = this.activePages(vcpu);
    this.freePrevious(vcpu, (_pgd, root) => pages.shadow?.isUnsync(root) === true);
  }

  private syncRoots(vcpu: number): void {
    this.count(Ev.mmuSyncRoots);
    const root = this.root(vcpu);
    if (root === INVALID_ROOT) return;
    const { shadow } = this.activePages(vcpu);
    if (shadow?.isUnsync(root) === true) this.count(Ev.lockWrite);
    shadow?.sync(root);
  }

  private load(vcpu: number, mmu: Mmu): void {
    const pages = this.activePages(vcpu);
    const pgd = mmu === this.nested[vcpu] ? this.source.nestedPgd : this.source.pgd(vcpu);
    this.count(Ev.lockWrite);
    mmu.cache.current = pages.load(vcpu, pgd, mmu.rootRole);
    mmu.cache.currentPgd = pgd;
    this.count(Ev.mmuLoad);
    this.count(Ev.mmuSyncRoots);
    pages.shadow?.sync(mmu.cache.current);
    this.count(Ev.tlbFlushHw);
  }

  private lookUp(vcpu: number, wideEnough: boolean): PgdSwitch {
    const mmu = this.active(vcpu);
    const pages = this.activePages(vcpu);
    const pgd = mmu === this.nested[vcpu] ? this.source.nestedPgd : this.source.pgd(vcpu);
    this.count(Ev.mmuNewPgd);
    const result = switchPgd(mmu.cache, pages, pgd, mmu.rootRole, this.policy.anyLevel, wideEnough);
    pages.shadow?.commit();
    if (result === 'miss') {
      this.count(Ev.rootCacheMiss);
      return result;
    }
    this.count(Ev.rootCacheHit);
    this.request(vcpu, Request.LoadPgd | (this.policy.flushOnReuse ? Request.Sync | Request.FlushCurrent : 0));
    pages.reused(mmu.cache.current);
    return result;
  }

  /** The restriction of kernels before 5.18: four levels on both sides. */
  private wideEnough(mmu: Mmu): boolean {
    return roleLevel(mmu.rootRole) >= 4 && roleLevel(mmu.cpuRole) >= 4;
  }

  private freeAll(cache: RootCache, pages: RootPages): void {
    if (cache.isEmpty) return;
    this.count(Ev.lockWrite);
    for (let i = 0; i < PREVIOUS_ROOTS; i++) pages.put(cache.takePrevious(i));
    pages.put(cache.takeCurrent());
    pages.shadow?.commit();
  }

  private freeObsoleteOf(cache: RootCache, pages: RootPages): void {
    for (let i = 0; i < PREVIOUS_ROOTS; i++) {
      const root = cache.previous[i];
      if (root !== INVALID_ROOT && pages.isObsolete(root)) pages.put(cache.takePrevious(i));
    }
    if (cache.current !== INVALID_ROOT && pages.isObsolete(cache.current)) pages.put(cache.takeCurrent());
    pages.shadow?.commit();
  }

  private active(vcpu: number): Mmu {
    return this.isNested(vcpu) ? this.nested[vcpu] : this.main[vcpu];
  }

  private activePages(vcpu: number): RootPages {
    return this.isNested(vcpu) && this.nestedPages !== undefined ? this.nestedPages : this.mainPages;
  }

  private count(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }
}
