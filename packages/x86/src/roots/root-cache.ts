/**
 * The roots one MMU of one vCPU holds: the current one and three previous ones.
 *
 * A root enters the previous ones only when it is displaced, so with the current root four address spaces are remembered. Each slot holds a reference on its
 * root. Looking for a root while there is a current one swaps the current root with previous slot 0, 1, 2 in turn until one fits: the effect is a
 * least-recently-used order without moving more than was looked at.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c cached_root_find_and_keep_current(), cached_root_find_without_current(), struct kvm_mmu_root_info. Hot path.
 */

/** No root. Roots are numbers from 0 on; what they mean is the page tables' affair. */
export const INVALID_ROOT = -1;
/** Previous roots a cache remembers (KVM_MMU_NUM_PREV_ROOTS). */
export const PREVIOUS_ROOTS = 3;

/** Decides whether a remembered root may serve. */
export interface RootMatcher {
  /** Whether `root`, remembered with `pgd`, serves for the wanted top table and role. */
  usable(root: number, pgd: number, wantedPgd: number, wantedRole: number): boolean;
}

/** Current and previous roots, as (root, pgd) pairs. */
export class RootCache {
  current = INVALID_ROOT;
  currentPgd = 0;
  /** Most recent first. */
  readonly previous = new Int32Array(PREVIOUS_ROOTS).fill(INVALID_ROOT);
  readonly previousPgd = new Float64Array(PREVIOUS_ROOTS);

  /** Whether any slot holds a root. */
  get isEmpty(): boolean {
    if (this.current !== INVALID_ROOT) return false;
    for (let i = 0; i < PREVIOUS_ROOTS; i++) if (this.previous[i] !== INVALID_ROOT) return false;
    return true;
  }

  /**
   * Looks for a root while the current one is valid.
   * @returns true on a hit: the root found is current, the old one most recent of the previous. On a miss the current slot holds the least recent root,
   * which the caller is to free
   */
  findKeepingCurrent(matcher: RootMatcher, pgd: number, role: number): boolean {
    if (matcher.usable(this.current, this.currentPgd, pgd, role)) return true;
    for (let i = 0; i < PREVIOUS_ROOTS; i++) {
      this.swap(i);
      if (this.current !== INVALID_ROOT && matcher.usable(this.current, this.currentPgd, pgd, role)) return true;
    }
    return false;
  }

  /** Looks for a root while there is no current one. @returns true on a hit: the root has moved out, the later ones have moved up */
  findWithoutCurrent(matcher: RootMatcher, pgd: number, role: number): boolean {
    for (let i = 0; i < PREVIOUS_ROOTS; i++) {
      const root = this.previous[i];
      if (root === INVALID_ROOT || !matcher.usable(root, this.previousPgd[i], pgd, role)) continue;
      this.current = root;
      this.currentPgd = this.previousPgd[i];
      this.previous.copyWithin(i, i + 1);
      this.previousPgd.copyWithin(i, i + 1);
      this.previous[PREVIOUS_ROOTS - 1] = INVALID_ROOT;
      return true;
    }
    return false;
  }

  /** Takes the root out of the current slot. @returns it, or INVALID_ROOT */
  takeCurrent(): number {
    const root = this.current;
    this.current = INVALID_ROOT;
    return root;
  }

  /** Takes the root out of previous slot `i`. @returns it, or INVALID_ROOT */
  takePrevious(i: number): number {
    const root = this.previous[i];
    this.previous[i] = INVALID_ROOT;
    return root;
  }

  private swap(i: number): void {
    const root = this.previous[i];
    const pgd = this.previousPgd[i];
    this.previous[i] = this.current;
    this.previousPgd[i] = this.currentPgd;
    this.current = root;
    this.currentPgd = pgd;
  }
}
