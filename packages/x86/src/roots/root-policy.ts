/**
 * The switches of root handling, read from options once.
 *
 * Three states of the kernel before and after the series that wanted to keep roots over role changes: before it (5.17), as it was posted (the same kernel
 * with `root_reset: lookup`), and what was merged of it (5.18; from 6.4 with the CR0.WP shortcut).
 */
import type { OptionValue, OptionValues } from '@mmulab/api';
import type { X86Policy } from '../policy';
import type { RolePolicy } from './role';

/** What role changes do with roots. */
export interface RootPolicy extends RolePolicy {
  /** What becomes of a TDP root with its last reference. */
  readonly lifetime: 'sync-zap' | 'async-zap' | 'persist';
  /** The guest's CPU knows five-level paging. */
  readonly la57: boolean;
  /** VMX, whose flushes are finer than SVM's. */
  readonly vmx: boolean;
  /** A reset looks for a cached root instead of unloading all. */
  readonly lookup: boolean;
  /** A change of CR0.WP alone only refreshes the context under two-dimensional paging. */
  readonly wpShortcut: boolean;
  /** A change of CR0.WP alone does nothing while paging is off. */
  readonly wpIgnoredWithoutPg: boolean;
  /** CR0.WP belongs to the guest: writes do not exit. */
  readonly wpGuestOwned: boolean;
  /** Role changes request their TLB flushes themselves. */
  readonly explicitFlush: boolean;
  readonly resetOnPge: boolean;
  /** Invalidation frees obsolete roots only, not all. */
  readonly obsoleteOnly: boolean;
  /** The cache is asked whatever the number of paging levels. */
  readonly anyLevel: boolean;
  /** EFER.LME is one of the role bits. */
  readonly lmeInRole: boolean;
  readonly flushOnReuse: boolean;
  readonly sregsFlush: boolean;
  /** A CR3 write that asks for a flush gets it whether or not a cached root was found. */
  readonly cr3FlushAlways: boolean;
}

/** Reads complete option values. */
export function readRootPolicy(options: OptionValues, host: OptionValues, policy: X86Policy): RootPolicy {
  const on = (name: string): boolean => options[name] === 'Y';
  const tdp = on('npt');
  const lookup = options['root_reset'] === 'lookup';
  return {
    tdp,
    tdpLevels: policy.levels,
    adBits: policy.adBits,
    guestBitsInRole: on('tdp_role_has_wp'),
    roleIgnoresPg: on('role_ignores_pg'),
    lifetime: lifetimeOf(options['root_lifetime']),
    la57: host['la57'] === 'Y',
    vmx: policy.ept,
    lookup,
    wpShortcut: on('wp_shortcut'),
    wpIgnoredWithoutPg: on('wp_ignored_without_pg'),
    wpGuestOwned: on('wp_guest_owned') && policy.ept && tdp,
    explicitFlush: on('explicit_role_flush'),
    resetOnPge: on('reset_on_pge'),
    obsoleteOnly: on('obsolete_roots_only'),
    anyLevel: on('pgd_cache_any_level') || lookup,
    lmeInRole: on('explicit_role_flush') || lookup,
    flushOnReuse: on('flush_on_reuse'),
    sregsFlush: on('sregs_flush'),
    cr3FlushAlways: on('cr3_flush_always'),
  };
}

function lifetimeOf(value: OptionValue | undefined): RootPolicy['lifetime'] {
  return value === 'sync-zap' || value === 'async-zap' ? value : 'persist';
}
