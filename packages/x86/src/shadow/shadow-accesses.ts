/**
 * Accesses of vCPUs whose memory shadow pages map: the hardware's own to the guest's tables first, where it walks them, then the one that is meant.
 *
 * Hot path.
 */
import { ACCESS_DONE as DONE_CODE } from '@mmulab/api';
import type { AccessRun, Counters } from '@mmulab/api';
import { PendingAccesses, accessKind } from '@mmulab/kvm';
import type { VcpuStates } from '../vcpu-state';
import type { ShadowFaultPath } from './shadow-fault';
import type { VcpuSpaces } from './vcpu-spaces';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;

/** Accesses of all vCPUs on one legacy MMU. */
export class ShadowAccesses {
  private readonly pending: PendingAccesses;

  constructor(
    private readonly vcpus: VcpuStates,
    private readonly spaces: VcpuSpaces,
    private readonly path: ShadowFaultPath,
    private readonly counters: Counters,
  ) {
    this.pending = new PendingAccesses(vcpus.count, spaces, path);
  }

  /** A run of accesses, all their faults included. */
  run(vcpu: number, run: AccessRun): void {
    for (let i = 0; i < run.count; i++) this.access(vcpu, run.vfn + i * run.stride, accessKind(run, i));
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  /** One access, all its faults included. */
  touch(vcpu: number, vfn: number, kind: number): void {
    this.access(vcpu, vfn, kind);
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  /** Begins one access that may interleave. @returns the first stage due, or ACCESS_DONE */
  begin(vcpu: number, vfn: number, kind: number): number {
    return this.ended(vcpu, this.pending.begin(vcpu, vfn, kind));
  }

  /** Runs the stage due. @returns the next one, or ACCESS_DONE */
  advance(vcpu: number): number {
    return this.ended(vcpu, this.pending.advance(vcpu));
  }

  private access(vcpu: number, vfn: number, kind: number): void {
    const { spaces, path } = this;
    for (let level = spaces.levels(vcpu); level > 0; level--) {
      const frame = spaces.frameAt(vcpu, level, vfn);
      if (frame >= 0) path.access(vcpu, frame, spaces.tableAccess, 1);
    }
    path.access(vcpu, spaces.frameAt(vcpu, 0, vfn), kind, 0);
  }

  /** @returns the stage due */
  private ended(vcpu: number, stage: number): number {
    if (stage === ACCESS_DONE) this.vcpus.countFulls(vcpu, this.counters.now);
    return stage;
  }
}
