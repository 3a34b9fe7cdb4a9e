/**
 * Resolved options as the booleans and numbers the hot code branches on, and the checks no single option can make.
 */
import { formatSize, parseSize } from '@mmulab/api';
import type { OptionValues } from '@mmulab/api';
import { CPUS, DEFAULT_CPU } from './cpus';
import type { Cpu } from './cpus';
import { badCombination, badIpaLimit, badSplitChunk } from './errors';
import { leafBytes, maxLeafLevelOf } from './stage2-geometry';

const IPA_LIMITS = [0, 32, 36, 40, 42, 44, 48, 52];
/** Address bits without LPA2; with 64 KiB granules 52 bits need none. */
const PLAIN_IPA_BITS = 48;

/** How mmu_lock is taken. */
export const MmuLockMode = { Exclusive: 0, RelaxShared: 1, Shared: 2 } as const;

/** Behaviour of one VM, fixed at construction. */
export interface Stage2Policy {
  readonly granuleBytes: number;
  readonly fwb: boolean;
  readonly dic: boolean;
  readonly tlbiRange: boolean;
  readonly hafdbs: boolean;
  readonly lpa2: boolean;
  readonly cacheLineBytes: number;
  /** Largest guest address width, and what sets it. */
  readonly ipaLimit: number;
  readonly ipaLimitReason: string;
  /** Cache maintenance is the walkers' duty. */
  readonly walkerCmo: boolean;
  /** Bytes; 0: off. */
  readonly eagerSplitChunk: number;
  readonly lockMode: number;
  readonly mapEagain: boolean;
  readonly dirtyOnSuccess: boolean;
  readonly hostLeafAdjust: boolean;
  readonly permKeepsGranule: boolean;
  readonly chunkIsBlock: boolean;
  readonly relaxLocal: boolean;
  readonly relaxTlbiOnEagain: boolean;
  readonly attrEagain: boolean;
  readonly tableFlushRange: boolean;
  readonly slotFlushRange: boolean;
  readonly unmapFlushOnce: boolean;
  readonly deferredFree: boolean;
  readonly changePte: boolean;
  /** User space may have dirty pages in rings, and a bitmap beside them. */
  readonly dirtyRing: boolean;
}

/** Bytes of the host's granule. */
export function granuleOf(host: OptionValues): number {
  return parseSize(String(host['granule'])) ?? 0;
}

function cpuOf(host: OptionValues): Cpu {
  return CPUS[String(host['cpu'])] ?? CPUS[DEFAULT_CPU];
}

function ipaLimitOf(options: OptionValues, host: OptionValues): { readonly ipaLimit: number; readonly ipaLimitReason: string } {
  const given = Number(host['ipa_limit'] ?? 0);
  const bits = given === 0 ? cpuOf(host).ipaBits : given;
  const wide = granuleOf(host) === 65536 || options['lpa2'] === 'Y';
  if (bits <= PLAIN_IPA_BITS || wide)
    return { ipaLimit: bits, ipaLimitReason: given === 0 ? `the limit of ${String(host['cpu'])}` : 'host.ipa_limit' };
  return { ipaLimit: PLAIN_IPA_BITS, ipaLimitReason: 'the limit without LPA2, which came with 6.8' };
}

/** Token of what reads a policy from option values: a patch changes switches of it. */
export const Stage2PolicyReader = Symbol.for('mmulab.arm64.Stage2PolicyReader');
export type Stage2PolicyReader = (options: OptionValues, host: OptionValues) => Stage2Policy;

/** Reads complete option values. */
export function readPolicy(options: OptionValues, host: OptionValues): Stage2Policy {
  const cpu = cpuOf(host);
  const on = (name: string): boolean => options[name] === 'Y';
  const has = (name: string, ofCpu: boolean): boolean => (host[name] === 'cpu' || host[name] === undefined ? ofCpu : host[name] === 'Y');
  const fwb = has('fwb', cpu.fwb);
  const tlbiRange = has('tlbi_range', cpu.tlbiRange);
  const lock = options['mmu_lock'];
  return {
    granuleBytes: granuleOf(host),
    fwb,
    dic: has('dic', cpu.dic),
    tlbiRange,
    hafdbs: has('hafdbs', cpu.hafdbs),
    lpa2: on('lpa2'),
    cacheLineBytes: Number(host['cache_line'] ?? 64),
    ...ipaLimitOf(options, host),
    walkerCmo: options['cmo'] === 'walker',
    eagerSplitChunk: Number(options['eager_split_chunk']),
    lockMode: lock === 'shared' ? MmuLockMode.Shared : lock === 'rwlock' ? MmuLockMode.RelaxShared : MmuLockMode.Exclusive,
    mapEagain: on('map_eagain'),
    dirtyOnSuccess: on('dirty_on_success'),
    hostLeafAdjust: options['thp_adjust'] === 'host_leaf',
    permKeepsGranule: on('perm_keeps_granule'),
    chunkIsBlock: options['range_chunk'] === 'block',
    relaxLocal: options['relax_tlbi'] === 'local',
    relaxTlbiOnEagain: on('relax_tlbi_on_eagain'),
    attrEagain: on('attr_eagain'),
    tableFlushRange: options['table_flush'] === 'range',
    slotFlushRange: options['slot_flush'] === 'range',
    unmapFlushOnce: on('unmap_flush_once') && tlbiRange && fwb,
    deferredFree: on('deferred_free'),
    changePte: on('change_pte'),
    dirtyRing: on('dirty_ring'),
  };
}

/**
 * Checks combinations of options.
 * @throws EAGER_SPLIT_CHUNK, HOST_IPA_LIMIT, OPTION_COMBINATION
 */
export function checkOptions(options: OptionValues, host: OptionValues): void {
  const limit = Number(host['ipa_limit'] ?? 0);
  if (!IPA_LIMITS.includes(limit)) throw badIpaLimit(limit);
  const granule = granuleOf(host);
  const chunk = Number(options['eager_split_chunk']);
  if (chunk !== 0) {
    const sizes = Array.from({ length: maxLeafLevelOf(granule) }, (_, i) => leafBytes(granule, i + 1));
    if (!sizes.includes(chunk))
      throw badSplitChunk(chunk, `not a page or block size of a ${formatSize(granule)} granule: expected 0, ${sizes.map(formatSize).join(', ')}`);
    if (options['eager_split'] !== 'Y') throw badSplitChunk(chunk, 'this kernel does not split eagerly (6.5 and later do)');
  }
  if (options['mmu_lock'] === 'shared' && options['cmo'] === 'abort') {
    throw badCombination('mmu_lock=shared, cmo=abort', 'maintenance in the abort handler relies on the exclusive lock');
  }
  if (options['mmu_lock'] === 'shared' && options['map_eagain'] !== 'Y') {
    throw badCombination('mmu_lock=shared, map_eagain=N', 'walkers that race must be able to give up');
  }
  if (options['deferred_free'] === 'Y' && options['mmu_lock'] !== 'shared') {
    throw badCombination(
      `deferred_free=Y, mmu_lock=${String(options['mmu_lock'])}`,
      'tables wait for a grace period only where faults run in parallel',
    );
  }
}
