/**
 * Resolved options as the booleans and numbers the hot code branches on.
 */
import { AccessKind } from '@mmulab/api';
import type { OptionValue, OptionValues } from '@mmulab/api';

/** Behaviour of one VM, fixed at construction. */
export interface X86Policy {
  readonly ept: boolean;
  readonly adBits: boolean;
  /** What the hardware's walk does to the guest's table pages: a write with A and D bits in EPT, and always with NPT; a read without. */
  readonly tableAccess: AccessKind;
  /** The hardware logs dirty pages. */
  readonly pml: boolean;
  /** Its log is read from the newest entry back. */
  readonly pmlNewestFirst: boolean;
  /** User space may have dirty pages in rings. */
  readonly dirtyRing: boolean;
  readonly levels: number;
  readonly maxLeafLevel: number;
  readonly eagerPageSplit: boolean;
  readonly splitEndExclusive: boolean;
  readonly splitHugePages: boolean;
  /** The NX workaround is in force. With `nxParameter` and `nxRecovery.enabled` the only thing that may change while the VM runs. */
  nxHugePages: boolean;
  /** The module parameter nx_huge_pages, which may be written while the VM runs. */
  nxParameter: boolean;
  /** The VM has opted out of the workaround. */
  readonly nxOptedOut: boolean;
  readonly nxPrecise: boolean;
  readonly nxRecovery: {
    enabled: boolean;
    readonly ratio: number;
    readonly periodMs: number;
    readonly unlistLogged: boolean;
    readonly perMmu: boolean;
  };
  readonly dirtyOnRefault: boolean;
  /** Lowest levels that starting an initially set log protects: of the TDP MMU's leaves and of those in reverse maps; 0 for none. */
  readonly initiallySetLevels: { readonly tdp: number; readonly rmap: number };
  /** When starting a log asks for a flush; see the option. */
  readonly logStartFlush: 'leaf' | 'change' | 'always';
  readonly logStop: 'leaves' | 'zap' | 'recover';
  /** Each leaf zapped at log stop asks for a flush. */
  readonly logStopFlushEach: boolean;
  /** Tables wholly inside a range that the host takes away go, too. */
  readonly unmapTables: boolean;
  /** Writable leaves mark their page dirty in slots that are not logged, too. */
  readonly markUnloggedDirty: boolean;
  /** A leaf that allows the access is left alone by a fault. */
  readonly spuriousIfAllowed: boolean;
  readonly fastPageFault: boolean;
  /** It fixes huge leaves of slots that are not logged. */
  readonly fastFixHuge: boolean;
  /** The lockless path is tried on all faults but those of execution on a present entry. */
  readonly fastForAll: boolean;
  readonly fixedInHandler: boolean;
  readonly flushRemovedTable: boolean;
  /** Faults on the TDP MMU hold mmu_lock for reading. */
  readonly parallelFaults: boolean;
  /** Deleting or moving a memslot takes every mapping of the VM along; without it the slot's leaves. */
  readonly slotZapAll: boolean;
  readonly countRootAlloc: boolean;
  readonly sregsFlush: boolean;
}

/** Bits of guest physical addresses: given, or the machine's usual width. */
export function physBitsOf(host: OptionValues): number {
  const given = Number(host['maxphyaddr'] ?? 0);
  if (given !== 0) return given;
  if (host['la57'] === 'Y') return 52;
  return host['vendor'] === 'amd' ? 48 : 46;
}

/** Levels of second-stage tables: the host's own on AMD; on Intel five only where guest addresses need them. */
export function tdpLevels(host: OptionValues): number {
  if (host['la57'] !== 'Y') return 4;
  return host['vendor'] === 'amd' || physBitsOf(host) > 48 ? 5 : 4;
}

/** Token of what reads a policy from option values: a patch changes switches of it. */
export const X86PolicyReader = Symbol.for('mmulab.x86.X86PolicyReader');
export type X86PolicyReader = (options: OptionValues, host: OptionValues) => X86Policy;

/** Reads complete option values. */
export function readPolicy(options: OptionValues, host: OptionValues): X86Policy {
  const on = (name: string): boolean => options[name] === 'Y';
  const amd = host['vendor'] === 'amd';
  const nxHugePages = on('nx_huge_pages') || (options['nx_huge_pages'] === 'auto' && !amd && host['itlb_multihit'] === 'Y');
  const adBits = host['ad_bits'] === 'Y';
  const pml = !amd && adBits && host['pml'] === 'Y';
  return {
    ept: !amd,
    adBits,
    tableAccess: amd || adBits ? AccessKind.Write : AccessKind.Read,
    pml,
    pmlNewestFirst: options['pml_read_order'] === 'newest_first',
    dirtyRing: on('dirty_ring'),
    levels: tdpLevels(host),
    maxLeafLevel: 3,
    eagerPageSplit: on('eager_page_split'),
    splitEndExclusive: on('eager_split_end_exclusive'),
    splitHugePages: options['huge_page_fault'] === 'split',
    nxHugePages,
    nxParameter: nxHugePages,
    nxOptedOut: false,
    nxPrecise: on('nx_precise'),
    nxRecovery: {
      enabled: nxHugePages,
      ratio: Number(options['nx_huge_pages_recovery_ratio']),
      periodMs: Number(options['nx_huge_pages_recovery_period_ms']),
      unlistLogged: on('nx_unlist_logged'),
      perMmu: on('nx_recovery_per_mmu'),
    },
    dirtyOnRefault: on('d_bit_on_refault'),
    initiallySetLevels: initiallySetLevels(options, pml),
    logStartFlush: logStartFlushOf(options['log_start_flush']),
    logStop: logStopOf(options['log_stop']),
    logStopFlushEach: on('log_stop_flush_each'),
    unmapTables: on('unmap_tables'),
    markUnloggedDirty: on('mark_unlogged_dirty'),
    spuriousIfAllowed: on('spurious_if_allowed'),
    fastPageFault: on('fast_page_fault_tdp'),
    fastFixHuge: on('fast_page_fault_huge'),
    fastForAll: on('fast_page_fault_any_ept') && !amd && on('npt'),
    fixedInHandler: on('pf_fixed_in_handler'),
    flushRemovedTable: on('flush_removed_table'),
    parallelFaults: on('parallel_faults'),
    slotZapAll: on('slot_zap_all'),
    countRootAlloc: on('count_root_alloc'),
    sregsFlush: on('sregs_flush'),
  };
}

/** With PML only huge leaves are protected whatever the release: small ones have D. */
function initiallySetLevels(options: OptionValues, pml: boolean): X86Policy['initiallySetLevels'] {
  const given = options['initially_set_protects'];
  if (given === 'nothing') return { tdp: 0, rmap: 0 };
  return { tdp: given === 'all' && !pml ? 1 : 2, rmap: 2 };
}

function logStopOf(value: OptionValue | undefined): X86Policy['logStop'] {
  return value === 'leaves' || value === 'recover' ? value : 'zap';
}

function logStartFlushOf(value: OptionValue | undefined): X86Policy['logStartFlush'] {
  return value === 'leaf' || value === 'change' ? value : 'always';
}
