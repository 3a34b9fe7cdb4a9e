/**
 * What a backend is held against. Reading order: the oracle (a second, naive engine), invariants of counters, exact counts, the conformance suite.
 */
export { oracleWorld } from './oracle';
export { checkCounters, checkNothingLeft } from './invariants';
export type { CounterVector } from './invariants';
export { expectCounts } from './expect-counts';
export type { ExpectedCounts } from './expect-counts';
export { describeConformance } from './conformance';
export type { ConformanceOptions } from './conformance';
export type { CreateBackend } from './conformance-subject';
