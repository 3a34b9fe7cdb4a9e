/**
 * Options of the arm64 backend, and kernel releases as tables of switches.
 *
 * Behaviour before and after a kernel patch is one option value. A release takes each switch at the release it changed in; every one can be overridden.
 */
import { profilesOf } from '@mmulab/api';
import type { FlagOption, KernelProfile, KernelSwitch, OptionSpec, OptionValue, SwitchChange } from '@mmulab/api';
import { CPUS, DEFAULT_CPU } from './cpus';

const MAX_CHUNK_BYTES = 2 ** 40;

const flag = (name: string, value: 'Y' | 'N', doc: string): FlagOption => ({ kind: 'flag', name, default: value, doc });
const choice = (name: string, choices: readonly string[], doc: string, value = choices.at(-1) ?? ''): OptionSpec => ({
  kind: 'choice',
  name,
  choices,
  default: value,
  doc,
});

/** Policy switches. Defaults are those of the newest profile. */
export const stage2Options: readonly OptionSpec[] = [
  choice(
    'cmo',
    ['abort', 'walker'],
    'Cache maintenance in the abort handler, once per fault (up to 5.13), or in the walkers through mm_ops, once per entry (5.14).',
  ),
  {
    kind: 'size',
    name: 'eager_split_chunk',
    default: 0,
    min: 0,
    max: MAX_CHUNK_BYTES,
    doc: 'Blocks are split in chunks of this size when dirty logging starts (or is cleared): a page or block size of the granule; 0 is off. 6.5 and later.',
  },
  choice(
    'mmu_lock',
    ['spinlock', 'rwlock', 'shared'],
    'mmu_lock: exclusive; shared for relaxing pages under dirty logging (5.18); shared for all faults (6.2).',
  ),
  flag('map_eagain', 'Y', 'The map walker answers -EAGAIN where the leaf is there, or differs in rights only (5.12).'),
  flag(
    'dirty_on_success',
    'Y',
    'Pages are marked dirty after the tables were changed, and only then (5.12); before, as soon as the host page is writable.',
  ),
  choice(
    'thp_adjust',
    ['thp', 'host_leaf'],
    'What makes a 2 MiB mapping of small-page memory: a transparent huge page, or any host leaf of that size (5.15).',
  ),
  flag('perm_keeps_granule', 'Y', 'A permission fault on a block maps a block of that size again (6.1).'),
  choice('range_chunk', ['start_level', 'block'], 'What a range operation does at a time: one entry of the start level, or one largest block (6.1).'),
  choice('relax_tlbi', ['broadcast', 'local'], 'TLB invalidation after adding rights: broadcast, or local (6.5).'),
  flag('relax_tlbi_on_eagain', 'Y', 'It is done for a call that answered -EAGAIN too (6.7).'),
  flag('attr_eagain', 'Y', 'The attribute walker answers -EAGAIN where nothing is mapped (6.2).'),
  choice('table_flush', ['vmid', 'range'], 'TLB invalidation when a block takes a table’s place: the whole VMID, or the block’s range (6.6).'),
  choice('slot_flush', ['vmid', 'range'], 'TLB invalidation for a memslot: the whole VMID, or the slot’s range (6.6).'),
  flag('unmap_flush_once', 'Y', 'With FWB and range invalidation, unmapping flushes leaves once per chunk (6.6).'),
  flag('deferred_free', 'Y', 'Tables that a block replaces are freed after a grace period (6.2).'),
  flag('eager_split', 'Y', 'The kernel can split blocks eagerly (6.5).'),
  flag('dirty_ring', 'Y', 'User space may have dirty pages in a ring per vCPU, with a bitmap beside (KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 6.2).'),
  flag('change_pte', 'N', 'The host’s copy-on-write maps the copy at once, read-only (up to 6.9).'),
  flag('lpa2', 'Y', '52-bit addresses with 4 KiB and 16 KiB granules, on CPUs that have them (6.8).'),
];

const feature = (name: string, doc: string): OptionSpec => choice(name, ['cpu', 'Y', 'N'], `${doc} cpu: as that CPU has it.`, 'cpu');

/** Facts about the machine. */
export const stage2HostOptions: readonly OptionSpec[] = [
  choice('cpu', Object.keys(CPUS), 'CPU core; says which of the features below it has.', DEFAULT_CPU),
  feature('vhe', 'The host kernel runs at EL2. Counts do not depend on it.'),
  feature('fwb', 'Stage 2 forces write-back (FEAT_S2FWB): no data-cache maintenance.'),
  feature('dic', 'Instruction caches need no invalidation (CTR_EL0.DIC).'),
  feature('idc', 'Data caches need no cleaning for instruction fetches (CTR_EL0.IDC). Stage 2 cleans to the point of coherency all the same.'),
  feature('tlbi_range', 'TLB invalidation of ranges (FEAT_TLBIRANGE).'),
  feature('hafdbs', 'The hardware sets the access flag.'),
  choice('granule', ['4K', '16K', '64K'], 'Page size of the host, and so of stage 2.', '4K'),
  {
    kind: 'number',
    name: 'ipa_limit',
    default: 0,
    min: 0,
    max: 52,
    integer: true,
    unit: 'bits',
    doc: 'Largest width of guest physical addresses; 0: that of the CPU.',
  },
  choice('cache_line', ['32', '64', '128'], 'Bytes of a cache line: only the counters of lines depend on it.', '64'),
  { kind: 'text', name: 'arch', default: 'arm64', pattern: 'arm64', expected: 'arm64', doc: 'Architecture of the host, as records state it.' },
];

/** A switch that goes from one value to another once. */
const since = (
  option: string,
  release: string,
  first: OptionValue,
  value: OptionValue,
  basis: SwitchChange['basis'] = 'reference',
): KernelSwitch => ({
  option,
  first,
  changes: [{ since: release, value, basis }],
});

/** In which release each switch changed. The stage-2 code of 6.16, 6.18 and 7.3 was measured to count as that of 6.12. */
export const stage2Switches: readonly KernelSwitch[] = [
  since('map_eagain', '5.12', 'N', 'Y'),
  since('dirty_on_success', '5.12', 'N', 'Y'),
  since('cmo', '5.14', 'abort', 'walker'),
  since('thp_adjust', '5.15', 'thp', 'host_leaf', 'judgement'),
  {
    option: 'mmu_lock',
    first: 'spinlock',
    changes: [
      { since: '5.18', value: 'rwlock', basis: 'reference' },
      { since: '6.2', value: 'shared', basis: 'reference' },
    ],
  },
  since('perm_keeps_granule', '6.1', 'N', 'Y', 'measured'),
  since('range_chunk', '6.1', 'start_level', 'block', 'measured'),
  since('attr_eagain', '6.2', 'N', 'Y', 'judgement'),
  since('deferred_free', '6.2', 'N', 'Y'),
  since('dirty_ring', '6.2', 'N', 'Y', 'judgement'),
  since('relax_tlbi', '6.5', 'broadcast', 'local'),
  since('eager_split', '6.5', 'N', 'Y'),
  since('table_flush', '6.6', 'vmid', 'range'),
  since('slot_flush', '6.6', 'vmid', 'range'),
  since('unmap_flush_once', '6.6', 'N', 'Y'),
  // 6.5 does not, 6.12 does.
  since('relax_tlbi_on_eagain', '6.7', 'N', 'Y', 'judgement'),
  since('lpa2', '6.8', 'N', 'Y', 'judgement'),
  since('change_pte', '6.10', 'Y', 'N'),
];

/** Releases in order; the last one is the default. */
export const stage2Profiles: readonly KernelProfile[] = profilesOf(stage2Switches, [
  { name: '5.10.223', doc: 'Stable 5.10: maintenance in the abort handler, no -EAGAIN, one spinlock.' },
  { name: '5.13', doc: 'Just before the series: maintenance in the abort handler, -EAGAIN where nothing is to be changed.' },
  { name: '5.14', doc: 'The series as merged: maintenance in the walkers, through mm_ops.' },
  { name: '6.1.176', doc: 'Stable 6.1: rights of single pages are relaxed under the shared lock while logging; ranges go by largest block.' },
  { name: '6.2', doc: 'Parallel faults: entries are locked while a walker breaks them, tables freed after a grace period.' },
  { name: '6.5', doc: 'Eager splitting, local TLB invalidation after adding rights.' },
  { name: '6.6', doc: 'TLB invalidation by range: a block that takes a table’s place, a whole slot, leaves of one unmap call.' },
  { name: '6.8', doc: '52-bit addresses with 4 KiB and 16 KiB granules; TLB invalidation also where adding rights lost a race (6.7).' },
  { name: '6.12.107', doc: 'Stable 6.12: no change_pte (6.10).' },
  { name: '6.13', doc: 'Stage 2 as 6.12; the host brings a huge page where the huge zero page is written.' },
  { name: '6.16', doc: 'Stage 2 and host as 6.13.' },
  { name: '6.18', doc: 'Stage 2 and host as 6.13.' },
  { name: '7.3', doc: 'Stage 2 as 6.12; the host frees empty page tables of memory it drops (7.0).' },
]);
