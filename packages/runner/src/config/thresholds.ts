/**
 * Thresholds: conditions on a result, `'phases.execute.counters.page_fault': '<= 49152'`.
 */
import { suggestName, type BackendDefinition, type CounterValues, type PhaseResult, type RunResult } from '@mmulab/api';
import { thresholdSyntax, thresholdUnknownCounter, thresholdUnknownPath, thresholdUnknownPhase } from '../errors';

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

/** A vCPU or a memslot. */
interface CounterScope {
  readonly of: 'vcpus' | 'slots';
  readonly id: string;
  /** The backend counts by memslot: one without counters of its own had nothing to count. */
  readonly isCounted: boolean;
}

/** Where a threshold looks. */
type ThresholdTarget =
  | {
      readonly at: 'phase';
      readonly phase: string;
      readonly scope?: CounterScope;
      readonly counter: string;
    }
  | { readonly at: 'totals'; readonly counter: string }
  | { readonly at: 'memory'; readonly field: 'tableBytesReal' | 'simulatorBytes' }
  | { readonly at: 'wallMs' };

/** One condition, read. */
export interface Threshold {
  /** As written, `phases.execute.counters.page_fault`. */
  readonly path: string;
  readonly operator: string;
  readonly bound: number;
  readonly target: ThresholdTarget;
}

/** A condition that a result does not meet. */
export interface ThresholdFailure {
  readonly path: string;
  /** `<= 49152` */
  readonly condition: string;
  readonly actual: number;
}

const EXPECTED_CONDITION = 'a comparison such as "<= 49152", or a number to be equal to';
const EXPECTED_PATH = 'expected phases.PHASE.counters.COUNTER, totals.counters.COUNTER, memory.tableBytesReal or wallMs';
const PHASE_PATH = /^phases\.([^.]+)\.(?:(vcpus|slots)\.(\d+)\.)?counters\.(.+)$/;
/** Of a condition without spaces around it; nothing in it can be matched in two ways, so that any text is read in one pass. */
const CONDITION = /^(<=|>=|==|!=|<|>|=)?\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/i;

/** What of a run the places of thresholds have to be found in. */
export interface PlannedRun {
  /** Names of the phases, of very long plans the first ones. */
  readonly phases: readonly string[];
  readonly isWhole: boolean;
  readonly vcpus: number;
  /** Memslots the run has at any time. */
  readonly slots: readonly number[];
}

type RawThresholds = Readonly<Record<string, unknown>>;

/**
 * Reads thresholds.
 * @throws THRESHOLD_SYNTAX for what is no condition, THRESHOLD_UNKNOWN_PATH for a place no result has, THRESHOLD_UNKNOWN_COUNTER with the nearest name
 */
export function readThresholds(raw: RawThresholds, definition: BackendDefinition): readonly Threshold[] {
  return Object.entries(raw).flatMap(([path, conditions]) => {
    const target = readTarget(path, definition);
    const list: readonly unknown[] = Array.isArray(conditions) ? conditions : [conditions];
    return list.map(condition => ({ path, target, ...readCondition(path, condition) }));
  });
}

/**
 * Checks before a run that its result will have every place that thresholds look at.
 * @throws THRESHOLD_UNKNOWN_PHASE with the nearest name, THRESHOLD_UNKNOWN_PATH for a vCPU or memslot the run does not have
 */
export function checkTargets(thresholds: readonly Threshold[], planned: PlannedRun, { name, countsMemslots }: BackendDefinition): void {
  const phases = new Set(planned.phases);
  for (const { path, target } of thresholds) {
    if (target.at !== 'phase') continue;
    if (planned.isWhole && !phases.has(target.phase)) throw thresholdUnknownPhase(path, target.phase, suggestName(target.phase, planned.phases));
    const { scope } = target;
    if (scope === undefined) continue;
    if (scope.of === 'slots' && countsMemslots === false) throw thresholdUnknownPath(path, `${name} does not count by memslot`);
    const known = scope.of === 'vcpus' ? Number(scope.id) < planned.vcpus : planned.slots.includes(Number(scope.id));
    if (!known) throw thresholdUnknownPath(path, `this run has no ${scope.of}.${scope.id}`);
  }
}

/**
 * Compares a result with thresholds.
 * @returns what is not met, in the order of the thresholds
 * @throws THRESHOLD_UNKNOWN_PHASE for a phase the run did not have
 */
export function checkThresholds(result: RunResult, thresholds: readonly Threshold[]): readonly ThresholdFailure[] {
  return thresholds.flatMap(threshold => {
    const actual = findValue(result, threshold);
    const isMet = COMPARISONS[threshold.operator]?.(actual, threshold.bound) === true;
    return isMet ? [] : [{ path: threshold.path, condition: `${threshold.operator} ${threshold.bound}`, actual }];
  });
}

function readCondition(path: string, condition: unknown): { readonly operator: string; readonly bound: number } {
  const match = CONDITION.exec(typeof condition === 'number' || typeof condition === 'string' ? String(condition).trim() : '');
  const bound = Number(match?.[2]);
  if (match === null || !Number.isFinite(bound)) throw thresholdSyntax(path, condition, EXPECTED_CONDITION);
  const operator = match[1] ?? '==';
  return { operator: operator === '=' ? '==' : operator, bound };
}

function readTarget(path: string, definition: BackendDefinition): ThresholdTarget {
  if (path === 'wallMs') return { at: 'wallMs' };
  if (path === 'memory.tableBytesReal') return { at: 'memory', field: 'tableBytesReal' };
  if (path === 'memory.simulatorBytes') return { at: 'memory', field: 'simulatorBytes' };
  const totals = /^totals\.counters\.(.+)$/.exec(path);
  if (totals !== null) return { at: 'totals', counter: knownCounter(path, totals[1] ?? '', definition) };
  const [, phase, of, id, counter] = PHASE_PATH.exec(path) ?? [];
  if (phase === undefined || counter === undefined) throw thresholdUnknownPath(path, EXPECTED_PATH);
  const known = knownCounter(path, counter, definition);
  if ((of === 'vcpus' || of === 'slots') && id !== undefined) {
    return { at: 'phase', phase, scope: { of, id, isCounted: definition.countsMemslots === true }, counter: known };
  }
  return { at: 'phase', phase, counter: known };
}

function knownCounter(path: string, counter: string, definition: BackendDefinition): string {
  const names = definition.events.map(event => event.name);
  if (!names.includes(counter)) throw thresholdUnknownCounter(path, counter, definition.name, suggestName(counter, names));
  return counter;
}

function findValue(result: RunResult, { path, target }: Threshold): number {
  switch (target.at) {
    case 'wallMs':
      return result.wallMs;
    case 'memory':
      return result.memory[target.field];
    case 'totals':
      return result.totals.counters[target.counter] ?? 0;
    case 'phase': {
      const phase = result.phases.find(candidate => candidate.phase === target.phase);
      const names = result.phases.map(candidate => candidate.phase);
      if (phase === undefined) throw thresholdUnknownPhase(path, target.phase, suggestName(target.phase, names));
      return scopedCounters(phase, path, target.scope)[target.counter] ?? 0;
    }
  }
}

function scopedCounters(phase: PhaseResult, path: string, scope: CounterScope | undefined): CounterValues {
  if (scope === undefined) return phase.counters;
  const ofSlot = phase.slots?.[Number(scope.id)] ?? (scope.isCounted ? { counters: {} } : undefined);
  const found = scope.of === 'vcpus' ? phase.vcpus[Number(scope.id)] : ofSlot;
  if (found === undefined) throw thresholdUnknownPath(path, `this run has no ${scope.of}.${scope.id}`);
  return found.counters;
}
