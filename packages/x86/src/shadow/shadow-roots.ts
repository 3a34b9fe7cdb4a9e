/**
 * Roots of the legacy MMU: shadow pages found by (gfn, role), or four of them behind a PAE root.
 *
 * A root page that nobody refers to any more stays in the hash with all below it, unless it was invalidated: that is why letting roots go costs the legacy MMU
 * so little. PAE roots are a vCPU's own: no page stands behind the four, so no cache keeps them.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c mmu_alloc_direct_roots(), mmu_alloc_shadow_roots(), mmu_free_root_page(), kvm_mmu_sync_roots(), is_unsync_root().
 */
import type { GuestTables } from '@mmulab/api';
import { INVALID_ROOT } from '../roots/root-cache';
import type { RootPages, ShadowRootPages } from '../roots/root-pages';
import { Role, isDirect, roleLevel } from '../roots/role';
import { Gpte } from './guest-memory';
import type { PageLookup } from './page-lookup';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE } from './shadow-page';
import type { ShadowSync } from './sync';

/** Roots from this number on are PAE roots: four pages each. */
const PAE_BASE = 2 ** 24;
/** Pages behind a PAE root, and frames each spans. */
const PAE_PAGES = 4;
const PAE_SPAN = 2 ** 18;

/** A PAE root: its owner, and its four pages. */
interface PaeRoot {
  readonly vcpu: number;
  readonly pages: readonly number[];
}

/** Roots of one VM's legacy MMU. */
export class ShadowRoots implements RootPages, ShadowRootPages {
  readonly shadow = this;
  private readonly pae: PaeRoot[] = [];
  /** PAE roots alive, by vCPU. */
  private readonly held: number[] = [];
  private readonly freePae: number[] = [];
  private readonly zapped: number[] = [];

  /** @param tables address spaces by frame of their top table, for the entries of PAE top tables */
  constructor(
    private readonly mmu: ShadowMmu,
    private readonly lookup: PageLookup,
    private readonly syncer: ShadowSync,
    private readonly tables: (root: number) => GuestTables | undefined,
  ) {}

  /** The page a root has for a frame; NO_PAGE where a PAE root has none. */
  pageFor(root: number, frame: number): number {
    if (root < PAE_BASE) return root;
    return this.pae[root - PAE_BASE].pages[Math.floor(frame / PAE_SPAN) % PAE_PAGES];
  }

  load(vcpu: number, pgd: number, role: number): number {
    this.mmu.makePagesAvailable();
    const gfn = isDirect(role) ? 0 : Math.floor(pgd / 4096);
    if (roleLevel(role) >= 4) return this.reference(this.lookup.get(gfn, role));
    const pages = this.paePages(gfn, role).map(page => (page === NO_PAGE ? page : this.reference(page)));
    const number = this.freePae.pop() ?? this.pae.length;
    this.pae[number] = { vcpu, pages };
    this.held[vcpu] = this.paeRootsOf(vcpu) + 1;
    return PAE_BASE + number;
  }

  put(root: number): void {
    if (root === INVALID_ROOT) return;
    if (root < PAE_BASE) return this.release(root);
    const { vcpu, pages } = this.pae[root - PAE_BASE];
    for (const page of pages) if (page !== NO_PAGE) this.release(page);
    this.freePae.push(root - PAE_BASE);
    this.held[vcpu] = this.paeRootsOf(vcpu) - 1;
  }

  commit(): void {
    this.mmu.commit(this.zapped);
  }

  usable(root: number, pgd: number, wantedPgd: number, wantedRole: number): boolean {
    if (root >= PAE_BASE) return false;
    return this.mmu.pages.role[root] === wantedRole && (isDirect(wantedRole) || pgd === wantedPgd);
  }

  hasPage(root: number): boolean {
    return root < PAE_BASE;
  }

  paeRootsOf(vcpu: number): number {
    return this.held[vcpu] ?? 0;
  }

  isObsolete(root: number): boolean {
    return this.pagesOf(root).some(page => this.mmu.isObsolete(page));
  }

  sync(root: number): void {
    for (const page of this.pagesOf(root)) if (this.syncer.isUnsync(page)) this.syncer.syncChildren(page, this.mmu.pages.role[page]);
  }

  isUnsync(root: number): boolean {
    return this.pagesOf(root).some(page => this.syncer.isUnsync(page));
  }

  reused(root: number): void {
    if (root < PAE_BASE && !isDirect(this.mmu.pages.role[root])) this.mmu.pages.flood[root] = 0;
  }

  invlpg(root: number, vfn: number): void {
    const page = this.pageFor(root, vfn);
    if (page !== NO_PAGE) this.syncer.invlpg(page, vfn);
  }

  private pagesOf(root: number): readonly number[] {
    if (root < PAE_BASE) return [root];
    return this.pae[root - PAE_BASE].pages.filter(page => page !== NO_PAGE);
  }

  /** The four pages of a PAE root: without paging direct ones, for PAE guests one per directory, for 32-bit guests four parts of one table. */
  private paePages(gfn: number, role: number): number[] {
    const pageRole = (role & ~15) | 2;
    return Array.from({ length: PAE_PAGES }, (_, i) => {
      if (isDirect(role)) return this.lookup.get(i * PAE_SPAN, pageRole);
      if ((role & Role.Has4ByteGpte) !== 0) return this.lookup.get(gfn, pageRole | (i << Role.QuadrantShift));
      const space = this.tables(gfn);
      if (space === undefined) return NO_PAGE;
      const top = this.mmu.memory.walked(space, gfn, 3, 0);
      return (top.bits[i] & Gpte.Present) === 0 ? NO_PAGE : this.lookup.get(top.gfns[i], pageRole);
    });
  }

  private reference(page: number): number {
    const { rootCount } = this.mmu.pages;
    rootCount[page] = rootCount[page] + 1;
    return page;
  }

  private release(page: number): void {
    const { pages } = this.mmu;
    const count = pages.rootCount[page] - 1;
    pages.rootCount[page] = count;
    if (count === 0 && (pages.role[page] & Role.Invalid) !== 0) this.mmu.prepareZap(page, this.zapped);
  }
}
