/**
 * Options of the arm64 backend, and kernel releases as tables of switches.
 *
 * Behaviour before and after a kernel patch is one option value. A profile only names values; every one of them can be overridden.
 */
import type { FlagOption, KernelProfile, OptionSpec, OptionValues } from '@mmulab/api';
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
  flag('relax_tlbi_on_eagain', 'Y', 'It is done for a call that answered -EAGAIN too (6.12).'),
  flag('attr_eagain', 'Y', 'The attribute walker answers -EAGAIN where nothing is mapped (6.2).'),
  choice('table_flush', ['vmid', 'range'], 'TLB invalidation when a block takes a table’s place: the whole VMID, or the block’s range (6.6).'),
  choice('slot_flush', ['vmid', 'range'], 'TLB invalidation for a memslot: the whole VMID, or the slot’s range (6.6).'),
  flag('unmap_flush_once', 'Y', 'With FWB and range invalidation, unmapping flushes leaves once per chunk (6.6).'),
  flag('deferred_free', 'Y', 'Tables that a block replaces are freed after a grace period (6.2).'),
  flag('eager_split', 'Y', 'The kernel can split blocks eagerly (6.5).'),
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

/** What 6.12 does, by switch: the base the older profiles differ from. */
const newest: OptionValues = {};

const v6_5: OptionValues = {
  ...newest,
  relax_tlbi_on_eagain: 'N',
  table_flush: 'vmid',
  slot_flush: 'vmid',
  unmap_flush_once: 'N',
  change_pte: 'Y',
  lpa2: 'N',
};
const v6_2: OptionValues = { ...v6_5, relax_tlbi: 'broadcast', eager_split: 'N' };
const v6_1: OptionValues = { ...v6_2, mmu_lock: 'rwlock', attr_eagain: 'N', deferred_free: 'N' };
const v5_14: OptionValues = { ...v6_1, mmu_lock: 'spinlock', thp_adjust: 'thp', perm_keeps_granule: 'N', range_chunk: 'start_level' };
const v5_13: OptionValues = { ...v5_14, cmo: 'abort' };
const v5_10: OptionValues = { ...v5_13, map_eagain: 'N', dirty_on_success: 'N' };

/** Releases in order; the last one is the default. */
export const stage2Profiles: readonly KernelProfile[] = [
  { name: '5.10.223', doc: 'Stable 5.10: maintenance in the abort handler, no -EAGAIN, one spinlock.', values: v5_10 },
  { name: '5.13', doc: 'Just before the series: maintenance in the abort handler, -EAGAIN where nothing is to be changed.', values: v5_13 },
  { name: '5.14', doc: 'The series as merged: maintenance in the walkers, through mm_ops.', values: v5_14 },
  {
    name: '6.1.176',
    doc: 'Stable 6.1: rights of single pages are relaxed under the shared lock while logging; ranges go by largest block.',
    values: v6_1,
  },
  { name: '6.2', doc: 'Parallel faults: entries are locked while a walker breaks them, tables freed after a grace period.', values: v6_2 },
  { name: '6.5', doc: 'Eager splitting, local TLB invalidation after adding rights.', values: v6_5 },
  { name: '6.12.107', doc: 'Stable 6.12: range invalidation, no change_pte.', values: newest },
];
