/**
 * The page of (gfn, role): found in the hash, or made.
 *
 * Pages of the frame that have fallen out of step stand in the way: one of the wanted role is brought in line first (and serves if it survives that), but stays out of step,
 * since its frame is not protected; others go when a page of a higher level is wanted, since their frame is to be write-protected then. Hot path.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_find_shadow_page(), kvm_mmu_get_shadow_page().
 */
import { Ev } from '../events';
import { hasGptes, roleLevel } from '../roots/role';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE, PageFlag } from './shadow-page';
import type { ShadowSync } from './sync';

/** Looks for pages of one VM. */
export class PageLookup {
  private readonly zapped: number[] = [];
  /** Bringing a page in line owes a flush. */
  private flushOwed = false;

  constructor(
    private readonly mmu: ShadowMmu,
    private readonly sync: ShadowSync,
  ) {}

  /** The page of a frame and role, made when there is none. */
  get(gfn: number, role: number): number {
    const { mmu, zapped } = this;
    this.flushOwed = false;
    const found = this.find(gfn, role);
    mmu.flushOrCommit(zapped, this.flushOwed);
    if (found === NO_PAGE) return this.make(gfn, role);
    mmu.pages.flood[found] = 0;
    mmu.count(Ev.hashHit);
    return found;
  }

  /** @returns NO_PAGE when there is none that serves */
  private find(gfn: number, role: number): number {
    const { pages } = this.mmu;
    for (let at = pages.bucket(gfn); at !== NO_PAGE;) {
      const next = pages.nextInBucket(at);
      if (pages.gfn[at] === gfn && !this.mmu.isObsolete(at)) {
        const isWanted = pages.role[at] === role;
        if (this.serves(at, role)) return at;
        // The page that was wanted is gone: what stood in the way of another level stays.
        if (isWanted) return NO_PAGE;
      }
      at = next;
    }
    return NO_PAGE;
  }

  /** Whether a page of the frame serves; one that is out of step may go. */
  private serves(page: number, role: number): boolean {
    const { pages } = this.mmu;
    const isUnsync = pages.has(page, PageFlag.Unsync);
    if (pages.role[page] !== role) {
      if (isUnsync && roleLevel(role) > 1) this.mmu.prepareZap(page, this.zapped);
      return false;
    }
    if (!isUnsync) return true;
    const synced = this.sync.syncOne(page, role, this.zapped);
    this.flushOwed = this.flushOwed || synced > 0;
    return synced >= 0;
  }

  private make(gfn: number, role: number): number {
    const { mmu } = this;
    const page = mmu.pages.create(gfn, role, mmu.generation);
    mmu.count(Ev.mmuCacheMiss);
    mmu.count(Ev.tableAlloc);
    if (!hasGptes(role)) return page;
    mmu.track.add(gfn, roleLevel(role));
    if (mmu.writeProtectGfn(gfn)) mmu.flush();
    return page;
  }
}
