/**
 * Turns results into tables, comparisons and the like. Reading order of the package: what a report is and the formats it is written in, then the
 * reports.
 */
export type { CsvRows, Report, ReportView as View } from '@mmulab/api';
export { REPORTERS, renderParts, renderReport, reporterFor } from './reporter';
export type { Reporter } from '@mmulab/api';
export type { Catalog } from './describe';
export { checkText, failedChecks } from './checks';
export { failureText } from './failure';
export { resultsReport } from './results';
export { COMPARISON_SCHEMA, compareResults } from './compare';
export type { ComparedCounter, ComparedPhase, Comparison } from './compare';
export { comparisonReport } from './comparison-report';
export { checkPivot, PIVOT_SCHEMA, pivotReport, readPivot } from './pivot';
export type { PivotRequest, PlannedRun } from './pivot';
export { COUNTER_GROUPS } from './counter-groups';
export type { CounterGroup } from './counter-groups';
export { differingSettings, runLabels } from './settings';
export type { Setting } from './settings';
export { verificationReport } from './verification-report';
export {
  backendsReport,
  backingsReport,
  eventsReport,
  listEvents,
  modelsReport,
  overviewReport,
  patchesReport,
  pluginsReport,
  profilesReport,
  solversReport,
  workloadsReport,
} from './list-report';
export type { ListedEvent, ListedPlugin } from './list-report';
export { analysisReport } from './analysis-report';
export type { AnalysedTables } from './analysis-report';
export { lineSheets, linesDocument, replayReport, traceCheckReport } from './trace-report';
export type { TraceCheckSummary, TraceEventLines, TraceLine, TraceLinesSummary, TraceTally } from './trace-report';
export { predictionReport } from './prediction-report';
export type { FittedParameter, PredictionDocument } from './prediction-report';
export { explanationReport } from './explanation-report';
export type { ExplainedName } from './explanation-report';
export { plainLine, plainText } from './plain-text';
export { formatBytes, formatCount, formatRatio, formatSelftestTime, formatSpeed, formatTime } from './quantity';
export type { Cell, Column, Sheet, Tone, TonedCell } from './sheet';
export { checkSelection, selectParts, type Selection } from './select';
export { withGroup, workCounters } from './work-counters';
export { TraceEvents } from './trace-events';
export { htmlReport, MAX_REPORT_BYTES, reportData } from './html/build-report';
export type { HtmlReport, ReportRequest, ReportStory } from './html/build-report';
export { htmlPage } from './html/html-page';
export type { PageRequest } from './html/html-page';
export { REPORT_SCHEMA } from './html/report-data';
export { predictionStory } from './html/prediction-story';
export type { PublishedRow, PublishedTable, ReportData, StoryData } from './html/report-data';
