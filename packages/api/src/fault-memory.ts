/**
 * Faults by memory of what their stages do: how a scheduler looks ahead.
 *
 * A *situation* is all that a vCPU's access carries with it at one moment, as a number: which stage is due, and what earlier ones have found. What happens when that stage ends
 * hangs on the situation and on the page: that is an *outcome*, a number too. Most outcomes change nothing but the situation: a scheduler takes them ahead of time, without an
 * event, and takes those back that looked at a page somebody changed before their time. Backends that answer from memory promise that an outcome is that of `begin` or
 * `advance`, counters included.
 */
import type { AccessKind } from './access';
import type { Vfn } from './units';

/** `stages` of a situation in which no stage is due: the access is about to begin. */
export const BEGINS = -1;

/** What of a page an outcome looked at, or changed: its entry, the host's page behind it, its dirty bit. To be combined. */
export const PageLook = { Entry: 1, Host: 2, Dirty: 4 } as const;

/** Bits of a page's look as `FaultMemory.lookOf` gives it. */
export const LOOK_BITS = 9;

/** Memory of the faults of one VM. Pages are numbered within the block a vCPU works in. */
export interface FaultMemory {
  /** Counts up with all that memory does not bring about itself: whoever has looked ahead looks again. */
  readonly stamp: number;
  /** By situation: the stage that is due, or BEGINS. The array is replaced as situations are met. */
  readonly stages: Int32Array;
  /** By situation: what its outcome hangs on, as a `PageLook`. Replaced likewise. */
  readonly looks: Int32Array;
  /**
   * What happens next: by situation, from its number shifted by LOOK_BITS on, and the page's look. An outcome that changes nothing of the page; one that does, less than 0; 0 where
   * it is not known. Replaced likewise.
   */
  readonly outcomes: Int16Array;
  /** How often outcomes came about that are not counted yet: by outcome, one for each vCPU. Whoever takes one adds 1, and 1 less when it is taken back. */
  readonly counts: Float64Array;
  /** By outcome: the situation it leads to; 0 when the access is made. */
  readonly after: Int32Array;
  /** By outcome: what it changes, as a `PageLook`; 0: nothing. */
  readonly changes: Int32Array;
  /** After `perform`: the situation it led to (0 when the access is made, negative where memory can not tell), and whether more was done than `changed` says. */
  readonly reached: number;
  readonly changed: number;
  readonly isMore: boolean;
  /** A vCPU has begun an access, and a stage is due. @returns its situation; 0 where memory is not to be asked */
  enter(vcpu: number, vfn: Vfn, kind: AccessKind): number;
  /** What was found when the vCPU entered may not hold any more: looks again. @param vfn a frame of its block @returns false where memory is not to be asked from now on */
  renew(vcpu: number, vfn: Vfn): boolean;
  /** First virtual frame of the block a vCPU works in, and the last page its accesses may go on to. */
  first(vcpu: number): Vfn;
  last(vcpu: number): number;
  /** The block, as a number that vCPUs which work in the same one have in common. */
  block(vcpu: number): number;
  /** The situation in which an access like the vCPU's present one is about to begin. */
  beginning(vcpu: number): number;
  /** How a page looks now, as a number: holds until something is brought about, performed, or `stamp` has moved. */
  lookOf(vcpu: number, page: number): number;
  /** Brings about what an outcome changes. @returns false when it has to be performed: nothing was done */
  bring(vcpu: number, outcome: number, page: number): boolean;
  /** Puts the backend where memory has got to. The vCPU's access is to a page, with a stage due. */
  restore(vcpu: number, situation: number, page: number): void;
  /** Has the backend perform what happens next, and remembers it. The vCPU's counters are selected. @returns the stage due then, or `ACCESS_DONE` */
  perform(vcpu: number, situation: number, page: number): number;
}
