/**
 * Sweeps: the runs of a matrix on all cores or on many machines, and what can be read from their results. Reading order: what a sweep is and what its runs
 * are called, where results are kept, who performs the runs, the sweep itself.
 */
export { planSweep } from './sweep-plan';
export type { PlanOptions, SweepPlan } from './sweep-plan';
export { fingerprintOf, identityDifferences, identityOf } from './identity';
export type { Identity } from './identity';
export { KEY_PATTERN, RunKeys, plainRun } from './run-key';
export { checkKept, keptText, readKept, sweepLine } from './kept-result';
export type { Measured, SweepLine, SweepPlace } from './kept-result';
export { ResultStore } from './result-store';
export { FAILED_FILE, RESULTS_FILE, SWEEP_SCHEMA, SweepFolder, readSweepDocument } from './sweep-folder';
export type { FailedRun, JournalEntry, SweepDocument } from './sweep-folder';
export type { LostRun, RunExecutor, RunFailure, RunOrder, RunOutcome, RunSuccess } from './run-executor';
export { WorkerPool } from './worker-pool';
export type { PoolOptions } from './worker-pool';
export { Sweep } from './sweep';
export type { SweepParts, SweepProgress } from './sweep';
export { PASSWORD_VARIABLE, readQueueAddress, withoutCredentials } from './queue/queue-address';
export type { QueueAddress } from './queue/queue-address';
export { QueueConnection } from './queue/queue-connection';
export { QueueExecutor } from './queue/queue-executor';
export type { QueueOptions } from './queue/queue-executor';
export { QueueWorkers } from './queue/queue-workers';
export type { WorkerEvents, WorkerSettings } from './queue/queue-workers';
export { queueMismatch, queueNoSweep } from './errors';
export { ANALYSIS_SCHEMA, breakEven, growth, overview, pivot } from './analysis/analysis';
export type { Analysis, AnalysisRequest } from './analysis/analysis';
export { STATISTIC_NAMES } from './analysis/grouping';
export { readResultLines } from './analysis/samples';
