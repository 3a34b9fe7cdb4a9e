/**
 * Steps of a repeated part of a program that is some frames further on.
 */
import type { ControlWrite, GuestTableWrites } from '@mmulab/api';

/** A register write that names a frame, if it does, `shift` frames further on. */
export function shiftWrite(write: ControlWrite, shift: number): ControlWrite {
  return shift === 0 || !('vfn' in write) || write.vfn === undefined ? write : { ...write, vfn: write.vfn + shift };
}

/** Writes to tables `shift` entries further on: what they store, and what they copy, is further on too. */
export function shiftTableWrites(writes: GuestTableWrites, shift: number): GuestTableWrites {
  if (shift === 0) return writes;
  const { change } = writes;
  const first = writes.first + shift;
  if (change.kind === 'store') return { ...writes, first, change: { ...change, gfn: change.gfn + (shift / writes.stride) * change.step } };
  if (change.kind === 'copy') return { ...writes, first, change: { ...change, first: change.first + shift } };
  return { ...writes, first };
}
