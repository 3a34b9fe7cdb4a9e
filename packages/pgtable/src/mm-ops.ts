/**
 * What a table engine is given by the world it lives in.
 *
 * `MmOps` are the memory-management callbacks of that world: an absent one is a duty this world does not have, and costs nothing. `Bookkeeper` is
 * the one point every change of an entry passes, whoever makes it. Both are told of `count` equal events at once where a range is lifted.
 */
import { Effect, Step } from '@mmulab/api';
import type { Change, EntryKind } from '@mmulab/api';

/** Callbacks into the host's memory management. Addresses are frames; `level` is that of the entry concerned. */
export interface MmOps {
  /** A table page is taken (to be linked below an entry of `level`). */
  zallocPage?(gfn: number, level: number, count: number): void;
  /** A table page goes back: it was never linked, or its last reference is gone. */
  freePage?(gfn: number, level: number, count: number): void;
  /** The same after a grace period. */
  deferFree?(gfn: number, level: number, count: number): void;
  getPage?(gfn: number, level: number, count: number): void;
  putPage?(gfn: number, level: number, count: number): void;
  dcacheCleanInvalPoc?(gfn: number, level: number, count: number): void;
  icacheInvalPou?(gfn: number, level: number, count: number): void;
  tlbi?(gfn: number, level: number, count: number): void;
  /** A request to flush remote TLBs. */
  flushRemoteTlbs?(gfn: number, level: number, count: number): void;
}

/** Told of every transition of an entry. */
export interface Bookkeeper {
  /**
   * `count` entries of `level` went from old to new. For tables the attribute is the table attribute. `gfn` is a frame of the first of them; they are
   * neighbours.
   */
  changed(gfn: number, level: number, oldKind: EntryKind, oldAttr: number, newKind: EntryKind, newAttr: number, count: number): void;
  /** `count` tables linked below neighbouring entries of `level` from `gfn` on are to be tracked (`Effect.Track`). */
  track?(gfn: number, level: number, count: number): void;
  /** A table below the entry of `level` at `gfn` goes, with all below it: called once, before its entries are reported one by one. */
  subtreeRemoved?(gfn: number, level: number, count: number): void;
  /** A rule was shown `count` neighbouring entries of `level` from `gfn` on and asks for that to be counted (`Effect.Count`), whatever became of them. */
  visited?(gfn: number, level: number, count: number): void;
  /** The page at `gfn` becomes dirty (`Effect.MarkDirty`). */
  markDirty?(gfn: number): void;
  /** A change of the entry of `level` at `gfn` was lost to another walk: a table taken for it goes back. Interleaved walks only. */
  lost?(gfn: number, level: number, change: Change): void;
}

/** One of the callbacks. */
export type MmCall = (gfn: number, level: number, count: number) => void;

const CALLS: Readonly<Partial<Record<Step, keyof MmOps>>> = {
  [Step.AllocTable]: 'zallocPage',
  [Step.Flush]: 'flushRemoteTlbs',
  [Step.Tlbi]: 'tlbi',
  [Step.DcacheClean]: 'dcacheCleanInvalPoc',
  [Step.IcacheInval]: 'icacheInvalPou',
  [Step.GetPage]: 'getPage',
  [Step.PutPage]: 'putPage',
  [Step.FreeSubtree]: 'freePage',
  [Step.DeferFree]: 'deferFree',
};

/** The callback a protocol step makes; undefined for steps that are no calls. */
export function callOf(step: Step): keyof MmOps | undefined {
  return CALLS[step];
}

/**
 * Makes the call a step is, once. Freezing an entry and detaching what it pointed to are none: they show nowhere as long as nobody comes between. The table engine,
 * which calls for many entries at once, has its calls compiled.
 */
export function callOut(mmOps: MmOps, step: Step, gfn: number, level: number): void {
  const call = CALLS[step];
  if (call !== undefined) mmOps[call]?.(gfn, level, 1);
}

/** Brings a verdict's own effects about at one entry. @param effects `Effect` bits; @returns those that outlive the visit */
export function carryEffects(mmOps: MmOps, book: Bookkeeper, effects: number, gfn: number, level: number): number {
  if ((effects & Effect.FlushNow) !== 0) mmOps.flushRemoteTlbs?.(gfn, level, 1);
  if ((effects & Effect.Track) !== 0) book.track?.(gfn, level, 1);
  if ((effects & Effect.MarkDirty) !== 0) book.markDirty?.(gfn);
  if ((effects & Effect.Count) !== 0) book.visited?.(gfn, level, 1);
  return effects & ~Effect.Count;
}
