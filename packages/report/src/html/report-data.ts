/**
 * What a report page is given: results with their zeros left out, the words around them, and what each counter means. Written into the page as JSON by Node, read back in
 * the browser, which draws with the same functions as the terminal.
 */
import { RESULT_SCHEMA, type CheckResult, type CounterValues, type PhaseTime, type RunFailure, type RunResult } from '@mmulab/api';
import type { Setting } from '../settings';
import type { Sheet } from '../sheet';

export const REPORT_SCHEMA = 'mmulab.report.v1';

/** What a reader is told of a counter. */
export interface CounterDoc {
  readonly doc: string;
  readonly unit: string;
  readonly gauge: boolean;
}

/** A published time beside what was predicted for it. */
export interface PublishedRow {
  readonly label: string;
  readonly publishedNs: number;
  readonly predictedNs: number;
  readonly intervalNs: readonly [number, number];
}

/** A table somebody published, and the predictions for its cells. */
export interface PublishedTable {
  /** Where it comes from: `arm64-cmo-series-2021`. */
  readonly source: string;
  readonly rows: readonly PublishedRow[];
}

/** A run, its counters as [index, value, index, value, …] into the counter set; what is left out is 0. */
export interface RunData {
  readonly name: string;
  readonly config: RunResult['config'];
  readonly seed: number;
  readonly notes: readonly string[];
  readonly failure?: RunFailure;
  /** What its test asserts. */
  readonly checks?: readonly CheckResult[];
  readonly tableBytesReal: number;
  /** Index into `counterSets`. */
  readonly counterSet: number;
  /** Absent where the page would have become too large. */
  readonly phases: readonly { readonly phase: string; readonly counters: readonly number[]; readonly time?: PhaseTime }[];
  readonly totals: readonly number[];
}

/** Runs that are compared with each other. */
export interface GroupData {
  readonly title: string;
  /** What all of them share, in one line. */
  readonly shared: string;
  /** The settings a reader has to know. */
  readonly settings: readonly Setting[];
  /** Indices into the story's runs. */
  readonly runs: readonly number[];
}

/** A question, the runs that answer it, and what they say. */
export interface StoryData {
  readonly title: string;
  readonly question: string;
  /** What came out, one sentence each; empty where nobody drew a conclusion. */
  readonly conclusions: readonly string[];
  /** The command that made it, as it is typed again. */
  readonly command: string;
  readonly runs: readonly RunData[];
  readonly groups: readonly GroupData[];
  readonly published: readonly PublishedTable[];
  /** Tables that stand below, as the terminal shows them. */
  readonly sheets: readonly Sheet[];
}

/** The whole page. */
export interface ReportData {
  readonly schema: typeof REPORT_SCHEMA;
  readonly title: string;
  /** `mmulab 0.1.0`. */
  readonly madeBy: string;
  readonly counters: Readonly<Record<string, CounterDoc>>;
  /** Names of counters, one list per backend. */
  readonly counterSets: readonly (readonly string[])[];
  readonly stories: readonly StoryData[];
}

/** Packs counters: zeros are left out. */
export function packCounters(counters: CounterValues, names: readonly string[]): readonly number[] {
  return names.flatMap((name, index) => {
    const value = counters[name] ?? 0;
    return value === 0 ? [] : [index, value];
  });
}

/** The counters that `packCounters` packed, zeros included. */
export function unpackCounters(packed: readonly number[], names: readonly string[]): CounterValues {
  const counters: Record<string, number> = Object.fromEntries(names.map(name => [name, 0]));
  for (let at = 0; at < packed.length; at += 2) {
    const name = names[packed[at] ?? -1];
    if (name !== undefined) counters[name] = packed[at + 1] ?? 0;
  }
  return counters;
}

/** A run as the rest of the package knows it; per-vCPU counters and what was measured of the simulator are not in a page. */
export function unpackRun(run: RunData, counterSets: ReportData['counterSets']): RunResult {
  const names = counterSets[run.counterSet] ?? [];
  return {
    schema: RESULT_SCHEMA,
    name: run.name,
    config: run.config,
    seed: run.seed,
    notes: run.notes,
    ...(run.failure === undefined ? {} : { failure: run.failure }),
    ...(run.checks === undefined ? {} : { checks: run.checks }),
    phases: run.phases.map(({ phase, counters, time }) => ({
      phase,
      counters: unpackCounters(counters, names),
      vcpus: [],
      ...(time === undefined ? {} : { time }),
    })),
    totals: { counters: unpackCounters(run.totals, names) },
    memory: { tableBytesReal: run.tableBytesReal, simulatorBytes: 0 },
    wallMs: 0,
  };
}
