/**
 * The rules of stage 2 as a service: a patch puts a class of its own in the place of one of them, and everything else stays as it is.
 */
import { AgeRule, HardwareWalkRule, MkyoungRule, RelaxRule, WriteProtectRule } from './attr';
import { MakeRule, MapRule } from './map';
import { stage2Protocols } from './protocols';
import { SplitRule } from './split';
import { UnmapRule } from './unmap';

/** A class per rule, what its constructor is given being that of the class here; and the protocols. */
export const stage2Rules = {
  /** The map walker's way down, and the store that ends it. */
  map: MapRule,
  make: MakeRule,
  /** Rights are added. */
  relax: RelaxRule,
  mkyoung: MkyoungRule,
  /** The hardware's own walk. */
  hardwareWalk: HardwareWalkRule,
  writeProtect: WriteProtectRule,
  age: AgeRule,
  unmap: UnmapRule,
  /** Eager splitting. */
  split: SplitRule,
  /** The atomic steps that carry a verdict out; what a verdict names is the place in the list. */
  protocols: stage2Protocols,
};

/** Token of the rules. */
export const Stage2Rules = Symbol.for('mmulab.arm64.Stage2Rules');
export type Stage2Rules = typeof stage2Rules;
