/**
 * Compares simulations with records of real kernels: every counter that a record has, exactly, within its tolerance if it names one.
 */
import { basename } from 'node:path';
import {
  TOTAL_PHASE,
  suggestName,
  type CounterValues,
  type KernelRecord,
  type PhaseResult,
  type RecordDifference,
  type RecordGroup,
  type RunResult,
  type VerifyReport,
} from '@mmulab/api';
import { inPlace, nothingToCompare, recordScope, recordUnknownPhase } from './errors';
import { readRecordFile, resolveRecord, type RunnableRecord } from './records';
import type { Registry } from './registry';
import { planRun, runResolved } from './run';

/** The report of a verification, with its groups in the order of the files. */
export interface GroupedVerifyReport extends VerifyReport {
  readonly groups: readonly RecordGroup[];
}

/** Outcome of one record. */
export interface RecordOutcome {
  readonly record: KernelRecord;
  readonly file: string;
  readonly result: RunResult;
  readonly values: number;
  readonly equal: number;
  /** What is off; of a record with `exact: false` this is no failure. */
  readonly differences: readonly RecordDifference[];
}

/** What to verify, and how to follow it. */
export interface VerifyOptions {
  /** Only records of this backend; the others need not even be installed. */
  readonly backend?: string | undefined;
  /** Called after each record; `index` counts from 0. */
  readonly onRecord?: ((outcome: RecordOutcome, index: number, records: number) => void) | undefined;
}

/** Memslot of the image, the stacks and the guest's own tables: the others hold test memory. */
const IMAGE_SLOT = '0';

/**
 * Runs all records of some files and compares. All files are read and checked before the first run.
 * @throws typed errors for wrong files and records; RECORD_NOTHING_TO_COMPARE when no value is left to compare; CONFIG_UNKNOWN_BACKEND for a wrong filter
 */
export function verifyRecords(paths: readonly string[], registry: Registry, { backend, onRecord }: VerifyOptions = {}): GroupedVerifyReport {
  if (backend !== undefined) registry.backend(backend);
  const runnable = paths.flatMap(path =>
    readRecordFile(path)
      .records.filter(record => backend === undefined || record.backend === backend)
      .map(record => resolveRecord(record, path, registry)),
  );
  for (const one of runnable) checkPlaces(one, registry);
  const outcomes = runnable.map((one, index) => {
    const outcome = verifyRecord(one, registry);
    onRecord?.(outcome, index, runnable.length);
    return outcome;
  });
  if (outcomes.every(outcome => outcome.values === 0)) throw nothingToCompare(describeSelection(paths, backend));
  return summarise(outcomes);
}

/** Phases and scope of a record are looked for before the first run: a wrong name in the last record costs no run of the others. */
function checkPlaces({ record, place, run }: RunnableRecord, registry: Registry): void {
  if (record.scope !== undefined && registry.backend(record.backend).countsMemslots === false) throw recordScope(place, record.backend);
  const names = inPlace(place, () => planRun(run, registry)).phases.map(phase => phase.name);
  const known = new Set(names);
  const other = record.phases.find(({ phase }) => !known.has(phase) && phase !== TOTAL_PHASE);
  if (other !== undefined) throw recordUnknownPhase(`${place}: ${other.phase}`, run.workload.name, suggestName(other.phase, names));
}

function describeSelection(paths: readonly string[], backend: string | undefined): string {
  const files = paths.length === 0 ? 'no files' : paths.join(', ');
  return backend === undefined ? files : `${files}: records of ${backend}`;
}

function verifyRecord(runnable: RunnableRecord, registry: Registry): RecordOutcome {
  const { record, file, place, run } = runnable;
  const result = runResolved(run, registry, { vcpuCounters: false });
  const differences: RecordDifference[] = [];
  let values = 0;
  for (const { phase, counters, tolerance = {} } of record.phases) {
    const simulated = countersOf(findPhase(result, phase, place, run.workload.name), record, place, registry);
    for (const [counter, recorded] of Object.entries(counters)) {
      const value = simulated[counter] ?? 0;
      const slack = tolerance[counter] ?? 0;
      values++;
      if (Math.abs(value - recorded) > slack) differences.push({ id: record.id, phase, counter, recorded, simulated: value, tolerance: slack });
    }
  }
  return { record, file, result, values, equal: values - differences.length, differences };
}

function findPhase(result: RunResult, name: string, place: string, workload: string): PhaseResult {
  const found = result.phases.find(phase => phase.phase === name);
  if (found !== undefined) return found;
  // The run failed before: whatever the record counted there, the simulation counted none of it.
  if (result.failure !== undefined && name !== TOTAL_PHASE) return { phase: name, counters: {}, vcpus: [], slots: {} };
  if (name === TOTAL_PHASE) return { phase: name, counters: result.totals.counters, vcpus: [] };
  const names = result.phases.map(phase => phase.phase);
  throw recordUnknownPhase(`${place}: ${name}`, workload, suggestName(name, names));
}

/** A record with a scope counts what concerns test memory alone, but for events of the whole VM. */
function countersOf(phase: PhaseResult, record: KernelRecord, place: string, registry: Registry): CounterValues {
  if (record.scope === undefined) return phase.counters;
  const { slots } = phase;
  if (slots === undefined) throw recordScope(place, record.backend);
  const ofTests = Object.entries(slots).flatMap(([slot, { counters }]) => (slot === IMAGE_SLOT ? [] : [counters]));
  const sumOf = (name: string): number => ofTests.reduce((sum, counters) => sum + (counters[name] ?? 0), 0);
  const { events } = registry.backend(record.backend);
  return Object.fromEntries(events.map(({ name, scope }) => [name, scope === 'vm' ? (phase.counters[name] ?? 0) : sumOf(name)]));
}

function summarise(outcomes: readonly RecordOutcome[]): GroupedVerifyReport {
  const judged = outcomes.filter(outcome => outcome.record.exact);
  return { records: outcomes.length, ...sums(outcomes), differences: judged.flatMap(outcome => outcome.differences), groups: groupsOf(outcomes) };
}

function groupsOf(outcomes: readonly RecordOutcome[]): readonly RecordGroup[] {
  const groups = new Map<string, RecordOutcome[]>();
  for (const outcome of outcomes) {
    const key = JSON.stringify([outcome.file, outcome.record.backend, outcome.record.kernel]);
    groups.set(key, [...(groups.get(key) ?? []), outcome]);
  }
  return [...groups].map(([key, members]) => {
    const [file = '', backend = '', kernel = ''] = JSON.parse(key) as readonly string[];
    const { values, equal, unjudged } = sums(members);
    return { file: basename(file, '.json'), backend, kernel, records: members.length, values, equal, unjudged };
  });
}

function sums(outcomes: readonly RecordOutcome[]): Pick<VerifyReport, 'values' | 'equal' | 'unjudged'> {
  const total = (members: readonly RecordOutcome[]): { readonly values: number; readonly equal: number } => ({
    values: members.reduce((sum, outcome) => sum + outcome.values, 0),
    equal: members.reduce((sum, outcome) => sum + outcome.equal, 0),
  });
  return { ...total(outcomes.filter(outcome => outcome.record.exact)), unjudged: total(outcomes.filter(outcome => !outcome.record.exact)) };
}
