/**
 * Accesses that vCPUs have begun and that may interleave: the guest's table pages from the top down, then the data.
 *
 * The hardware comes to a frame through the guest's own tables, whose pages need second-stage mappings themselves; each page it touches may fault, and a fault goes
 * stage by stage. Between two stages other vCPUs act, so what is left of an access is kept here: how far down the walk is, and the stage that is due. Hot path.
 */
import { ACCESS_DONE as DONE_CODE, type AccessKind } from '@mmulab/api';

// Bound here: a name that another package re-exports is a call of a getter.
const ACCESS_DONE: number = DONE_CODE;

/** Performs one access stage by stage. */
export interface StagedPath {
  /** The hardware's walk for a new access. @param guestTable 1 when it touches a page of the guest's tables; @returns ACCESS_DONE, or the first stage of its fault */
  start(vcpu: number, gfn: number, kind: number, guestTable: number): number;
  /** Runs one stage. @returns the next one, or ACCESS_DONE */
  stage(vcpu: number, stage: number): number;
}

/** How vCPUs come to their data. */
export interface GuestWalks {
  /** What the hardware does to a page of the guest's tables. Undefined: what it does to the data. */
  readonly tableAccess: AccessKind | undefined;
  /** Levels of guest tables that the hardware walks on the way to a virtual frame; 0 where it walks none, or is known to touch no page there. */
  levels(vcpu: number, vfn: number): number;
  /** The frame touched at a level on the way to a virtual frame, or -1 where none is. Level 0 is the data; `kind` is that of the access to it. */
  frameAt(vcpu: number, level: number, vfn: number, kind: AccessKind): number;
}

/** The accesses that the vCPUs of one VM have begun. */
export class PendingAccesses {
  private readonly vfn: Float64Array;
  private readonly kind: Uint8Array;
  /** Level that is touched next; -1 when all are. */
  private readonly level: Int8Array;
  private readonly due: Int8Array;

  constructor(
    vcpus: number,
    private readonly walks: GuestWalks,
    private readonly path: StagedPath,
  ) {
    this.vfn = new Float64Array(vcpus);
    this.kind = new Uint8Array(vcpus);
    this.level = new Int8Array(vcpus).fill(-1);
    this.due = new Int8Array(vcpus).fill(ACCESS_DONE);
  }

  /** Begins an access. @returns the first stage due, or ACCESS_DONE */
  begin(vcpu: number, vfn: number, kind: number): number {
    this.vfn[vcpu] = vfn;
    this.kind[vcpu] = kind;
    this.level[vcpu] = this.walks.levels(vcpu, vfn);
    return this.proceed(vcpu);
  }

  /** Runs the stage due. @returns the next one, or ACCESS_DONE */
  advance(vcpu: number): number {
    const next = this.path.stage(vcpu, this.due[vcpu]);
    if (next === ACCESS_DONE) return this.proceed(vcpu);
    this.due[vcpu] = next;
    return next;
  }

  /** Another stage is due: turns of a fault that goes round have been left out. */
  resumeAt(vcpu: number, stage: number): void {
    this.due[vcpu] = stage;
  }

  /** The stage due of a fault on the data; ACCESS_DONE where there is none, or it is one on the way there. */
  dueOfData(vcpu: number): number {
    return this.level[vcpu] < 0 ? this.due[vcpu] : ACCESS_DONE;
  }

  /** A vCPU's access has come to the data, and a stage of a fault there is due. */
  putAtData(vcpu: number, vfn: number, kind: number, stage: number): void {
    this.vfn[vcpu] = vfn;
    this.kind[vcpu] = kind;
    this.level[vcpu] = -1;
    this.due[vcpu] = stage;
  }

  /** Goes on down the walk until a fault's stage is due. */
  private proceed(vcpu: number): number {
    const { walks, path, level } = this;
    const vfn = this.vfn[vcpu];
    for (let at = level[vcpu]; at >= 0; at--) {
      const frame = walks.frameAt(vcpu, at, vfn, this.kind[vcpu] as AccessKind);
      if (frame < 0) continue;
      const stage = at === 0 ? path.start(vcpu, frame, this.kind[vcpu], 0) : path.start(vcpu, frame, walks.tableAccess ?? this.kind[vcpu], 1);
      if (stage === ACCESS_DONE) continue;
      level[vcpu] = at - 1;
      this.due[vcpu] = stage;
      return stage;
    }
    level[vcpu] = -1;
    return ACCESS_DONE;
  }
}
