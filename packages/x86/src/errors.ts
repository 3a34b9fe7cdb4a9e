/**
 * Errors of the x86 backends, by code.
 */
import { InvariantError, KvmRunFailure, MmulabError } from '@mmulab/api';

/** OPTION_BACKEND_PAIR: module parameters that belong to the other x86 backend. */
export function backendPair(backend: string, npt: string, tdpMmu: string, other: string): MmulabError {
  const pair = `npt=${npt}, tdp_mmu=${tdpMmu}`;
  return new MmulabError('OPTION_BACKEND_PAIR', `backend.options: ${pair} is not ${backend}: use ${other} (--backend ${other}, and keep ${pair})`);
}

/** HOST_PHYS_BITS: an address width the machine cannot have. */
export function physBits(value: number, levels: number, limit: number): MmulabError {
  return new MmulabError(
    'HOST_PHYS_BITS',
    `host.maxphyaddr: ${value} bits with ${levels}-level tables: expected 32 to ${limit}, or 0 for the default`,
  );
}

/** GUEST_REGISTER_VALUE: a register write names something that is not there, or a value no register has. */
export function badRegisterValue(place: string, value: number, expected: string): MmulabError {
  return new MmulabError('GUEST_REGISTER_VALUE', `${place}: ${value}: expected ${expected}`);
}

/** GUEST_PAGING_MODE: the guest walks an address space in a paging mode its tables are not made for. */
export function badPagingMode(space: string, tables: number, mode: number): MmulabError {
  return new MmulabError('GUEST_PAGING_MODE', `address space ${space}: its tables have ${tables} levels, the vCPU walks ${mode}`);
}

/** GUEST_NESTED: L1 cannot enter or leave a nested guest now. */
export function badNestedTransition(what: string, why: string): MmulabError {
  return new MmulabError('GUEST_NESTED', `${what}: ${why}`);
}

/** VM_PRE_FAULT: KVM_PRE_FAULT_MEMORY of a vCPU whose tables are not direct (EOPNOTSUPP). */
export function preFaultRefused(why: string): MmulabError {
  return new MmulabError('VM_PRE_FAULT', `pre_fault: EOPNOTSUPP: ${why}: expected a vCPU on direct tables of two-dimensional paging`);
}

/** KVM_RUN_FAILED: every shadow page the limit allows is in use as a root. */
export function shadowPagesExhausted(vcpu: number, limit: number): KvmRunFailure {
  return new KvmRunFailure({ errno: 'ENOSPC', vcpu }, `all ${limit} shadow pages that the limit allows are roots in use, none can be recycled`);
}

/** SHADOW_PAGE_LIMIT: a limit on shadow pages that KVM does not take. */
export function badPageLimit(value: unknown, least: number): MmulabError {
  return new MmulabError(
    'SHADOW_PAGE_LIMIT',
    `x86.set_nr_mmu_pages: ${String(value)}: expected a whole number of pages from ${least} on (KVM answers EINVAL)`,
  );
}

/** GUEST_NESTED: a nested guest behind page tables of its own needs two-dimensional paging. */
export function nestedNeedsPaging(): MmulabError {
  return new MmulabError('GUEST_NESTED', 'vm.nested: L1 has second-stage tables of its own only with npt=Y (here npt=N)');
}

/** OPTION_NESTED_SPLIT: eager splitting of nested huge pages needs the guest's access bits. */
export function nestedSplitNeedsCache(): MmulabError {
  return new MmulabError(
    'OPTION_NESTED_SPLIT',
    'backend.options.eager_page_split: Y with shadowed_access_cache=N: nested huge pages cannot be split eagerly without the cached access bits (set eager_page_split=N, or shadowed_access_cache=Y)',
  );
}

/** PAE_ROOT_LINGERS: a vCPU has let go of all roots, and a PAE root of its is still alive. */
export function lingeringPaeRoot(vcpu: number): InvariantError {
  return new InvariantError('PAE_ROOT_LINGERS', `vCPU ${vcpu} has unloaded its roots, but a PAE root is left`, 0, 3, 'pae_root');
}
