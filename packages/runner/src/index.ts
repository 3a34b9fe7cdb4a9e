/**
 * From a config to results. Reading order: what is installed, what a config means, running it, comparing it with records of real kernels.
 */
export { inPlace } from './errors';
export { Registry } from './registry';
export type { PluginSummary } from './registry';
export { backingHost, builtInBackings } from './host/backings';
export type { BackingHost } from './host/backings';
export { hostMemoryValues } from './host/releases';
export { loadConfigFile } from './config/load';
export type { RawBackend, RawConfig, RawOptions, RawWorkload, ResolvedRun } from './config/types';
export { commandLineConfig, readTestFile, splitCommand, splitList, testFilesIn } from './config/command-line';
export { applySetting } from './config/settings';
export { overrideConfig } from './config/overrides';
export type { ExtraAxis, Override } from './config/overrides';
export { resolveRuns, resolvedConfig } from './config/validate';
export { hostOptionSpecs } from './config/host-options';
export { expectedValue } from './config/option-values';
export { checkThresholds } from './config/thresholds';
export type { Threshold, ThresholdFailure } from './config/thresholds';
export { explainAll, explainName } from './config/explain';
export type { Explanation } from './config/explain';
export { configSchema } from './config/schema';
export type { JsonSchema } from './config/shape';
export { compose } from './compose';
export type { Composition } from './compose';
export { HOST_ACTOR, RunCounters } from './sim/counters';
export type { PhaseCounts } from './sim/counters';
export { planRun, run, runResolved } from './run';
export type { RunHooks, RunOptions } from './run';
export { readRecordFile } from './records';
export { verifyRecords } from './verify';
export type { GroupedVerifyReport, RecordGroup, RecordOutcome, VerifyOptions } from './verify';
export { OutputFile, watchUnfinishedFiles, withOutputFile, writeOutputFile } from './output-file';
export { checkOutputDirectory, makeOutputDirectory } from './output-directory';
export { findTarget, problemOf } from './output-target';
export type { OutputTarget, TargetOptions } from './output-target';
export { writeAll } from './write-all';
