/**
 * The arm64 stage-2 backend. Reading order: the shape of the tables, what their entries say, the world around them (mm_ops, TLBs, caches), protocols
 * and rules (map, attributes, unmap, split), the tables, the abort path, dirty logging and notifiers, the backend.
 */
export { archLevel, leafBytes, stage2Shape } from './stage2-geometry';
export type { Stage2Shape } from './stage2-geometry';
export { Pte, Stage2Attrs } from './descriptor';
export { CPUS } from './cpus';
export type { Cpu } from './cpus';
export { CountingMmOps, Stage2MmOps } from './mm-ops';
export { TlbInvalidations } from './tlbi';
export { stage2Protocols } from './protocols';
export { MapOp, MapRule, MapStep, MakeOp, MakeRule, mapStep } from './map';
export { Stage2PolicyReader, readPolicy } from './policy';
export type { Stage2Policy } from './policy';
export { RelaxRule, WriteProtectRule } from './attr';
export { UnmapRule } from './unmap';
export { SplitRule } from './split';
export { Stage2Rules } from './stage2-rules';
export { Ev, stage2Events } from './events';
export { stage2Definition } from './definition';
export { stage2HostOptions, stage2Options, stage2Profiles } from './profiles';
export { Stage2Mmu } from './stage2-mmu';
