/**
 * Kernel releases of the x86 backends as one table of switches: which option changed to what in which release.
 *
 * `measured`: kernels on both sides of the change were, or the release itself. `reference`: read in kernel sources of both sides. `judgement`: the release is
 * inferred from what lies near, as between 5.10.262 and 5.17, or between 6.12 and 6.16. Stable kernels are known as far as one was measured: 6.1.192 keeps TDP
 * roots and leaves CR0.WP to the guest by backports, and both 6.1.192 and 6.12.117 flush whenever a table takes a huge shadow entry's place.
 */
import { profilesOf } from '@mmulab/api';
import type { KernelProfile, KernelSwitch, OptionValue, SwitchChange } from '@mmulab/api';

type Basis = SwitchChange['basis'];

/** A change of value in a mainline release. */
const at = (release: string, value: OptionValue, basis: Basis = 'reference', backports?: readonly string[]): SwitchChange =>
  backports === undefined ? { since: release, value, basis } : { since: release, value, basis, backports };

const from = (option: string, first: OptionValue, ...changes: readonly SwitchChange[]): KernelSwitch => ({ option, first, changes });

/** Measured on Debian's stable 6.1. */
const STABLE_6_1 = ['6.1.192'];

/** In which release each switch changed: paths and policies of faults, dirty logging, NX huge pages, TDP roots, registers and roles, shadow paging. */
export const x86Switches: readonly KernelSwitch[] = [
  from('huge_page_fault', 'zap', at('6.2', 'split', 'measured')),
  from('fast_page_fault_tdp', 'N', at('5.15', 'Y')),
  from('fast_page_fault_huge', 'N', at('5.16', 'Y', 'judgement')),
  from('fast_page_fault_any_ept', 'Y', at('5.19', 'N', 'judgement')),
  from('spurious_if_allowed', 'N', at('6.13', 'Y', 'measured')),
  from('d_bit_on_refault', 'N', at('6.13', 'Y', 'judgement')),
  from('pf_fixed_in_handler', 'Y', at('5.12', 'N', 'judgement')),
  from('mark_unlogged_dirty', 'Y', at('5.16', 'N')),

  from('eager_page_split', 'N', at('5.18', 'Y')),
  from('eager_split_end_exclusive', 'Y', at('6.8', 'N', 'judgement')),
  from('initially_set_protects', 'all', at('5.12', 'huge', 'judgement'), at('5.14', 'nothing')),
  from('log_start_flush', 'leaf', at('5.13', 'change', 'judgement'), at('6.0', 'always', 'judgement')),
  from('log_stop', 'leaves', at('5.19', 'zap'), at('6.13', 'recover')),
  from('log_stop_flush_each', 'N', at('5.13', 'Y', 'judgement')),
  from('dirty_ring', 'N', at('5.11', 'Y', 'judgement')),
  from('pml_read_order', 'newest_first', at('6.14', 'oldest_first', 'judgement')),
  from('unmap_tables', 'Y', at('5.18', 'N', 'judgement')),

  from('nx_precise', 'N', at('6.2', 'Y', 'measured')),
  from('nx_unlist_logged', 'N', at('6.2', 'Y')),
  from('nx_recovery_per_mmu', 'N', at('6.18', 'Y', 'measured')),

  from('root_lifetime', 'sync-zap', at('5.18', 'async-zap'), at('6.4', 'persist', 'reference', STABLE_6_1)),
  from('root_zap_granularity', 'one-pass', at('5.17', '1g-root', 'judgement'), at('6.9', 'all-levels')),
  from('flush_removed_table', 'Y', at('5.13', 'N', 'judgement')),
  from('parallel_faults', 'N', at('5.12', 'Y')),
  from('count_root_alloc', 'N', at('5.17', 'Y', 'judgement')),
  from('obsolete_roots_only', 'N', at('5.18', 'Y')),

  from('wp_shortcut', 'N', at('6.4', 'Y', 'reference', STABLE_6_1)),
  from('wp_guest_owned', 'N', at('6.4', 'Y', 'reference', STABLE_6_1)),
  from('wp_ignored_without_pg', 'N', at('6.4', 'Y')),
  from('tdp_role_has_wp', 'Y', at('5.19', 'N')),
  from('role_ignores_pg', 'Y', at('5.14', 'N', 'judgement')),
  from('reset_on_pge', 'Y', at('5.16', 'N', 'judgement')),
  from('explicit_role_flush', 'N', at('5.18', 'Y')),
  from('pgd_cache_any_level', 'N', at('5.18', 'Y')),
  from('cr3_flush_always', 'N', at('5.14', 'Y', 'judgement')),
  from('sregs_flush', 'N', at('6.12', 'Y', 'judgement')),

  from('pre_fault_memory', 'N', at('6.11', 'Y')),

  from('shadowed_access_cache', 'N', at('6.0', 'Y')),
  from('child_role_check', 'N', at('6.0', 'Y')),
  from('prefetch_last_run', 'N', at('5.15', 'Y', 'judgement')),
  from('self_map_small', 'Y', at('6.3', 'N')),
  from('sync_same_spte', 'N', at('6.4', 'Y', 'judgement')),
  from('sync_keeps_accessed', 'N', at('6.13', 'Y', 'judgement')),
  // In no mainline release.
  from('flush_on_link', 'N', { value: 'Y', backports: ['6.1.192', '6.12.117'], basis: 'measured' }),
];

/** Releases in order; the last one is the default. */
export const x86Profiles: readonly KernelProfile[] = profilesOf(x86Switches, [
  { name: '5.10.262', doc: 'Stable 5.10: TDP MMU present but off by default, exclusive mmu_lock, roots zapped with their last user.' },
  { name: '5.13', doc: 'Parallel TDP faults; the lockless path not yet on the TDP MMU, no flush of their own for removed tables.' },
  { name: '5.15', doc: 'The lockless path works on the TDP MMU; starting an initially set log protects nothing (5.14).' },
  { name: '5.17', doc: 'Before the root rework: roots zapped synchronously, no eager split, log stop leaf by leaf with a flush each.' },
  { name: '5.18', doc: 'Root rework as merged, eager page splitting for the TDP MMU, unmapping leaves tables alone.' },
  { name: '5.19', doc: 'TDP roots are not keyed by CR0.WP and EFER.NX; stopping dirty logging zaps tables.' },
  { name: '6.0', doc: 'Cached access bits of shadowed translations: nested huge pages are split eagerly.' },
  { name: '6.1', doc: 'Mainline 6.1: huge pages are zapped on a fault, roots die with their last vCPU.' },
  { name: '6.1.192', doc: 'Debian 6.1 with stable backports: persistent TDP roots, CR0.WP shortcut.' },
  { name: '6.2', doc: 'Huge pages are split on a fault; NX accounting is precise.' },
  { name: '6.4', doc: 'TDP roots are kept until invalidated; CR0.WP shortcut.' },
  { name: '6.12.117', doc: 'Stable 6.12: roots are zapped level by level (6.9).' },
  { name: '6.13', doc: 'Huge pages are recovered in place when dirty logging stops; faults whose leaf allows the access are spurious.' },
  { name: '6.16', doc: 'The MMU as 6.13; the host frees empty page tables of memory it drops (6.14).' },
  { name: '6.18', doc: 'NX huge pages are counted per MMU, and recovery charges the shadow MMU.' },
  { name: '7.3', doc: 'The MMU counts as that of 6.18.' },
]);
