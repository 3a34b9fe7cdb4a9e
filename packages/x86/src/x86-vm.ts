/**
 * What the fault paths of both MMUs ask of the VM around them.
 */
import type { Memslot } from '@mmulab/kvm';

/** One VM, as its MMUs see it. */
export interface X86Vm {
  /** Whether the vCPUs' dirty pages are logged by hardware now. */
  readonly pmlActive: boolean;
  /** The host takes pages away (MMU notifier). */
  invalidate(slot: Memslot, start: number, end: number): void;
  /** Whether the vCPU has to go to user space before it enters again: its dirty ring is soft full. */
  mustExit(vcpu: number): boolean;
  /** The vCPU enters again: by way of user space where it must, else its requests are served. */
  reenter(vcpu: number): void;
}

/** Frames of the VM that hold tables its shadow pages stand for. */
export interface ShadowedFrames {
  /** Largest level up to `level` at which a frame may be mapped. */
  maxLevel(gfn: number, level: number): number;
  /** Whether writes to a frame are emulated. */
  isTracked(gfn: number): boolean;
  /** Whether a frame must not become writable; last-level tables are let go of instead, unless it is mapped ahead (`prefetch`): then that is refused, too. */
  refusesWrite(gfn: number, prefetch?: boolean): boolean;
  /** A refused write was emulated. */
  emulated(gfn: number): void;
}
