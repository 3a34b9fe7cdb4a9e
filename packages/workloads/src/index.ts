/**
 * The KVM selftests as workloads. Reading order: where a test's memory lies, how command lines become options, then the tests.
 */
export { layOutGuest, pagesAtLevel } from './guest-layout';
export type { GuestLayout, GuestLayoutSpec } from './guest-layout';
export { ARM64_GUEST, X86_GUEST, guestArch } from './guest-image';
export type { GuestArch, GuestImage, ImageSegment, ProgramName } from './guest-image';
export { GuestTableBuilder } from './guest-tables';
export type { TableAllocator } from './guest-tables';
export { MODE_NUMBERS, resolveGuestMode } from './guest-mode';
export type { Generation } from './generation';
export type { GuestMode } from './guest-mode';
export { defineWorkload, parseCommandLine, usageText } from './command-line';
export type { CommandFlag, CommandSyntax, RawOptions, RefusedFlag, SwitchFlag, ValueFlag, WorkloadSyntax } from './command-line';
export { MAX_TEST_MEMORY_BYTES, MAX_VCPUS } from './option-values';
export { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
export { ExecutePerf, executePerfDefinition } from './execute-perf';
export { KvmPageTable, kvmPageTableDefinition } from './kvm-page-table';
export { AccessRounds, accessRoundsDefinition } from './access-rounds';
export { AccessTracking, accessTrackingDefinition } from './access-tracking';
export { DemandPaging, demandPagingDefinition } from './demand-paging';
export { CrChurn, crChurnDefinition } from './cr-churn';
export { Cr0WpChurn, cr0WpChurnDefinition } from './cr0-wp-churn';
export { NestedRounds, nestedRoundsDefinition } from './nested-rounds';
