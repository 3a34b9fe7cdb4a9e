/**
 * Which cache maintenance a new mapping needs, and who does it.
 *
 * Before 5.14 the abort handler cleaned the data cache for every translation fault that got as far as the lock, and invalidated the instruction cache for every
 * instruction fault, useful or not. Since then it is the walkers' duty, told to them through mm_ops: clean when a leaf of Normal memory is written, invalidate when the
 * leaf is executable; invalidate when rights to execute are added.
 *
 * Models: Linux arch/arm64/kvm/mmu.c user_mem_abort() (up to 5.13), arch/arm64/kvm/hyp/pgtable.c stage2_map_walker_try_leaf(),
 * stage2_attr_walker() (from 5.14 on).
 */
import type { Stage2Attrs } from './descriptor';
import { Stage2Action } from './protocols';

/** Protocol that writes a leaf, with the maintenance that is the walker's. */
export function makeAction(attrs: Stage2Attrs, attr: number, walkerCmo: boolean): number {
  if (!walkerCmo) return Stage2Action.MakeLeaf;
  const clean = attrs.isNormal(attr);
  const invalidate = attrs.isExecutable(attr);
  if (clean) return invalidate ? Stage2Action.CleanInvalMake : Stage2Action.CleanMake;
  return invalidate ? Stage2Action.InvalMake : Stage2Action.MakeLeaf;
}

/** Protocol that changes the rights of a leaf. */
export function relaxAction(attrs: Stage2Attrs, oldAttr: number, newAttr: number, walkerCmo: boolean): number {
  const becomesExecutable = !attrs.isExecutable(oldAttr) && attrs.isExecutable(newAttr);
  return walkerCmo && becomesExecutable ? Stage2Action.InvalSetAttr : Stage2Action.SetAttr;
}

/** Nominal nanoseconds of one data-cache line cleaned to the point of coherency: the fit of the published 1 GiB rows (7.68 ns per 64 bytes). */
const NS_PER_BYTE = 7.68 / 64;

/** Nominal duration of cleaning a leaf. */
export function cleanNs(sizeBytes: number): number {
  return Math.round(sizeBytes * NS_PER_BYTE);
}
