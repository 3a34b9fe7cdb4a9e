/**
 * The benches. Reading order: the machine they run, the workloads (page by page and over whole ranges), measuring, the native baseline, the report.
 */
export { createMachine, gstage, hugePages, smallPages, stage2, tdp } from './machine';
export type { BenchBackend, BenchMachine } from './machine';
export { COMPARED, PAGE_WORKLOADS, pageByPage } from './workloads/page-by-page';
export type { PageSize, PageWorkload } from './workloads/page-by-page';
export { RANGE_WORKLOADS } from './workloads/whole-ranges';
export { geometricMean, measure, median } from './measure';
export type { Measurement } from './measure';
export { NativeBaseline } from './native';
export { checkCounters, compare, measureRanges, runAnother } from './bench';
export { comparisonReport, rangeReport, bestRatio } from './report';
export { checkQuick } from './quick';
export type { Repetition } from './report';
