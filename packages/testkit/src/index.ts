/**
 * What a backend is held against. Reading order: the oracle (a second, naive engine), invariants of counters, exact counts, the conformance suite, the
 * interleaving explorer (search, random schedules, agents, world) and what it has to catch, the checker of exported traces.
 */
export { oracleEngines } from './oracle';
export { checkCounters, checkNothingLeft } from './invariants';
export type { CounterVector } from './invariants';
export { expectCounts } from './expect-counts';
export type { ExpectedCounts } from './expect-counts';
export { checkScenario, describeConformance } from './conformance';
export type { ConformanceOptions } from './conformance';
export type { CreateBackend } from './conformance-subject';
export type { Scenario } from './conformance-sequences';
export { explore, formatSchedule, formatViolation, parseSchedule, replay } from './explorer';
export type { Agent, ExploredWorld } from './explored-world';
export type { Exploration, ExploreOptions, Replay, Violation } from './explorer';
export { exploreRandomly, formatBound, randomNumbers } from './explorer-random';
export type { RandomExploration, RandomOptions } from './explorer-random';
export { DONE, PhaseAgent, ReadWriteLock } from './explorer-agent';
export type { LockMode, Phase } from './explorer-agent';
export { TablesWorld } from './explorer-world';
export type { ExploredTables } from './explorer-world';
export { flushTooLate, freeAtOnce, ignoreLostExchange, linkBeforeFill, neverFlush, neverFree, skipLockedCheck } from './mutants';
export { checkCasemateTrace } from './casemate-checker';
export type { CasemateVerdict } from './casemate-checker';
export { CasemateRule } from './casemate-rules';
export { readCasemateTrace } from './casemate-reader';
export type { CasemateRecord } from './casemate-reader';
export { checkLaws, describeLaws, findBrokenLaw } from './laws/describe-laws';
export type { BrokenLaw, LawsOptions } from './laws/describe-laws';
export { LAWS } from './laws/laws';
export type { Departure, FlushCounters, LawName } from './laws/laws';
export type { LawAccess, LawHostStep, LawScenario, LawStep, LawTouch } from './laws/scenario';
export { describeInterleavings, findBadOrder } from './interleavings';
export type { InterleavedTables, InterleavedWalk, InterleavingOptions } from './interleavings';
