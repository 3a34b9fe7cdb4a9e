/**
 * Runs of accesses: which kind each access has, and where a run is cut because the guest's mapping or the memslot ends. Hot path: `accessKind`.
 */
import { AccessKind, type AccessRun } from '@mmulab/api';
import type { GuestLayout } from './guest-layout';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

// Bound here: a name that another package re-exports is a call of a getter.
const { Write } = AccessKind;

/** Kind of access number `index` of a run. */
export function accessKind(run: AccessRun, index: number): AccessKind {
  return run.writeEvery > 0 && index % run.writeEvery === 0 ? Write : run.kind;
}

/** Performs pieces of a run. */
export interface PieceRunner {
  /**
   * Accesses `first` to `first + count` lie in one run of the guest's tables and one memslot; `gfn` is the frame of the first.
   * @returns how many of them it made: the rest is offered again
   */
  piece(vcpu: number, run: AccessRun, first: number, count: number, gfn: number, slot: Memslot): number;
  /** Access `first` lies in no memslot. */
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
    if (slot === undefined) {
      runner.outside(vcpu, run, index);
      index++;
      continue;
    }
    const inGuest = Math.min(run.count - index, Math.ceil((guest.vfn + guest.npages - vfn) / run.stride));
    const count = Math.min(inGuest, Math.ceil((slot.end - gfn) / run.stride));
    index += runner.piece(vcpu, run, index, count, gfn, slot);
  }
}
