/**
 * The runner where there is no Node: what bundlers for browsers take for this package (`browser` in package.json). Reading order as in index.ts.
 *
 * Left out is what stands behind the border: files (configs, .test files, records, outputs), plugins found among installed packages, and the figures of the
 * process. Plugins are bundled with the page and registered with `Registry.of`.
 */
export { Registry } from './registry';
export type { PluginSummary } from './registry';
export { hostMemoryValues } from './host/releases';
export type { RawBackend, RawConfig, RawOptions, RawWorkload, ResolvedRun } from './config/types';
export { commandLineConfig, splitCommand } from './config/command-line';
export { applySetting } from './config/settings';
export { openMatrix, resolveRuns, resolvedConfig } from './config/validate';
export type { RunMatrix } from './config/validate';
export { hostOptionSpecs } from './config/host-options';
export { expectedValue } from './config/option-values';
export { explainName } from './config/explain';
export type { Explanation } from './config/explain';
export { compose, composeBackend } from './compose';
export type { BackendComposition, Composition } from './compose';
export { HOST_ACTOR, RunCounters } from './sim/counters';
export type { PhaseCounts } from './sim/counters';
export { planRun, runResolved } from './run';
export type { RunHooks } from './run';
export { MAX_STEPPED_ACCESSES, SteppedRun } from './stepped-run';
export type { PerformedStep, StepAct } from './stepped-run';
