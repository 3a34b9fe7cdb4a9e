/**
 * What surrounds the TDP fault path: the VM it asks, the frames it must not map as it likes, and its policy.
 */
import type { FastFaultPolicy } from '../fast-fault';
import type { X86Vm } from '../x86-vm';
import type { TdpRoot } from './tdp-mmu';

/** What the TDP MMU's paths ask of the VM around them. */
export interface TdpFaultVm extends X86Vm {
  /** Root of a vCPU; it is loaded while the vCPU is in the guest. */
  root(vcpu: number): TdpRoot;
  /** Whether the vCPU has nothing to serve, and no pages logged by hardware. */
  isCalm(vcpu: number): boolean;
  /** Whether a nested guest has tables of its own over the same memory. */
  readonly hasNested: boolean;
}

/** Policy switches of the fault path. */
export interface FaultPolicy extends FastFaultPolicy {
  readonly fastPageFault: boolean;
  /** Faults hold mmu_lock for reading, and may race; else they exclude each other. */
  readonly parallelFaults: boolean;
  readonly nxHugePages: boolean;
  /** Spurious results count as fixed. */
  readonly fixedInHandler: boolean;
  /** A huge leaf above the goal is split; else zapped. */
  readonly splitHugePages: boolean;
  /** Largest level of a leaf: 3, or 2 without 1 GiB pages. */
  readonly maxLeafLevel: number;
}
