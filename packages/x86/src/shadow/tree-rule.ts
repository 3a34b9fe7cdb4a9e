/**
 * What the legacy MMU decides of its tree: how large a fault maps, which tables and links it leaves, and which leaves go when logging stops.
 *
 * Pure: a rule is asked on the way down a fault, and of each leaf once logging has stopped; what it answers is carried out elsewhere.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_hugepage_adjust(), disallowed_hugepage_adjust(), kvm_mmu_zap_collapsible_spte(); paging_tmpl.h FNAME(fetch)(),
 * kvm_mmu_get_child_sp(). Hot path.
 */

/** Switches of the tree. */
export interface TreePolicy {
  readonly nxHugePages: boolean;
  readonly nxPrecise: boolean;
  /** A linked page is kept only if frame and role fit. */
  readonly childRoleCheck: boolean;
}

/** Decisions of one VM's legacy MMU. */
export class TreeRule {
  constructor(protected readonly policy: TreePolicy) {}

  /**
   * Level a fault maps at.
   * @param largest level that the guest, the slot, the host and shadowed tables allow
   * @param hugePageDisallowed an instruction fetch under the NX workaround
   */
  goal(largest: number, hugePageDisallowed: boolean): number {
    return hugePageDisallowed ? 1 : largest;
  }

  /** Whether a table at the goal stays, so that the goal is lowered. @param isNxDisallowed it stands there for the NX workaround */
  keepsTable(isNxDisallowed: boolean): boolean {
    return this.policy.nxHugePages && (!this.policy.nxPrecise || isNxDisallowed);
  }

  /** Whether a page that is linked on the way stays. @param fits it has the frame and the role wanted */
  keepsChild(fits: boolean): boolean {
    return fits || !this.policy.childRoleCheck;
  }

  /** Whether a leaf of linear pages goes when logging stops. @param largest level it could have */
  isCollapsible(level: number, largest: number): boolean {
    return largest > level;
  }
}
