/**
 * The KVM selftests as workloads, and what a workload of one's own is made of. Reading order: steps and phases, options and command lines, where a test's memory
 * lies, then the tests.
 */
export { accesses, destroyVmPhase, fetchPage, guestStep, hostSteps, phase, readPage, writePage } from './steps';
export { guestPages } from './guest-pages';
export type { GuestPageRun } from './guest-pages';
export { LazyPhases } from './lazy-phases';
export {
  MAX_TEST_MEMORY_BYTES,
  MAX_VCPUS,
  backingFlag,
  backingOption,
  bytesFlag,
  bytesOption,
  modeFlag,
  numberValue,
  overlapFlag,
  overlapOption,
  switchOption,
  switchValue,
  textValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
export { defineWorkload, parseCommandLine, usageText } from './command-line';
export type { CommandFlag, CommandSyntax, RawOptions, RefusedFlag, SwitchFlag, ValueFlag, WorkloadSyntax } from './command-line';
export { resolveSelftest, selftestOption } from './generation';
export type { Generation, Selftest } from './generation';
export { guestModeOption, resolveGuestMode } from './guest-mode';
export { MODE_NUMBERS } from './mode-numbers';
export { ARM64_GUEST, X86_GUEST } from './guest-image';
export { GuestTableBuilder } from './guest-tables';
export type { TableAllocator } from './guest-tables';
export { backingFrames, guestUnitFrames, layOutGuest, pagesAtLevel } from './guest-layout';
export type { GuestLayout, GuestLayoutSpec } from './guest-layout';
export { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
export { ExecutePerf, executePerfDefinition } from './execute-perf';
export { KvmPageTable, kvmPageTableDefinition } from './kvm-page-table';
export { AccessRounds, accessRoundsDefinition } from './access-rounds';
export { AccessTracking, accessTrackingDefinition } from './access-tracking';
export { DemandPaging, demandPagingDefinition } from './demand-paging';
export { CrChurn, crChurnDefinition } from './cr-churn';
export { Cr0WpChurn, cr0WpChurnDefinition } from './cr0-wp-churn';
export { NestedRounds, nestedRoundsDefinition } from './nested-rounds';
export { counterCheck, harvestChecks, sumCheck } from './checks';
export { NxHugePages, nxHugePagesDefinition } from './nx-huge-pages';
export { MemslotModificationStress, memslotModificationStressDefinition } from './memslot-modification-stress';
export { MemslotPerf } from './memslot-perf';
export { memslotPerfDefinition } from './memslot-perf-options';
export { DirtyLogTest, dirtyLogDefinition } from './dirty-log';
export { DirtyLogPageSplitting, dirtyLogPageSplittingDefinition } from './dirty-log-page-splitting';
