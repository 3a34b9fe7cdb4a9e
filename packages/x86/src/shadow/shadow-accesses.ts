/**
 * Accesses of vCPUs one by one: the hardware's own to the guest's tables first, where it walks them, then the one that is meant. So go those to memory that shadow pages
 * map, and all of a guest that writes its tables.
 *
 * Hot path.
 */
import { ACCESS_DONE as DONE_CODE } from '@mmulab/api';
import type { AccessKind, AccessRun, Counters } from '@mmulab/api';
import { PendingAccesses, accessKind } from '@mmulab/kvm';
import type { AccessPath, StagedPath } from '@mmulab/kvm';
import type { VcpuStates } from '../vcpu-state';
import type { ShadowBlocks } from './shadow-blocks';
import type { VcpuSpaces } from './vcpu-spaces';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;

/** Accesses of all vCPUs of one VM. */
export class ShadowAccesses {
  private readonly pending: PendingAccesses;

  constructor(
    private readonly vcpus: VcpuStates,
    private readonly spaces: VcpuSpaces,
    private readonly path: AccessPath & StagedPath,
    private readonly counters: Counters,
    private readonly blocks?: ShadowBlocks,
  ) {
    this.pending = new PendingAccesses(vcpus.count, spaces, path);
  }

  /** A run of accesses, all their faults included. */
  run(vcpu: number, run: AccessRun): void {
    const { blocks } = this;
    blocks?.begin();
    for (let i = 0; i < run.count;) {
      const made = blocks === undefined ? 0 : blocks.take(vcpu, run, i);
      if (made === 0) this.access(vcpu, run.vfn + i * run.stride, accessKind(run, i));
      i += made || 1;
    }
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  /** One access, all its faults included. */
  touch(vcpu: number, vfn: number, kind: AccessKind): void {
    this.access(vcpu, vfn, kind);
    this.vcpus.countFulls(vcpu, this.counters.now);
  }

  /** Begins one access that may interleave. @returns the first stage due, or ACCESS_DONE */
  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    return this.ended(vcpu, this.pending.begin(vcpu, vfn, kind));
  }

  /** Runs the stage due. @returns the next one, or ACCESS_DONE */
  advance(vcpu: number): number {
    return this.ended(vcpu, this.pending.advance(vcpu));
  }

  private access(vcpu: number, vfn: number, kind: AccessKind): void {
    const { spaces, path } = this;
    for (let level = spaces.levels(vcpu); level > 0; level--) {
      const frame = spaces.frameAt(vcpu, level, vfn, kind);
      if (frame >= 0) path.access(vcpu, frame, spaces.tableAccess, 1);
    }
    const frame = spaces.frameAt(vcpu, 0, vfn, kind);
    if (frame >= 0) path.access(vcpu, frame, kind, 0);
  }

  /** @returns the stage due */
  private ended(vcpu: number, stage: number): number {
    if (stage === ACCESS_DONE) this.vcpus.countFulls(vcpu, this.counters.now);
    return stage;
  }
}
