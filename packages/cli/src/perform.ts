/**
 * Performs prepared runs one after the other: shows how far they have come, passes on their notes, checks their thresholds.
 */
import type { RunResult, TraceExport } from '@mmulab/api';
import { formatCount } from '@mmulab/report';
import { checkThresholds, runResolved } from '@mmulab/runner';
import type { PreparedRun } from './sources';
import type { Terminal } from './terminal';

/** Results, in the order of the runs, and whether every threshold was met. */
export interface Performance {
  readonly results: readonly RunResult[];
  readonly meetsThresholds: boolean;
}

/**
 * Performs runs.
 * @param quiet no progress and no notes; thresholds that are not met are said all the same
 * @param trace where the run's trace goes, when one is asked for
 */
export function performRuns(prepared: readonly PreparedRun[], terminal: Terminal, quiet = false, trace?: TraceExport): Performance {
  const results = prepared.map((one, index) => performRun(one, index, prepared.length, quiet ? undefined : terminal, trace));
  terminal.progress(undefined);
  if (!quiet) for (const note of new Set(results.flatMap(result => result.notes))) terminal.err(`note: ${note}\n`);
  const failures = prepared.flatMap(({ run }, index) => thresholdFailures(run, results[index]));
  for (const failure of failures) terminal.err(`threshold not met: ${failure}\n`);
  return { results, meetsThresholds: failures.length === 0 };
}

function performRun(
  { run, registry }: PreparedRun,
  index: number,
  runs: number,
  terminal: Terminal | undefined,
  trace: TraceExport | undefined,
): RunResult {
  const label = run.variation === '' ? run.name : run.variation;
  return runResolved(run, registry, {
    trace,
    onPhaseStart: (phase, at, phases) => {
      const [done, total] = runs === 1 ? [at, phases] : [index, runs];
      terminal?.progress({ done, total, label: `${label}: ${phase}` });
    },
  });
}

function thresholdFailures(run: PreparedRun['run'], result: RunResult | undefined): string[] {
  if (result === undefined) return [];
  return checkThresholds(result, run.thresholds).map(
    ({ path, condition, actual }) => `${result.name}: ${path} is ${formatCount(actual)}, expected ${condition}`,
  );
}
