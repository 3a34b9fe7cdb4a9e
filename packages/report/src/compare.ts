/**
 * Results side by side: phases aligned by what they do, every counter of every run, those that all runs have first, and how each run compares with the first.
 *
 * Runs of different workloads have nothing to say to each other; a matrix over workloads, or over their sizes, falls apart into one comparison per
 * workload.
 */
import type { PhaseResult, PhaseTime, RunResult } from '@mmulab/api';
import { alignPhases } from './align';
import { nothingToCompare } from './errors';
import { counterNames } from './results';
import { configValue, differingSettings, runLabels, type Setting } from './settings';

export const COMPARISON_SCHEMA = 'mmulab.comparison.v1';

/** One counter (or time) in all runs; undefined where a run has no such phase or counter. */
export interface ComparedCounter {
  readonly counter: string;
  readonly values: readonly (number | undefined)[];
}

/** One phase in all runs. */
export interface ComparedPhase {
  /** The phase's name, or `1_w / 2_w` where the runs number it differently. */
  readonly phase: string;
  /** Per run the name it has there; undefined where a run has no such phase. */
  readonly names: readonly (string | undefined)[];
  /** Predicted times in ns; absent when no run has one. */
  readonly timesNs?: readonly (number | undefined)[];
  /** The same with intervals, bottlenecks and bases; there when `timesNs` is. */
  readonly times?: readonly (PhaseTime | undefined)[];
  /** In the order of the backends, those that all runs have first. */
  readonly counters: readonly ComparedCounter[];
}

/** Runs of one workload side by side; the first one is what the others are compared with. */
export interface Comparison {
  readonly runs: readonly RunResult[];
  /** Per run what distinguishes it, as lines: `huge_page_fault=zap`. */
  readonly labels: readonly (readonly string[])[];
  /** All settings in which the runs differ. */
  readonly settings: readonly Setting[];
  readonly phases: readonly ComparedPhase[];
  readonly totals: ComparedPhase;
}

/**
 * Lays results side by side.
 * @returns one comparison per workload with its options when each has at least two of the runs, else one per test when each has, else a single one of
 * all runs. Throws `REPORT_NOTHING_TO_COMPARE` for fewer than two results.
 */
export function compareResults(results: readonly RunResult[]): readonly Comparison[] {
  if (results.length < 2) throw nothingToCompare(results.length);
  const groupings = [['workload'], ['workload', 'name']].map(path => groupBy(results, path));
  const fine = groupings.find(groups => groups.every(group => group.length > 1)) ?? [results];
  return fine.map(compareRuns);
}

/** Results with the same part of the config together, groups in the order of their first members. */
function groupBy(results: readonly RunResult[], path: readonly string[]): readonly (readonly RunResult[])[] {
  const groups = new Map<string, RunResult[]>();
  for (const result of results) {
    const key = JSON.stringify(configValue(result.config, ...path));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [result]);
    else group.push(result);
  }
  return [...groups.values()];
}

/** Lays runs side by side, all of them, whatever their workloads. */
export function compareRuns(runs: readonly RunResult[]): Comparison {
  const byName = runs.map(run => new Map(run.phases.map(phase => [phase.phase, phase])));
  const aligned = alignPhases(runs.map(run => run.phases.map(phase => phase.phase)));
  const phaseOf = (name: string | undefined, run: number): PhaseResult | undefined => (name === undefined ? undefined : byName[run]?.get(name));
  const totals = runs.map(run => ({ phase: 'total', counters: run.totals.counters, vcpus: [] }));
  return {
    runs,
    labels: runLabels(runs),
    settings: differingSettings(runs),
    phases: aligned.map(({ name, names }) => comparePhase(name, names.map(phaseOf))),
    totals: comparePhase('total', totals),
  };
}

function comparePhase(name: string, phases: readonly (PhaseResult | undefined)[]): ComparedPhase {
  const times = phases.map(phase => phase?.time);
  const timesNs = times.map(time => time?.predictedNs);
  return {
    phase: name,
    names: phases.map(phase => phase?.phase),
    ...(timesNs.some(timeNs => timeNs !== undefined) ? { timesNs, times } : {}),
    counters: sharedFirst(phases).map(counter => ({ counter, values: phases.map(phase => phase?.counters[counter]) })),
  };
}

/** Names of all counters, those that every run with this phase has before those of one architecture alone. */
function sharedFirst(phases: readonly (PhaseResult | undefined)[]): readonly string[] {
  const there = phases.flatMap(phase => (phase === undefined ? [] : [phase.counters]));
  const names = counterNames(there);
  const isShared = (name: string): boolean => there.every(counters => counters[name] !== undefined);
  return [...names.filter(isShared), ...names.filter(name => !isShared(name))];
}

/** Whether all runs have the same value; a counter that some runs do not have is the same where the others count nothing. */
export function isSameInAll(values: readonly (number | undefined)[]): boolean {
  const isAbsent = values.some(value => value === undefined);
  return values.every(value => (isAbsent ? (value ?? 0) === 0 : value === values[0]));
}

/** The comparison as a document (`mmulab.comparison.v1`): ratios are run / first run, `null` where there is none. */
export function comparisonDocument(comparisons: readonly Comparison[]): unknown {
  return {
    schema: COMPARISON_SCHEMA,
    groups: comparisons.map(comparison => ({
      runs: comparison.runs.map((run, index) => ({
        name: run.name,
        label: (comparison.labels[index] ?? []).join(', '),
        settings: Object.fromEntries(comparison.settings.map(setting => [setting.path, setting.values[index]])),
        ...(run.failure === undefined ? {} : { failure: run.failure }),
        ...(run.checks === undefined ? {} : { checks: run.checks }),
      })),
      phases: comparison.phases.map(phaseDocument),
      totals: phaseDocument(comparison.totals),
    })),
  };
}

function phaseDocument(phase: ComparedPhase): unknown {
  return {
    phase: phase.phase,
    ...(phase.names.every(name => name === phase.phase) ? {} : { names: phase.names.map(name => name ?? null) }),
    ...(phase.timesNs === undefined ? {} : { timeNs: valuesDocument(phase.timesNs), times: (phase.times ?? []).map(time => time ?? null) }),
    counters: Object.fromEntries(phase.counters.map(({ counter, values }) => [counter, valuesDocument(values)])),
  };
}

function valuesDocument(values: readonly (number | undefined)[]): unknown {
  const [first] = values;
  const ratio = (value: number | undefined): number | undefined =>
    value === undefined || first === undefined || first === 0 ? undefined : value / first;
  return { values: values.map(value => value ?? null), ratios: values.map(value => ratio(value) ?? null) };
}
