/**
 * What the KVM selftests print per phase: a label and a time. A run without a cost model has no times; its lines carry the counts instead and
 * say so.
 */
import type { PhaseResult, RunResult } from '@mmulab/api';
import { assertionLines } from './failure';
import { formatSelftestTime } from './quantity';
import { configValue } from './settings';

/** A phase of a known test and what the test prints for it; `$1` is the iteration. */
type Line = readonly [phase: RegExp, label: string];

/** By workload. Phases that are not listed have no line in the test itself and go by their names. */
const LINES: Readonly<Record<string, readonly Line[]>> = {
  dirty_log_perf_test: [
    [/^populate$/, 'Populate memory time: '],
    [/^enable_log$/, 'Enabling dirty logging time: '],
    [/^dirty_(\d+)$/, 'Iteration $1 dirty memory time: '],
    [/^get_log_(\d+)$/, 'Iteration $1 get dirty log time: '],
    [/^clear_log_(\d+)$/, 'Iteration $1 clear dirty log time: '],
    [/^disable_log$/, 'Disabling dirty logging time: '],
  ],
  execute_perf_test: [
    [/^populate$/, padded('Populating memory')],
    [/^execute$/, padded('Executing from memory')],
  ],
  access_tracking_perf_test: [
    [/^populating_memory$/, padded('Populating memory')],
    [/^writing_to_populated_memory$/, padded('Writing to populated memory')],
    [/^reading_from_populated_memory$/, padded('Reading from populated memory')],
    [/^mark_memory_idle_\d+$/, padded('Mark memory idle')],
    [/^writing_to_idle_memory$/, padded('Writing to idle memory')],
    [/^reading_from_idle_memory$/, padded('Reading from idle memory')],
  ],
  demand_paging_test: [[/^guest_execution$/, 'Total guest execution time: ']],
  kvm_page_table_test: [
    [/^create_mappings$/, 'KVM_CREATE_MAPPINGS: total execution time: '],
    [/^update_mappings$/, 'KVM_UPDATE_MAPPINGS: total execution time: '],
    [/^adjust_mappings$/, 'KVM_ADJUST_MAPPINGS: total execution time: '],
  ],
};

/** Some tests print their labels in a column of 30 characters. */
function padded(label: string): string {
  return `${label.padEnd(30)}: `;
}

/** Whether a counter holds a level rather than what happened in a phase. */
export function isGauge(counter: string): boolean {
  return /^(pages_|nx_lpage_splits$)/.test(counter);
}

/** @param title the run's name as it stands above its lines @returns one line per phase, and the failed assertion where a KVM_RUN failed. */
export function selftestLines(result: RunResult, title: string): readonly string[] {
  const hasTimes = result.phases.some(phase => phase.time !== undefined);
  const head = hasTimes ? title : `${title} (no cost model: counts in place of times)`;
  const mode = result.guestMode === undefined ? [] : [`Testing guest mode: ${result.guestMode}`];
  return [head, ...mode, ...result.phases.map(phase => selftestLine(result, phase)), ...assertionLines(result), ...summaryLines(result)];
}

function selftestLine(result: RunResult, phase: PhaseResult): string {
  return selftestLabel(result, phase.phase) + (phase.time === undefined ? phaseCounts(phase) : formatSelftestTime(phase.time.predictedNs));
}

/** The label of a phase up to where the time begins, as the test prints it. */
export function selftestLabel(result: RunResult, phase: string): string {
  const workload = configValue(result.config, 'workload', 'name');
  for (const [pattern, label] of typeof workload === 'string' ? (LINES[workload] ?? []) : []) {
    if (pattern.test(phase)) return phase.replace(pattern, label);
  }
  return `${phase}: `;
}

function phaseCounts(phase: PhaseResult): string {
  const counted = Object.entries(phase.counters).filter(([, value]) => value !== 0);
  const names = leadingCounters(counted.map(([name]) => name));
  return names.length === 0 ? 'nothing counted' : names.map(name => `${name} ${phase.counters[name] ?? 0}`).join(', ');
}

/** Counters that fit a line: no part of another one there (`page_fault.write` is a part of `page_fault`), and no gauges. */
export function leadingCounters(names: readonly string[]): readonly string[] {
  return names.filter(name => !isGauge(name) && !names.some(whole => name.startsWith(`${whole}.`)));
}

/** dirty_log_perf_test ends with the time that getting and clearing the log took over all iterations. */
function summaryLines(result: RunResult): string[] {
  return [
    ['Get', /^get_log_\d+$/],
    ['Clear', /^clear_log_\d+$/],
  ].flatMap(([verb, pattern]) => {
    const times = result.phases.flatMap(({ phase, time }) => ((pattern as RegExp).test(phase) && time !== undefined ? [time.predictedNs] : []));
    if (times.length === 0) return [];
    const totalNs = times.reduce((sum, timeNs) => sum + timeNs, 0);
    const average = formatSelftestTime(totalNs / times.length);
    return [`${String(verb)} dirty log over ${times.length} iterations took ${formatSelftestTime(totalNs)}. (Avg ${average}/iteration)`];
  });
}
