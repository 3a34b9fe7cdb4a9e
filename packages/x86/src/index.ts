/**
 * x86 backends. Reading order: what an SPTE says (spte), options and releases as switches (options, switches, policy), what a VM has (memslots, vCPU state, journal),
 * then the TDP MMU, and the services that a patch may rebind: the policy's reader, the rules.
 */
export { Ev, x86Events } from './events';
export { x86HostOptions, x86Options } from './options';
export { x86Profiles, x86Switches } from './switches';
export { Spte, SpteAttrs, TableBit } from './spte';
export { X86PolicyReader } from './policy';
export type { X86Policy } from './policy';
export { RetPf } from './ret-pf';
export { FastFaultRule, FastOp, HardwareWalkRule, HwOp, HwWalk, MapOp, TdpMapRule } from './tdp/map-rule';
export { TdpAction, tdpProtocols } from './tdp/protocols';
export {
  AgeRule,
  ClearDirtyRule,
  EagerSplitRule,
  RecoverRule,
  UnmapRule,
  UnmapTablesRule,
  WriteProtectHugeRule,
  WriteProtectRule,
} from './tdp/range-rules';
export { TdpRules } from './tdp/tdp-rules';
export { tdpDefinition } from './tdp/definition';
export { TdpBackend } from './tdp/tdp-backend';
export { ShadowRules } from './shadow/shadow-rules';
export { LeafBits } from './shadow/shadow-spte';
export type { LeafMaterial } from './shadow/shadow-spte';
export { TreeRule } from './shadow/tree-rule';
export type { TreePolicy } from './shadow/tree-rule';
export { shadowDefinition } from './shadow/definition';
export { ShadowBackend } from './shadow/shadow-backend';
