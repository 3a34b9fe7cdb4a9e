/**
 * Options of the x86 backends: module parameters, switches of behaviour that changed from one release to another (switches.ts tells when), and facts
 * about the machine.
 *
 * Behaviour before and after a kernel patch is one option value; every one can be overridden.
 */
import type { FlagOption, OptionSpec } from '@mmulab/api';

const flag = (name: string, value: 'Y' | 'N', doc: string, aliases?: readonly string[]): FlagOption =>
  aliases === undefined ? { kind: 'flag', name, default: value, doc } : { kind: 'flag', name, default: value, doc, aliases };
const choice = (name: string, choices: readonly string[], doc: string, value = choices[choices.length - 1]): OptionSpec => ({
  kind: 'choice',
  name,
  choices,
  default: value,
  doc,
});

/** Module parameters and policy switches of both x86 backends. Defaults are those of the newest profile. */
export const x86Options: readonly OptionSpec[] = [
  flag('tdp_mmu', 'Y', 'Module parameter: direct second-stage tables are built by the TDP MMU instead of the legacy MMU.', ['kvm.tdp_mmu']),
  flag('npt', 'Y', 'Module parameter: two-dimensional paging (NPT, EPT). N means shadow paging.', ['ept', 'kvm_amd.npt', 'kvm_intel.ept']),
  flag(
    'eager_page_split',
    'Y',
    'Module parameter: huge pages are split when dirty logging starts (or is cleared), not on the first write. Kernels before 5.18 have none.',
    ['kvm.eager_page_split'],
  ),
  {
    kind: 'choice',
    name: 'nx_huge_pages',
    aliases: ['kvm.nx_huge_pages'],
    choices: ['Y', 'N', 'auto', 'never'],
    synonyms: { force: 'Y', off: 'N' },
    default: 'N',
    doc: 'Module parameter: the iTLB-multihit workaround is in force, so that huge pages are not executable. auto: on an Intel CPU that has the bug (host option itlb_multihit).',
  },
  {
    kind: 'number',
    name: 'nx_huge_pages_recovery_ratio',
    aliases: ['kvm.nx_huge_pages_recovery_ratio'],
    default: 60,
    min: 0,
    max: 2 ** 32 - 1,
    integer: true,
    doc: 'One recovery pass zaps 1/ratio of the listed tables; 0 turns recovery off.',
  },
  {
    kind: 'number',
    name: 'nx_huge_pages_recovery_period_ms',
    aliases: ['kvm.nx_huge_pages_recovery_period_ms'],
    default: 0,
    min: 0,
    max: 2 ** 32 - 1,
    integer: true,
    unit: 'ms',
    doc: 'Time between recovery passes; 0 derives it from the ratio so that a full turn takes an hour.',
  },
  choice('huge_page_fault', ['zap', 'split'], 'What a fault does to a huge leaf above its goal: zap it (before 6.2), or split it.'),
  choice(
    'root_reset',
    ['unload', 'lookup'],
    'What an MMU context reset does with the roots: drop them all, or look for a cached one (posted, never merged).',
    'unload',
  ),
  flag('wp_shortcut', 'Y', 'A change of CR0.WP alone does not reset the MMU under two-dimensional paging (6.4, and stable 6.1).'),
  flag('tdp_role_has_wp', 'N', 'Roots of two-dimensional paging are keyed by the guest’s CR0.WP and EFER.NX (before 5.19).'),
  choice(
    'root_lifetime',
    ['sync-zap', 'async-zap', 'persist'],
    'What becomes of a TDP root when its last vCPU lets go: zapped at once (5.10), zapped by a worker (5.18), kept (6.4).',
  ),
  choice(
    'initially_set_protects',
    ['all', 'huge', 'nothing'],
    'What starting a log that is set from the beginning protects all the same: every leaf of the TDP MMU and huge ones elsewhere (5.10), huge leaves (5.12), nothing (5.14).',
  ),
  choice(
    'log_start_flush',
    ['leaf', 'change', 'always'],
    'When starting dirty logging asks for a TLB flush: when it met a leaf to protect, protected already or not (TDP MMU up to 5.12), when it changed one, or always (6.0).',
  ),
  choice(
    'log_stop',
    ['leaves', 'zap', 'recover'],
    'What stopping dirty logging does to tables that could be huge pages: zap the leaves in them one by one (up to 5.18), zap the tables (up to 6.12), put the huge leaf in place (6.13).',
  ),
  flag('log_stop_flush_each', 'Y', 'Each leaf zapped when dirty logging stops asks for a TLB flush (5.13); before, all of them for one.'),
  flag('dirty_ring', 'Y', 'User space may have dirty pages in a ring per vCPU instead of bitmaps (KVM_CAP_DIRTY_LOG_RING, 5.11).'),
  choice(
    'pml_read_order',
    ['newest_first', 'oldest_first'],
    'How an exit reads the page-modification log: from its newest entry back, or in the order in which it was written (6.14). Only dirty rings show it.',
  ),
  flag('unmap_tables', 'N', 'A range the host takes away takes the tables along that lie wholly inside it (up to 5.17); after, leaves only.'),
  flag(
    'mark_unlogged_dirty',
    'N',
    'Marking a page dirty is called for whenever a leaf becomes writable (TDP MMU: small ones), its slot logged or not (up to 5.15); after, for logged slots.',
  ),
  flag(
    'nx_precise',
    'Y',
    'Only tables that exist for the NX workaround keep huge pages away (6.2); before, any table did while the workaround was on.',
  ),
  flag('nx_unlist_logged', 'Y', 'NX recovery only unlists tables of slots under dirty logging (6.2).'),
  choice(
    'root_zap_granularity',
    ['one-pass', '1g-root', 'all-levels'],
    'Passes in which a dying root is zapped: one from the root (5.10), 1 GiB then root, or every level (6.9). Counts do not depend on it.',
  ),
  flag('fast_page_fault_tdp', 'Y', 'The lockless fault path works on the TDP MMU (5.15).'),
  flag(
    'fast_page_fault_huge',
    'Y',
    'It gives huge leaves of slots that are not logged their write permission back, too (5.16); before, small ones only.',
  ),
  flag('fast_page_fault_any_ept', 'N', 'With EPT the lockless path is tried on every fault but those of execution on a present entry (up to 5.18).'),
  flag(
    'spurious_if_allowed',
    'Y',
    'A fault whose leaf allows the access already is spurious and changes nothing (6.13); before, the leaf was written anew.',
  ),
  flag(
    'nx_recovery_per_mmu',
    'Y',
    'Recoverable tables are counted per MMU, and all that recovery takes are charged to the shadow MMU (6.18); before, one count per VM.',
  ),
  flag('eager_split_end_exclusive', 'N', 'Clearing one 64-page word splits huge pages up to, not including, the page of its last bit (up to 6.1).'),
  flag('d_bit_on_refault', 'Y', 'A fault on an already writable leaf sets D again (6.13); before, D was left out.'),
  flag('flush_removed_table', 'N', 'Each removed table asks for a TLB flush of its own (5.10).'),
  flag('parallel_faults', 'Y', 'Faults on the TDP MMU take mmu_lock for reading, so that they may race (5.12); before, it was a spinlock.'),
  flag('count_root_alloc', 'Y', 'The allocation event fires for TDP roots too (not in 5.10).'),
  flag('pf_fixed_in_handler', 'N', 'Spurious faults count as fixed (5.10, which has no pf_spurious).'),
  flag('sregs_flush', 'Y', 'Setting special registers leaves a guest TLB flush pending for the first entry (6.12).'),
  flag('explicit_role_flush', 'Y', 'Role changes request their TLB flushes themselves (5.18); before, unloading the roots was relied upon.'),
  flag('reset_on_pge', 'N', 'A change of CR4.PGE resets the MMU context (5.10).'),
  flag('obsolete_roots_only', 'Y', 'Invalidation frees obsolete roots only (5.18); before, all roots of all vCPUs.'),
  flag('pgd_cache_any_level', 'Y', 'Cached roots are looked up when going from 32- to 64-bit paging too (5.18).'),
  flag('role_ignores_pg', 'N', 'CR0.WP and EFER.NX enter the role while paging is off, too (5.10).'),
  flag('wp_ignored_without_pg', 'Y', 'A change of CR0.WP alone does nothing while paging is off (6.4).'),
  flag('wp_guest_owned', 'Y', 'Under EPT the guest writes CR0.WP without an exit (6.4, and stable 6.1).'),
  flag(
    'cr3_flush_always',
    'Y',
    'A flushing CR3 write under shadow paging asks for sync and flush even when no cached root was found (5.14); before, only on a hit.',
  ),
  flag('child_role_check', 'Y', 'A linked shadow page is kept only if frame and role fit (6.0); before, any linked table was.'),
  flag('flush_on_link', 'N', 'Linking a table over a huge shadow entry always flushes (stable 6.1 and 6.12), in eager splitting too.'),
  flag('prefetch_last_run', 'Y', 'Direct prefetch maps the run behind the last present entry, too (5.15).'),
  flag(
    'sync_same_spte',
    'Y',
    'Synchronising a shadow page leaves entries with unchanged rights alone (6.4); before, each loses A and asks for a flush.',
  ),
  flag(
    'sync_keeps_accessed',
    'Y',
    'An entry that is synchronised keeps A, and one that loses A or D, or goes because the guest’s own has lost A, asks for no flush (6.13); before, A was cleared, and either loss asked for one.',
  ),
  flag(
    'self_map_small',
    'N',
    'Under shadow paging a large page of the guest that holds one of the tables it is reached by is mapped by small ones (up to 6.2).',
  ),
  flag(
    'shadowed_access_cache',
    'Y',
    'Access bits of shadowed translations are cached per entry (6.0); without them nested huge pages cannot be split eagerly.',
  ),
  flag(
    'slot_zap_all',
    'Y',
    'Deleting or moving a memslot takes every mapping of the VM along. From 6.12 on user space may switch that off (KVM_X86_QUIRK_SLOT_ZAP_ALL): then only leaves of the slot go, and shadow pages of tables in it.',
  ),
  flag('pre_fault_memory', 'Y', 'There is KVM_PRE_FAULT_MEMORY (6.11).'),
  flag('flush_on_reuse', 'N', 'Module parameter: a cached root that is reused is synchronised and flushed.', ['kvm.flush_on_reuse']),
];

/** Facts about the machine. */
export const x86HostOptions: readonly OptionSpec[] = [
  choice('vendor', ['intel', 'amd'], 'CPU vendor: EPT or NPT, and its intercepts.', 'intel'),
  flag('pml', 'Y', 'Page-modification logging (Intel only; an AMD host has none).', ['kvm_intel.pml']),
  flag('ad_bits', 'Y', 'Second-stage tables keep accessed and dirty bits.', ['eptad', 'kvm_intel.eptad']),
  flag('itlb_multihit', 'Y', 'An Intel CPU has the iTLB-multihit bug: nx_huge_pages=auto means Y.'),
  flag('la57', 'N', 'Five-level paging of host and guest.'),
  {
    kind: 'number',
    name: 'maxphyaddr',
    default: 0,
    min: 0,
    max: 52,
    integer: true,
    unit: 'bits',
    doc: 'Guest physical address bits; 0 means 46 on Intel, 48 on AMD, 52 with la57.',
  },
  choice('thp', ['always', 'madvise', 'never'], 'Transparent huge pages of the host.', 'madvise'),
  { kind: 'number', name: 'sockets', default: 2, min: 1, max: 64, integer: true, doc: 'CPU sockets of the host.' },
  { kind: 'number', name: 'cores', default: 48, min: 1, max: 4096, integer: true, doc: 'CPU cores of the host.' },
  { kind: 'number', name: 'threads', default: 96, min: 1, max: 8192, integer: true, doc: 'Hardware threads of the host.' },
  { kind: 'text', name: 'arch', default: 'x86', pattern: 'x86', expected: 'x86', doc: 'Architecture of the host, as records state it.' },
];
