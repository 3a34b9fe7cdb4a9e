/**
 * Errors of the backend, by code.
 */
import { KvmRunFailure, MmulabError } from '@mmulab/api';

/** KVM_RUN_FAILED: the guest faults for ever, as it does on this kernel. */
export function faultLoop(vcpu: number, gfn: number, looked: number): KvmRunFailure {
  return new KvmRunFailure(
    { vcpu, gfn },
    'endless fault loop: the block was mapped in small pages for dirty logging, and the fault handler rounds the address down to the transparent huge page before it looks ' +
      `for the leaf, so that it finds that of gfn 0x${looked.toString(16)} in order each time (thp_gpa=N looks for the page that faulted)`,
  );
}

/** RISCV_GPA_BITS: more guest physical address bits than the G-stage mode has. */
export function gpaBitsTooMany(bits: number, mode: string, most: number): MmulabError {
  return new MmulabError('RISCV_GPA_BITS', `${bits} bits of guest physical address: ${mode} has ${most}`);
}

/** RISCV_NESTED: a workload with a nested guest. */
export function nestedGuest(): MmulabError {
  return new MmulabError('RISCV_NESTED', 'riscv-gstage runs no nested guests');
}
