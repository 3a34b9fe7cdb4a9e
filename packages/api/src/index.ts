/**
 * The words everyone shares. Reading order of the package: units and accesses, memory, entries and rules, events and options, then the three
 * contracts (backend, workload, plugin), results and records, errors.
 */
export { ENTRIES_PER_TABLE, PAGES_PER_LEVEL, PAGE_SIZE_BYTES, formatSize, parseSize, parseTimeNs } from './units';
export type { Gfn, Hvf, Level, Pfn, Vfn } from './units';
export { AccessKind } from './access';
export type { AccessBatch } from './access-batch';
export type { AccessRun, GuestRun, GuestTableRun, GuestTables, RandomRun } from './access';
export { hostFault } from './memslot';
export type { DroppedPages, HostBacking, HostFault, HostNotification, HostState, MemslotSpec, PopulatedRun } from './memslot';
export { EntryKind } from './entry';
export type { Entry } from './entry';
export { Action, Change, Effect, Step, makeVerdict, verdictAction, verdictAttr, verdictEffects, verdictOutcome, verdictTableAttr } from './rule';
export type { Protocol, Rule, Verdict } from './rule';
export type { Counters, EventDef } from './events';
export { workEvents } from './work-events';
export type { WorkEventName } from './work-events';
export type {
  ChoiceOption,
  DefaultWhen,
  FlagOption,
  KernelProfile,
  NumberOption,
  OptionSpec,
  OptionValue,
  OptionValues,
  SizeOption,
  SwitchOption,
  TextOption,
} from './options';
export { compareReleases, kernelValues, newestProfile, parseRelease, profilesOf } from './kernel-releases';
export type { KernelSwitch, KernelTable, KernelValues, SwitchChange } from './kernel-releases';
export { ACCESS_DONE, BackendOptions, CountersToken, HostOptions, MmuBackend } from './backend';
export { BEGINS, LOOK_BITS, PageLook } from './fault-memory';
export type { FaultMemory } from './fault-memory';
export type { BackendDefinition, BackendMemory, FaultWaits, SharedPart, SharedRounds, StageDef, Translation } from './backend';
export { EntryState, FaultStep, HostWalk, TransitionObserver } from './observer';
export type { BackendInspection, HeldRoot, ListedTable, TableName, WalkedEntry } from './inspection';
export type { EntryView, ReplayPort, SeenHostPage, ShownFault } from './observer';
export { TIMELINE_HOST } from './timeline';
export type { RunTimeline, TimelineSetup } from './timeline';
export { TraceExport } from './trace-export';
export type { ExportDef } from './trace-export';
export type { HostChanges, StateMap } from './host-changes';
export { changeRefusal } from './host-refusals';
export { COMMON_OPERATIONS } from './operations';
export type { HostAnswer, OperationDef, RegisterDef, RegisterField } from './operations';
export { DIRTY_RING_OPERATION } from './dirty-ring';
export type { DirtyRingSpec } from './dirty-ring';
export { GuestContribution, contributeGuest } from './guest';
export { GuestEntryBit } from './guest-table-writes';
export type { EntryChange, GuestTableWrites } from './guest-table-writes';
export type { GuestDefinition, GuestImage, GuestMode, ImageSegment } from './guest';
export { Workload } from './workload';
export type {
  BackingUse,
  ControlWrite,
  GuestCpuState,
  HostOp,
  MemoryAdvice,
  OwnControlWrite,
  OwnHostOp,
  PageRange,
  PhaseList,
  PhaseStep,
  VcpuProgram,
  VcpuStep,
  VmLayout,
  WorkloadDefinition,
  WorkloadPhase,
  WorkloadPlan,
  WorkloadRequest,
} from './workload';
export {
  API_VERSION,
  BackendContribution,
  BackingContribution,
  WorkloadContribution,
  contributeBackend,
  contributeBacking,
  contributeWorkload,
} from './plugin';
export type { ContributionLoad } from './contribution';
export type { Machine } from './machine';
export { PatchContribution, contributePatch } from './patch';
export { RuleAnswers } from './rule-answers';
export type { RuleAnswer, RuleServices } from './rule-answers';
export type { PatchDefinition, PatchLoad } from './patch';
export { BUILT_IN_FORMATS, ReporterContribution, contributeReporter } from './report';
export type { Cell, Column, CsvRows, Report, ReportView, Reporter, Sheet, Tone, TonedCell } from './report';
export { ContentionSolverContribution, CostModelContribution, CostModelFiles, contributeCostModel, contributeSolver } from './cost';
export type { AccessCounts, ContentionSolver, CostModel, Network, PhaseWork, RunWork, Solution, Station } from './cost';
export type { AnsweredQuantity, CheckRelation, CheckResult, CheckedQuantity, CountedQuantity, HostFigure, MappedQuantity, PhaseCheck } from './check';
export { RESULT_SCHEMA } from './result';
export type { CounterValues, PhaseResult, PhaseTime, Spread, RunFailure, RunResult, Stalls } from './result';
export { RECORDS_SCHEMA, TOTAL_PHASE } from './records';
export type { KernelRecord, RecordDifference, RecordFile, RecordGroup, RecordPhase, VerifyReport } from './records';
export type { PredictedCell, Score } from './prediction';
export type { AnalysedTable } from './analysis';
export { MAX_NESTING, NestingDepth } from './nesting-depth';
export { InvariantError, KvmRunFailure, MmulabError, isMmulabError, nearestName, suggestName } from './errors';
export type { ErrorClass, RunFailurePlace } from './errors';
