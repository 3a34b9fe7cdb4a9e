/**
 * From results to a report page: groups them as a comparison would, writes down what is said about them, and puts everything into one HTML file.
 */
import type { RunResult } from '@mmulab/api';
import { compareResults, type Comparison } from '../compare';
import { comparisonTitle, sharedSettings, tellingSettings } from '../comparison-report';
import { describeRun, type Catalog } from '../describe';
import { listEvents } from '../list-report';
import { reportTooLarge } from '../errors';
import { counterNames } from '../results';
import type { Sheet } from '../sheet';
import { visibleResults } from '../work-counters';
import { axesOf } from './axes';
import { htmlPage } from './html-page';
import {
  packCounters,
  REPORT_SCHEMA,
  type CounterDoc,
  type GroupData,
  type PublishedTable,
  type ReportData,
  type RunData,
  type StoryData,
} from './report-data';

/** Most bytes a page may have; browsers open it from disk, and people send it by mail. */
export const MAX_REPORT_BYTES = 3_000_000;

/** A question, its runs, and what is said about them. */
export interface ReportStory {
  readonly results: readonly RunResult[];
  /** The command that made it, as it is typed again. */
  readonly command: string;
  /** Absent: the name of the runs. */
  readonly title?: string;
  /** Absent: made from what differs between the runs. */
  readonly question?: string;
  readonly conclusions?: readonly string[];
  readonly published?: readonly PublishedTable[];
  /** Tables beside the charts. */
  readonly sheets?: readonly Sheet[];
}

/** What a page is made of. */
export interface ReportRequest {
  /** Absent: the title of the first story. */
  readonly title?: string;
  /** `mmulab 0.1.0`. */
  readonly madeBy: string;
  readonly stories: readonly ReportStory[];
  readonly catalog: Catalog;
  /** Whether counters of work are among those shown. Absent: not. */
  readonly showsWork?: boolean | undefined;
}

/** A page, and what had to be left out of it. */
export interface HtmlReport {
  readonly html: string;
  /** One sentence each. */
  readonly notes: readonly string[];
}

/**
 * One self-contained HTML file.
 * @throws REPORT_TOO_LARGE when it would be larger than `MAX_REPORT_BYTES` even without counters by phase
 */
export function htmlReport(request: ReportRequest): HtmlReport {
  const whole = drawn(request, true);
  if (Buffer.byteLength(whole) <= MAX_REPORT_BYTES) return { html: whole, notes: [] };
  const totals = drawn(request, false);
  const bytes = Buffer.byteLength(totals);
  if (bytes > MAX_REPORT_BYTES) throw reportTooLarge(bytes, MAX_REPORT_BYTES);
  return { html: totals, notes: ['The page has totals only: with counters by phase it would be larger than 3 MB.'] };
}

function drawn(request: ReportRequest, withPhases: boolean): string {
  const data = reportData(request, withPhases);
  return htmlPage({ title: data.title, asset: 'report', data });
}

/** The data of a page. @param withPhases whether runs carry their counters by phase, or totals alone */
export function reportData({ title, madeBy, stories, catalog, showsWork = false }: ReportRequest, withPhases = true): ReportData {
  const sets: string[][] = [];
  const visible = (story: ReportStory): ReportStory => ({ ...story, results: visibleResults(story.results, catalog, { all: showsWork }) });
  const packed = stories.map(story => storyData(visible(story), catalog, sets, withPhases));
  const used = new Set(sets.flat());
  const docs = new Map<string, CounterDoc>();
  for (const { name, doc, unit, gauge } of listEvents(catalog.backends)) if (used.has(name) && !docs.has(name)) docs.set(name, { doc, unit, gauge });
  return {
    schema: REPORT_SCHEMA,
    title: title ?? packed[0]?.title ?? 'mmulab',
    madeBy,
    counters: Object.fromEntries(docs),
    counterSets: sets,
    stories: packed,
  };
}

function storyData(story: ReportStory, catalog: Catalog, sets: string[][], withPhases: boolean): StoryData {
  const { results } = story;
  const groups = results.length < 2 ? [] : compareResults(results).map(comparison => groupData(comparison, results, catalog));
  const alone = results.map((result, run) => loneGroup(result, run, catalog));
  const shown = groups.length === 0 ? alone : groups;
  return {
    title: story.title ?? shown[0]?.title ?? '',
    question: story.question ?? questionOf(results),
    conclusions: story.conclusions ?? [],
    command: story.command,
    runs: results.map(result => runData(result, sets, withPhases)),
    groups: shown,
    published: story.published ?? [],
    sheets: story.sheets ?? [],
  };
}

/** What runs ask, where nobody says it. */
function questionOf(results: readonly RunResult[]): string {
  const names = axesOf(results).map(axis => axis.name);
  const last = names.pop();
  if (last === undefined) return 'What does this run count?';
  return `What do the counts owe to ${names.length === 0 ? last : `${names.join(', ')} and ${last}`}?`;
}

function groupData(comparison: Comparison, results: readonly RunResult[], catalog: Catalog): GroupData {
  return {
    title: comparisonTitle(comparison),
    shared: sharedSettings(comparison, catalog),
    settings: tellingSettings(comparison, catalog, { all: false }),
    runs: comparison.runs.map(run => results.indexOf(run)),
  };
}

function loneGroup(result: RunResult, run: number, catalog: Catalog): GroupData {
  return { title: result.name, shared: describeRun(result, catalog), settings: [], runs: [run] };
}

function runData(result: RunResult, sets: string[][], withPhases: boolean): RunData {
  const names = counterNames([...result.phases.map(phase => phase.counters), result.totals.counters]);
  const counterSet = setOf(names, sets);
  return {
    name: result.name,
    config: result.config,
    seed: result.seed,
    notes: result.notes,
    ...(result.failure === undefined ? {} : { failure: result.failure }),
    ...(result.checks === undefined ? {} : { checks: result.checks }),
    tableBytesReal: result.memory.tableBytesReal,
    counterSet,
    phases: (withPhases ? result.phases : []).map(({ phase, counters, time }) => ({
      phase,
      counters: packCounters(counters, names),
      ...(time === undefined ? {} : { time }),
    })),
    totals: packCounters(result.totals.counters, names),
  };
}

/** The index of a list of names among the sets; it is added where it is new. */
function setOf(names: string[], sets: string[][]): number {
  const found = sets.findIndex(set => set.length === names.length && set.every((name, at) => name === names[at]));
  return found < 0 ? sets.push(names) - 1 : found;
}
