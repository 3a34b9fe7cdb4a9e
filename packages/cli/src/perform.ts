/**
 * Performs prepared runs one after the other: shows how far they have come, passes on their notes, checks their thresholds.
 */
import type { RunResult, TraceExport } from '@mmulab/api';
import { checkText, failedChecks, failureText, formatCount } from '@mmulab/report';
import { checkThresholds, runResolved } from '@mmulab/runner';
import type { PreparedRun } from './sources';
import type { Terminal } from './terminal';

/** How runs are performed. */
export interface PerformOptions {
  /** No progress and no notes; thresholds that are not met are said all the same. */
  readonly quiet?: boolean | undefined;
  /** Where the run's trace goes, when one is asked for. */
  readonly trace?: TraceExport | undefined;
  /** Whether counters of every vCPU are kept: most formats show those of the VM alone, and they are many. */
  readonly vcpuCounters?: boolean;
  /** Takes each result once its run is over. */
  readonly onResult?: (result: RunResult, run: number) => void;
}

/** Results, in the order of the runs, and whether all of them came to their end, passed their checks and met every threshold. */
export interface Performance {
  readonly results: readonly RunResult[];
  readonly meetsThresholds: boolean;
}

/** Performs runs. */
export function performRuns(prepared: readonly PreparedRun[], terminal: Terminal, options: PerformOptions = {}): Performance {
  const results = prepared.map((one, index) => {
    const result = performRun(one, index, prepared.length, terminal, options);
    options.onResult?.(result, index);
    return result;
  });
  terminal.progress(undefined);
  if (options.quiet !== true) for (const note of new Set(results.flatMap(result => result.notes))) terminal.err(`note: ${note}\n`);
  for (const { name, failure } of results) if (failure !== undefined) terminal.err(`run failed: ${name}: ${failureText(failure)}\n`);
  for (const { name, checks } of results) for (const check of failedChecks(checks)) terminal.err(`check failed: ${name}: ${checkText(check)}\n`);
  const failures = prepared.flatMap(({ run }, index) => thresholdFailures(run, results[index]));
  for (const failure of failures) terminal.err(`threshold not met: ${failure}\n`);
  return {
    results,
    meetsThresholds: failures.length === 0 && results.every(({ failure, checks }) => failure === undefined && failedChecks(checks).length === 0),
  };
}

function performRun(
  { run, registry, ready }: PreparedRun,
  index: number,
  runs: number,
  terminal: Terminal,
  { quiet, trace, vcpuCounters = false }: PerformOptions,
): RunResult {
  const label = run.variation === '' ? run.name : run.variation;
  return runResolved(run, registry, {
    trace,
    ready,
    vcpuCounters: vcpuCounters || run.thresholds.some(({ target }) => target.at === 'phase' && target.scope?.of === 'vcpus'),
    onPhaseStart: (phase, at, phases) => {
      const [done, total] = runs === 1 ? [at, phases] : [index, runs];
      if (quiet !== true) terminal.progress({ done, total, label: `${label}: ${phase}` });
    },
  });
}

function thresholdFailures(run: PreparedRun['run'], result: RunResult | undefined): string[] {
  if (result === undefined) return [];
  return checkThresholds(result, run.thresholds).map(
    ({ path, condition, actual }) => `${result.name}: ${path} is ${formatCount(actual)}, expected ${condition}`,
  );
}
