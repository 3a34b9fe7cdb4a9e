/**
 * The rules of the TDP MMU as a service: a patch puts a class of its own in the place of one of them, and everything else stays as it is.
 */
import { tdpProtocols } from './protocols';
import { FastFaultRule, HardwareWalkRule, TdpMapRule } from './map-rule';
import {
  AgeRule,
  ClearDirtyRule,
  EagerSplitRule,
  RecoverRule,
  UnmapRule,
  UnmapTablesRule,
  WriteProtectHugeRule,
  WriteProtectRule,
} from './range-rules';

/** A class per rule, what its constructor is given being that of the class here; and the protocols. */
export const tdpRules = {
  /** What a fault does to the entries on its way down. */
  map: TdpMapRule,
  /** The lockless path. */
  fastFault: FastFaultRule,
  /** The hardware's own walk. */
  hardwareWalk: HardwareWalkRule,
  writeProtect: WriteProtectRule,
  /** As logging starts on a bitmap that is full. */
  writeProtectHuge: WriteProtectHugeRule,
  clearDirty: ClearDirtyRule,
  eagerSplit: EagerSplitRule,
  age: AgeRule,
  /** MMU notifiers: leaves, and the tables wholly inside the range. */
  unmap: UnmapRule,
  unmapTables: UnmapTablesRule,
  /** Huge leaves come back when logging stops. */
  recover: RecoverRule,
  /** The atomic steps that carry a verdict out; what a verdict names is the place in the list. */
  protocols: tdpProtocols,
};

/** Token of the rules. */
export const TdpRules = Symbol.for('mmulab.x86.TdpRules');
export type TdpRules = typeof tdpRules;
