/**
 * Roots of the TDP MMU as vCPUs hold them: found by role, shared, and given up as the release does.
 *
 * When the last reference goes, 5.10 zaps the whole tree on the spot; 5.18 invalidates the root and leaves the tree to a worker; from 6.4 on the
 * root is kept until something invalidates it, and a later load finds it by its role.
 *
 * Models: Linux arch/x86/kvm/mmu/tdp_mmu.c kvm_tdp_mmu_get_vcpu_root_hpa(), kvm_tdp_mmu_put_root(), kvm_tdp_mmu_zap_invalidated_roots().
 */
import type { Counters } from '@mmulab/api';
import type { RootPages } from '../roots/root-pages';
import { Role } from '../roots/role';
import { INVALID_ROOT } from '../roots/root-cache';
import type { TdpMmu, TdpRoot } from './tdp-mmu';

/** What happens to a root whose last reference is dropped. */
export type RootLifetime = 'sync-zap' | 'async-zap' | 'persist';

/** TDP roots of one VM. */
export class TdpRoots implements RootPages {
  private readonly byId: (TdpRoot | undefined)[] = [];

  /** @param changed told whenever a root is loaded or goes */
  constructor(
    private readonly mmu: TdpMmu,
    private readonly lifetime: RootLifetime,
    private readonly counters: Counters,
    private readonly changed: () => void,
  ) {}

  /** The root behind a number. */
  get(id: number): TdpRoot {
    return this.byId[id] as TdpRoot;
  }

  load(_vcpu: number, _pgd: number, role: number): number {
    const root = this.mmu.getRoot(role);
    root.refs++;
    this.byId[root.id] = root;
    this.changed();
    return root.id;
  }

  put(id: number): void {
    if (id === INVALID_ROOT) return;
    const root = this.get(id);
    this.changed();
    if (--root.refs > 0) return;
    if (!root.valid || this.lifetime === 'sync-zap') this.mmu.destroyRoot(root);
    else if (this.lifetime === 'async-zap') this.zapByWorker(root);
  }

  usable(id: number, _pgd: number, _wantedPgd: number, wantedRole: number): boolean {
    const root = this.get(id);
    return root.valid && root.role === wantedRole && (root.role & Role.Direct) !== 0;
  }

  isObsolete(id: number): boolean {
    return !this.get(id).valid;
  }

  reused(): void {
    this.changed();
  }

  /** Invalidates every root and zaps what lies below; vCPUs give up their references when they enter next. */
  invalidateAll(): void {
    for (const root of [...this.mmu.roots]) {
      if (root.refs === 0) {
        this.mmu.destroyRoot(root);
      } else {
        root.valid = false;
        this.mmu.emptyRoot(root);
      }
    }
    this.changed();
  }

  private zapByWorker(root: TdpRoot): void {
    const { now } = this.counters;
    this.counters.select(-1);
    this.mmu.destroyRoot(root);
    this.counters.now = now;
  }
}
