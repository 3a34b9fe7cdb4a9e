/**
 * Errors of the arm64 backend, by code.
 */
import { InvariantError, MmulabError } from '@mmulab/api';

/** EAGER_SPLIT_CHUNK: not the size of a page or block, or a kernel that does not split eagerly. */
export function badSplitChunk(bytes: number, why: string): MmulabError {
  return new MmulabError('EAGER_SPLIT_CHUNK', `backend.options.eager_split_chunk: ${bytes}: ${why}`);
}

/** EXPORT_GRANULE, EXPORT_IPA_BITS, EXPORT_VCPUS: something the trace language has no words for. */
export function notExportable(code: 'EXPORT_GRANULE' | 'EXPORT_IPA_BITS' | 'EXPORT_VCPUS', what: string, expected: string): MmulabError {
  return new MmulabError(code, `export casemate: ${what}: expected ${expected}`);
}

/** EXPORT_LOCK: two threads are in sections of mmu_lock that exclude each other. */
export function lockOverlap(thread: number, other: number): InvariantError {
  return new InvariantError('EXPORT_LOCK', `thread ${thread} takes mmu_lock, which thread ${other} holds`, 0, 0, '');
}

/** EXPORT_OMISSION: nothing that can be left out of a trace. */
export function badOmission(text: string): MmulabError {
  return new MmulabError('EXPORT_OMISSION', `export casemate: ${text}: expected no-break, no-leaf-break, no-tlbi, or no-tlbi:N for the N-th break`);
}

/** EXPORT_OMISSION: the run has nothing of what was to be left out. */
export function nothingOmitted(text: string, breaks: number): MmulabError {
  return new MmulabError(
    'EXPORT_OMISSION',
    `export casemate: ${text}: leaves nothing out: the run invalidates after ${breaks} break${breaks === 1 ? '' : 's'}`,
  );
}

/** EXPORT_UNKNOWN: a form in which the backend writes no traces. */
export function unknownExport(name: string): MmulabError {
  return new MmulabError('EXPORT_UNKNOWN', `export ${name}: arm64-stage2 has casemate`);
}

/** GUEST_NESTED: a workload with a nested guest. */
export function nestedGuest(): MmulabError {
  return new MmulabError('GUEST_NESTED', 'arm64-stage2 runs no nested guests: use x86-shadow');
}

/** GUEST_REGISTER: a workload writes a register that arm64 does not have. */
export function foreignRegister(register: string): MmulabError {
  return new MmulabError('GUEST_REGISTER', `${register}: not a register of arm64 that the stage-2 MMU sees`);
}

/** HOST_IPA_BITS: a guest address width that granule, CPU or kernel rules out. */
export function badIpaBits(bits: number, granule: string, limit: number, why: string): MmulabError {
  return new MmulabError('HOST_IPA_BITS', `${bits} bits of guest physical address with a ${granule} granule: expected 32 to ${limit} (${why})`);
}

/** HOST_IPA_LIMIT: a machine whose address width does not exist. */
export function badIpaLimit(bits: number): MmulabError {
  return new MmulabError('HOST_IPA_LIMIT', `host.ipa_limit: ${bits}: expected 0 (that of the CPU) or one of 32, 36, 40, 42, 44, 48, 52`);
}

/** OPTION_MMU_LOCK: switches that exclude each other. */
export function badCombination(what: string, why: string): MmulabError {
  return new MmulabError('OPTION_COMBINATION', `backend.options: ${what}: ${why}`);
}

/** STAGE2_GRANULE: not a granule of the architecture. */
export function badGranule(bytes: number): MmulabError {
  return new MmulabError('STAGE2_GRANULE', `a granule of ${bytes} bytes: expected 4096, 16384 or 65536`);
}
