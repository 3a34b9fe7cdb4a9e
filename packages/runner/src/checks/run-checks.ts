/**
 * Evaluates what a plan asserts: gathers the answers of host operations while a phase runs, and compares when it is over.
 */
import {
  TOTAL_PHASE,
  type CheckRelation,
  type CheckResult,
  type CheckedQuantity,
  type CounterValues,
  type HostAnswer,
  type HostFigure,
  type HostOp,
  type MappedQuantity,
  type MmuBackend,
  type PhaseCheck,
  type VcpuProgram,
  type WorkloadPhase,
  type WorkloadPlan,
} from '@mmulab/api';
import { WrittenPages } from './written-pages';

const RELATIONS: Readonly<Record<CheckRelation, (actual: number, expected: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** Phases whose checks are looked at before a run: those of further iterations are like them. */
const MOST_PHASES = 1000;

/** Counters of a phase that is over, by its name; of the run so far under `total`. */
export type CountersOf = (phase: string) => CounterValues | undefined;

/** Everything that the checks of a phase look at. */
export function quantitiesOf({ checks = [] }: WorkloadPhase): readonly CheckedQuantity[] {
  return checks.flatMap(({ of, expected }) => [...of, ...(typeof expected === 'number' ? [] : expected)]);
}

/** Checks of one run. */
export class RunChecks {
  readonly results: CheckResult[] = [];
  /** Present where a check asks for what the guest wrote. */
  private readonly written: WrittenPages | undefined;
  /** Figures of the phase under way, by slot and name. */
  private readonly figures = new Map<string, number>();

  private constructor(
    plan: WorkloadPlan,
    private readonly backend: MmuBackend,
    asksForWrites: boolean,
  ) {
    this.written = asksForWrites ? new WrittenPages(plan.vm) : undefined;
  }

  /** @returns undefined for a plan that asserts nothing */
  static of(plan: WorkloadPlan, backend: MmuBackend): RunChecks | undefined {
    let hasChecks = false;
    let asksForWrites = false;
    let phases = 0;
    for (const phase of plan.phases) {
      hasChecks ||= (phase.checks?.length ?? 0) > 0;
      asksForWrites ||= quantitiesOf(phase).some(one => 'answer' in one && /^dirty\.(missing|unexplained)$/.test(one.answer));
      if (++phases === MOST_PHASES) break;
    }
    return hasChecks ? new RunChecks(plan, backend, asksForWrites) : undefined;
  }

  /** vCPUs are about to run. */
  guest(programs: readonly VcpuProgram[]): void {
    this.written?.guest(programs);
  }

  /** Performs a host operation and keeps what it answers. */
  host(op: HostOp): void {
    const read = new Map<number, (readonly [number, number])[]>();
    const add = (slot: number, firstPage: number, npages: number): void => void (read.get(slot) ?? fresh(read, slot)).push([firstPage, npages]);
    this.backend.host(op, this.answerTo(op, add));
    const harvested = this.written?.host(op, read) ?? [];
    for (const [slot, runs] of read)
      this.add(
        'dirty.pages',
        runs.reduce((sum, [, npages]) => sum + npages, 0),
        slot,
      );
    for (const { slot, missing, unexplained } of harvested) {
      this.add('dirty.missing', missing, slot);
      this.add('dirty.unexplained', unexplained, slot);
    }
  }

  /** Takes what user space sees of an operation; undefined for those that answer nothing. @param add pages of a memslot that are dirty */
  private answerTo(op: HostOp, add: (slot: number, firstPage: number, npages: number) => void): HostAnswer | undefined {
    switch (op.op) {
      case 'get_dirty_log':
        // No page is an answer, too.
        this.add('dirty.pages', 0, op.slot);
        return { dirty: (firstPage, npages) => add(op.slot, firstPage, npages) };
      case 'collect_dirty_rings':
        return { collected: add, ringEntries: count => this.add('ring.collected', count) };
      case 'reset_dirty_rings':
        return { ringEntries: count => this.add('ring.reset', count) };
      case 'age':
        return { young: leaves => this.add('young.leaves', leaves, op.slot) };
      default:
        return undefined;
    }
  }

  /** A phase is over. @param countersOf earlier phases, this one included */
  endPhase({ name, checks = [] }: WorkloadPhase, countersOf: CountersOf): void {
    for (const check of checks) this.results.push(this.evaluate(name, check, countersOf));
    this.figures.clear();
  }

  private evaluate(phase: string, check: PhaseCheck, countersOf: CountersOf): CheckResult {
    const sum = (quantities: readonly CheckedQuantity[]): number =>
      quantities.reduce((total, one) => total + (one.times ?? 1) * this.valueOf(one, phase, countersOf), 0);
    const actual = sum(check.of);
    const expected = typeof check.expected === 'number' ? check.expected : sum(check.expected);
    const { name, relation } = check;
    const of = check.of.map(describe).join(' + ').replaceAll('+ -', '- ');
    if (Number.isNaN(actual)) return { phase, name, of, relation, expected, passed: false };
    return { phase, name, of, relation, expected, actual, passed: RELATIONS[relation](actual, expected) };
  }

  private valueOf(one: CheckedQuantity, phase: string, countersOf: CountersOf): number {
    if ('counter' in one) return countersOf(one.phase ?? phase)?.[one.counter] ?? NaN;
    if ('answer' in one) return this.figures.get(keyOf(one.answer, one.slot)) ?? NaN;
    return this.mapped(one);
  }

  private mapped({ mapped, gfn, npages }: MappedQuantity): number {
    let count = 0;
    for (let frame = gfn; frame < gfn + npages; frame++) if (this.backend.translate(frame)?.[mapped] === true) count++;
    return count;
  }

  private add(figure: HostFigure, value: number, slot?: number): void {
    const key = keyOf(figure, slot);
    this.figures.set(key, (this.figures.get(key) ?? 0) + value);
  }
}

function keyOf(figure: HostFigure, slot: number | undefined): string {
  return slot === undefined ? figure : `${figure} of memslot ${slot}`;
}

function fresh<Item>(lists: Map<number, Item[]>, key: number): Item[] {
  const list: Item[] = [];
  lists.set(key, list);
  return list;
}

function describe(one: CheckedQuantity): string {
  const times = one.times === undefined || one.times === 1 ? '' : one.times === -1 ? '-' : `${one.times} * `;
  if ('counter' in one)
    return `${times}${one.counter}${one.phase === undefined ? '' : one.phase === TOTAL_PHASE ? ' of the run' : ` of ${one.phase}`}`;
  if ('answer' in one) return `${times}${keyOf(one.answer, one.slot)}`;
  return `${times}${one.mapped} frames of ${one.npages} from gfn 0x${one.gfn.toString(16)} on`;
}
