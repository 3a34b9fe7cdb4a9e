/**
 * Runs of accesses: which kind each access has, and where a run is cut because the guest's mapping or the memslot ends, or a dirty ring may be full. Hot path: `accessKind`.
 */
import { AccessKind, type AccessRun, ENTRIES_PER_TABLE } from '@mmulab/api';
import type { GuestLayout } from './guest-layout';
import type { Memslot } from './memslot';
import type { Memslots, WrittenPages } from './memslots';

// Bound here: a name that another package re-exports is a call of a getter.
const { Write } = AccessKind;

/** Kind of access number `index` of a run. */
export function accessKind(run: AccessRun, index: number): AccessKind {
  return run.writeEvery > 0 && index % run.writeEvery === 0 ? Write : run.kind;
}

/**
 * Pages that an access may push to a dirty ring at most: its own is marked by its fault and logged by the hardware then; of the guest's table pages each access comes to one
 * that others share, or (with steps of a table's span) to all of its own.
 */
const [PUSHES_AT_SMALL_STEPS, PUSHES_AT_LARGE_STEPS] = [3, 12];
/** Table pages of the first access. */
const PUSHES_OF_TABLES = 12;

/**
 * How many accesses of a run cannot fill the vCPU's dirty ring: 1 where the next one may, which is then made alone. Many end with a block of the page table, so that as
 * many as may be are lifted.
 */
function accessesWithin(vcpu: number, run: AccessRun, gfn: number, slot: Memslot, slots: Memslots, rings: WrittenPages): number {
  const room = rings.roomFor(vcpu);
  // Reads push, too, where their faults map pages writable. Any exit may push what the hardware has logged before.
  if (!slot.logged && !slots.areTablesLogged && room >= 0) return Infinity;
  const each = run.stride < ENTRIES_PER_TABLE ? PUSHES_AT_SMALL_STEPS : PUSHES_AT_LARGE_STEPS;
  const count = Math.floor((room - PUSHES_OF_TABLES) / each);
  if (count < 1) return 1;
  const end = gfn + count * run.stride;
  const blockEnd = end - (end % slots.geometry.pagesAt(2));
  return blockEnd > gfn ? Math.ceil((blockEnd - gfn) / run.stride) : count;
}

/** Performs pieces of a run. */
export interface PieceRunner {
  /**
   * Accesses `first` to `first + count` lie in one run of the guest's tables and one memslot; `gfn` is the frame of the first.
   * @returns how many of them it made: the rest is offered again
   */
  piece(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): number;
  /** Access `first` goes by itself: it lies in no memslot, or may fail. */
  outside(vcpu: number, run: AccessRun, first: number): void;
}

/** Cuts a run at the borders of guest mappings and memslots, and performs its pieces in order. */
export function eachPiece(vcpu: number, run: AccessRun, layout: GuestLayout, slots: Memslots, runner: PieceRunner): void {
  let index = 0;
  while (index < run.count) {
    const vfn = run.vfn + index * run.stride;
    const guest = layout.runAt(vfn);
    const gfn = guest.gfn + (vfn - guest.vfn);
    const slot = slots.find(gfn);
    // Where an access may fail for good, all before it have to be made in their order.
    if (slot === undefined || slot.mayRefuse) {
      runner.outside(vcpu, run, index);
      index++;
      continue;
    }
    const inGuest = Math.min(run.count - index, Math.ceil((guest.vfn + guest.npages - vfn) / run.stride));
    const inSlot = Math.min(inGuest, Math.ceil((slot.end - gfn) / run.stride));
    const count = slots.rings === undefined ? inSlot : Math.min(inSlot, accessesWithin(vcpu, run, gfn, slot, slots, slots.rings));
    index += runner.piece(vcpu, run, index, count, gfn, slot);
  }
}
