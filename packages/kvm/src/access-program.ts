/**
 * A vCPU's run of data accesses as a program the engine may lift.
 *
 * Models nothing of its own: each page goes through the architecture's fault path. The constants name all the outcome of a block depends on, the
 * context what depends on where in the slot the block lies. Hot path.
 */
import { AccessKind } from '@mmulab/api';
import type { HostFault } from '@mmulab/api';
import { NOT_LIFTED as NOT_LIFTED_CONTEXT } from '@mmulab/pgtable';
import type { FrameMap, Journal, RunProgram } from '@mmulab/pgtable';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

// Bound here: a name that another package re-exports is a call of a getter.
const { Write } = AccessKind;
const NOT_LIFTED: number = NOT_LIFTED_CONTEXT;

/** Pages of a part of a block worth being remembered where the single page is cheap. */
const LEAST_PART = 32;

/** Performs one access, all its faults included. */
export interface AccessPath {
  /** @param guestTable 1 when the hardware touches a page of the guest's tables, else 0 */
  access(vcpu: number, gfn: number, kind: number, guestTable: number): void;
}

/** What leaves of an attribute let through. */
export interface LeafRights {
  /** Whether an access passes and leaves the entry as it is. */
  isStable(attr: number, kind: number): boolean;
}

/** Pattern of a run over guest frames. */
export interface AccessPattern {
  /** Frame of the pattern's access number `firstIndex`. */
  readonly gfn: number;
  readonly count: number;
  readonly stride: number;
  readonly kind: AccessKind;
  readonly writeEvery: number;
  /** Index of the first access within the whole run: decides which ones are writes. */
  readonly firstIndex: number;
}

/** One run of one vCPU within one memslot. */
export class AccessProgram implements RunProgram {
  readonly frameMaps: readonly FrameMap[];
  readonly origin: number;
  readonly stride: number;
  readonly period: number;
  /** See RunProgram: for backends whose accesses go the long way each. */
  leastPart = LEAST_PART;
  private readonly writes: boolean;
  private readonly others: boolean;

  /**
   * @param more what else of the backend's decides beside pattern and slot
   * @param slot the slot all frames lie in
   */
  constructor(
    private readonly more: string | number,
    readonly journal: Journal,
    private readonly vcpu: number,
    private readonly pattern: AccessPattern,
    private readonly slot: Memslot,
    private readonly slots: Memslots,
    private readonly path: AccessPath,
    private readonly leaves: LeafRights,
    /** 1 when the accesses are the hardware's to pages of the guest's tables. */
    private readonly guestTable = 0,
    /** Whether the root run on is the only table a host notification can reach. */
    private readonly alone = true,
  ) {
    const { kind, stride, writeEvery } = pattern;
    this.frameMaps = slots.pageMaps;
    this.stride = stride;
    this.origin = pattern.gfn - pattern.firstIndex * stride;
    this.period = stride * (writeEvery > 1 ? writeEvery : 1);
    this.writes = writeEvery > 0 || kind === Write;
    this.others = kind !== Write && writeEvery !== 1;
    slots.rings?.act(vcpu);
  }

  /** Made when it is wanted: runs that are too short to be lifted are many. */
  get constants(): string {
    const { slot, slots, guestTable, more } = this;
    const { kind, stride, writeEvery } = this.pattern;
    return `access/${kind}/${stride}/${writeEvery}/${slots.likenessOf(slot)}/${slot.logged}/${guestTable}/${more}`;
  }

  block(from: number, to: number): void {
    const { stride, kind, writeEvery } = this.pattern;
    let index = Math.ceil((from - this.origin) / stride);
    for (let gfn = this.origin + index * stride; gfn < to; gfn += stride, index++) {
      const access = writeEvery > 0 && index % writeEvery === 0 ? Write : kind;
      this.path.access(this.vcpu, gfn, access, this.guestTable);
    }
  }

  isStable(attr: number): boolean {
    if (this.writes && !this.leaves.isStable(attr, Write)) return false;
    return !this.others || this.leaves.isStable(attr, this.pattern.kind);
  }

  context(gfn: number, level: number): number {
    if (this.slot.hostReach > level && !this.slots.isHostStable(this.slot, gfn, level, this.writes)) return NOT_LIFTED;
    // A notification takes the pages out of all roots; what is remembered of a block speaks of one.
    if (!this.alone && this.mayNotify(gfn, level)) return NOT_LIFTED;
    return this.slot.maxLevel(gfn);
  }

  /** Whether a host fault in the block may call the MMU notifier. */
  private mayNotify(gfn: number, level: number): boolean {
    const frames = this.slots.hostStates;
    const { faults } = this.slot.spec.backing;
    if (!faults.some(fault => fault.notifications.length > 0)) return false;
    const state = frames.get(gfn);
    const notifies = (fault: HostFault | undefined): boolean => fault !== undefined && fault.notifications.length > 0;
    return frames.uniformValue(level, gfn) !== state || notifies(faults[state * 2]) || (this.writes && notifies(faults[state * 2 + 1]));
  }
}
