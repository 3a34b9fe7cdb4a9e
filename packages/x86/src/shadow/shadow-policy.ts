/**
 * Switches of the legacy MMU, read from options once.
 */
import type { AccessKind, OptionValues } from '@mmulab/api';
import type { X86Policy } from '../policy';

/** Behaviour of one VM's legacy MMU. */
export interface ShadowPolicy {
  /** Two-dimensional paging. */
  readonly tdp: boolean;
  readonly adBits: boolean;
  /** What the hardware's walk does to the guest's table pages, with two-dimensional paging. */
  readonly tableAccess: AccessKind;
  /** The hardware logs dirty pages of direct tables. */
  readonly pml: boolean;
  readonly maxLeafLevel: number;
  /** The NX workaround is in force; may change while the VM runs. */
  nxHugePages: boolean;
  readonly nxPrecise: boolean;
  readonly dirtyOnRefault: boolean;
  /** 5.10: outcomes are counted in the handlers: fixed ones only, and none of the lockless path. */
  readonly fixedInHandler: boolean;
  /** The lockless path fixes huge leaves of slots that are not logged, too. */
  readonly fastFixHuge: boolean;
  /** The lockless path is tried on all faults but those of execution on a present entry. */
  readonly fastForAll: boolean;
  /** Writable leaves mark their page dirty in slots that are not logged, too. */
  readonly markUnloggedDirty: boolean;
  /** Eager split of nested huge pages: the TDP MMU is on, and so is the module parameter. */
  readonly eagerSplit: boolean;
  /** What is mapped ahead leaves a leaf of the same page as it is. */
  readonly prefetchKeeps: boolean;
  readonly childRoleCheck: boolean;
  readonly flushOnLink: boolean;
  readonly prefetchLastRun: boolean;
  readonly syncSameSpte: boolean;
  /** Synchronising keeps A, and losing A or D asks for no flush. */
  readonly syncKeepsAccessed: boolean;
  /** Entries of nested guests are EPT ones: without any right they are not present. */
  readonly presentIsRights: boolean;
  /** A guest's large page that holds one of the tables it is reached by is mapped by small ones. */
  readonly selfMapSmall: boolean;
}

/** Reads complete option values. */
export function readShadowPolicy(options: OptionValues, policy: X86Policy): ShadowPolicy {
  const on = (name: string): boolean => options[name] === 'Y';
  const tdp = on('npt');
  return {
    tdp,
    // Legacy paging has A and D bits always.
    adBits: tdp ? policy.adBits : true,
    tableAccess: policy.tableAccess,
    pml: policy.pml && tdp,
    maxLeafLevel: policy.maxLeafLevel,
    nxHugePages: policy.nxHugePages,
    nxPrecise: policy.nxPrecise,
    dirtyOnRefault: policy.dirtyOnRefault,
    fixedInHandler: policy.fixedInHandler,
    fastFixHuge: policy.fastFixHuge,
    fastForAll: policy.fastForAll,
    markUnloggedDirty: policy.markUnloggedDirty,
    eagerSplit: policy.eagerPageSplit && tdp && on('tdp_mmu') && on('shadowed_access_cache'),
    prefetchKeeps: policy.spuriousIfAllowed,
    childRoleCheck: on('child_role_check'),
    flushOnLink: on('flush_on_link'),
    prefetchLastRun: on('prefetch_last_run'),
    syncSameSpte: on('sync_same_spte'),
    syncKeepsAccessed: on('sync_keeps_accessed'),
    presentIsRights: tdp && policy.ept,
    selfMapSmall: on('self_map_small'),
  };
}
