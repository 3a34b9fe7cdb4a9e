/**
 * Switching to another guest top table: the fast PGD switch.
 *
 * From 5.18 on (and as the series was posted) the cache is asked with the MMU's own role after it was initialised, and a current root that has no
 * shadow page of its own (PAE, special roots) is freed first, so a guest that goes from 32 to 64 bits may find its old root. Before, the cache was
 * asked only when both old and new paging had four levels or more; else the current root was freed without a look.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_new_pgd(), fast_pgd_switch(), cached_root_available().
 */
import { INVALID_ROOT } from './root-cache';
import type { RootCache } from './root-cache';
import type { RootPages, ShadowRootPages } from './root-pages';

/** What a switch asks of roots. */
export type SwitchedRoots = Pick<RootPages, 'put' | 'usable'> & { readonly shadow?: Pick<ShadowRootPages, 'hasPage'> };

/** Outcome of a switch. */
export type PgdSwitch = 'hit' | 'miss';

/**
 * Looks for the root of (pgd, role) among the remembered ones and makes it current.
 * @param anyLevel the cache is asked whatever the number of levels
 * @param wideEnough shadow and guest levels before the change were both at least four
 * @returns `miss` leaves no current root: one is built at the next entry
 */
export function switchPgd(cache: RootCache, pages: SwitchedRoots, pgd: number, role: number, anyLevel: boolean, wideEnough: boolean): PgdSwitch {
  if (!anyLevel && !wideEnough) {
    pages.put(cache.takeCurrent());
    return 'miss';
  }
  if (cache.current !== INVALID_ROOT && pages.shadow?.hasPage(cache.current) === false) pages.put(cache.takeCurrent());
  if (cache.current === INVALID_ROOT) return cache.findWithoutCurrent(pages, pgd, role) ? 'hit' : 'miss';
  if (cache.findKeepingCurrent(pages, pgd, role)) return 'hit';
  pages.put(cache.takeCurrent());
  return 'miss';
}
