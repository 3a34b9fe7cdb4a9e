/**
 * Resolved options as the booleans and numbers the hot code branches on.
 */
import { AccessKind } from '@mmulab/api';
import type { OptionValues } from '@mmulab/api';

/** Behaviour of one VM, fixed at construction. */
export interface X86Policy {
  readonly ept: boolean;
  readonly adBits: boolean;
  /** What the hardware's walk does to the guest's table pages: a write with A and D bits in EPT, and always with NPT; a read without. */
  readonly tableAccess: AccessKind;
  /** The hardware logs dirty pages. */
  readonly pml: boolean;
  readonly levels: number;
  readonly maxLeafLevel: number;
  readonly eagerPageSplit: boolean;
  readonly splitEndExclusive: boolean;
  readonly splitHugePages: boolean;
  readonly nxHugePages: boolean;
  readonly nxPrecise: boolean;
  readonly nxRecovery: { readonly enabled: boolean; readonly ratio: number; readonly periodMs: number; readonly unlistLogged: boolean };
  readonly dirtyOnRefault: boolean;
  readonly recoverOnLogStop: boolean;
  readonly fastPageFault: boolean;
  readonly fixedInHandler: boolean;
  readonly flushRemovedTable: boolean;
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

/** Reads complete option values. */
export function readPolicy(options: OptionValues, host: OptionValues): X86Policy {
  const on = (name: string): boolean => options[name] === 'Y';
  const amd = host['vendor'] === 'amd';
  const adBits = host['ad_bits'] === 'Y';
  return {
    ept: !amd,
    adBits,
    tableAccess: amd || adBits ? AccessKind.Write : AccessKind.Read,
    pml: !amd && adBits && host['pml'] === 'Y',
    levels: tdpLevels(host),
    maxLeafLevel: 3,
    eagerPageSplit: on('eager_page_split'),
    splitEndExclusive: on('eager_split_end_exclusive'),
    splitHugePages: options['huge_page_fault'] === 'split',
    nxHugePages: on('nx_huge_pages'),
    nxPrecise: on('nx_precise'),
    nxRecovery: {
      enabled: on('nx_huge_pages'),
      ratio: Number(options['nx_huge_pages_recovery_ratio']),
      periodMs: Number(options['nx_huge_pages_recovery_period_ms']),
      unlistLogged: on('nx_unlist_logged'),
    },
    dirtyOnRefault: on('d_bit_on_refault'),
    recoverOnLogStop: options['log_stop'] === 'recover',
    fastPageFault: on('fast_page_fault_tdp'),
    fixedInHandler: on('pf_fixed_in_handler'),
    flushRemovedTable: on('flush_removed_table'),
    countRootAlloc: on('count_root_alloc'),
    sregsFlush: on('sregs_flush'),
  };
}
