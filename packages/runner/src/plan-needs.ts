/**
 * Whether a backend has what a plan asks for: host operations and registers, by name. Looked up before anything runs, so that no workload runs into a wall, and none
 * is told that something happened which the backend does not know.
 */
import {
  COMMON_OPERATIONS,
  DIRTY_RING_OPERATION,
  TOTAL_PHASE,
  nearestName,
  suggestName,
  type BackendDefinition,
  type CheckRelation,
  type ControlWrite,
  type OptionValues,
  type PhaseCheck,
  type PhaseStep,
  type RegisterDef,
  type RegisterField,
  type VcpuStep,
  type WorkloadPhase,
  type WorkloadPlan,
} from '@mmulab/api';
import { quantitiesOf } from './checks/run-checks';
import { checkedPhase, operationMissing, operationTooNew, pluginShape, registerValue } from './errors';

/** Phases looked at: those of further iterations are like them. */
const MOST_PHASES = 1000;

/** What a workload needs of a VM whose guest has a guest. */
const NESTED = 'nested';
/** What it needs where the guest writes its own page tables. */
const TABLE_WRITES = 'guest_table_writes';

/** Host operations that come with another thing a backend declares. */
const BROUGHT_BY: Readonly<Record<string, string>> = { collect_dirty_rings: DIRTY_RING_OPERATION, reset_dirty_rings: DIRTY_RING_OPERATION };

/** @param options resolved values of the backend's options @throws WORKLOAD_NEEDS, WORKLOAD_REGISTER_VALUE */
export function checkNeeds(workload: string, plan: WorkloadPlan, definition: BackendDefinition, options: OptionValues): void {
  const needs = new PlanNeeds(workload, definition, options);
  if (plan.vm.nested !== undefined) needs.operation(NESTED);
  for (const capability of plan.vm.capabilities ?? []) needs.operation(capability);
  if (plan.vm.dirtyRing !== undefined) needs.operation(DIRTY_RING_OPERATION);
  let phases = 0;
  // Rounds have their steps in common.
  const seen = new Set<readonly PhaseStep[]>();
  for (const phase of plan.phases) {
    if (!seen.has(phase.steps)) for (const step of phase.steps) needs.phaseStep(step);
    seen.add(phase.steps);
    needs.checks(phase);
    if (++phases === MOST_PHASES) break;
  }
}

class PlanNeeds {
  private readonly operations: ReadonlySet<string>;
  private readonly registers: ReadonlyMap<string, RegisterDef>;
  /** Operations that the kernel has from a later release on, which is named. */
  private readonly older = new Map<string, string>();
  /** Writes are looked at once: workloads make many of few. */
  private readonly seen = new Set<ControlWrite>();
  /** Names of the phases looked at. */
  private readonly phases = new Set<string>();

  constructor(
    private readonly workload: string,
    private readonly definition: BackendDefinition,
    options: OptionValues,
  ) {
    for (const { name, needs } of definition.operations ?? [])
      if (needs !== undefined && options[needs.option] !== needs.value) this.older.set(name, needs.from);
    this.operations = new Set([...COMMON_OPERATIONS, ...(definition.operations ?? []).map(one => one.name)]);
    this.registers = new Map((definition.registers ?? []).map(one => [one.name, one]));
  }

  operation(name: string): void {
    const from = this.older.get(name);
    if (from !== undefined) throw operationTooNew(this.workload, name, this.definition.name, from);
    if (this.operations.has(name)) return;
    const own = (this.definition.operations ?? []).map(one => one.name);
    throw operationMissing(this.workload, `the host operation ${name}`, this.definition.name, [...COMMON_OPERATIONS, ...own]);
  }

  phaseStep(step: PhaseStep): void {
    if (step.kind === 'host') this.operation(BROUGHT_BY[step.op.op] ?? step.op.op);
    else for (const program of step.programs) this.steps(program);
  }

  /** What checks look at: counters that the backend has, phases that come before. */
  checks(phase: WorkloadPhase): void {
    const { events, name: backend } = this.definition;
    this.phases.add(phase.name);
    for (const check of phase.checks ?? []) checkShapeOf(this.workload, phase.name, check);
    for (const one of quantitiesOf(phase)) {
      if (!('counter' in one)) continue;
      const names = events.map(event => event.name);
      if (!names.includes(one.counter)) {
        const near = nearestName(one.counter, names);
        const suggestion = near === undefined ? '' : ` (did you mean ${near}?)`;
        throw operationMissing(this.workload, `the counter ${one.counter}${suggestion}`, backend, names);
      }
      if (one.phase !== undefined && one.phase !== TOTAL_PHASE && !this.phases.has(one.phase))
        throw checkedPhase(this.workload, phase.name, one.phase, suggestName(one.phase, [...this.phases]));
    }
  }

  private steps(steps: readonly VcpuStep[]): void {
    for (const step of steps) {
      if (step.op === 'repeat') this.steps(step.steps);
      else if (step.op === 'control') this.register(step.write);
      else if (step.op === 'table') this.operation(TABLE_WRITES);
    }
  }

  private register(write: ControlWrite): void {
    if (this.seen.has(write)) return;
    this.seen.add(write);
    const known = this.registers.get(write.register);
    if (known === undefined)
      throw operationMissing(this.workload, `the register ${write.register}`, this.definition.name, [...this.registers.keys()]);
    const fields = write as Readonly<Record<string, unknown>>;
    for (const [field, values] of Object.entries(known.fields)) {
      const value = fields[field];
      if (value === undefined && known.optional?.includes(field) === true) continue;
      if (!takes(values, value)) throw registerValue(this.workload, write.register, field, value, describe(values));
    }
  }
}

function takes(values: RegisterField, value: unknown): boolean {
  if (values === 'number') return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  return values.some(one => one === value);
}

function describe(values: RegisterField): string {
  return values === 'number' ? 'a whole number from 0 on' : values.join(', ');
}

/** A check as a plugin may hand it over. @throws PLUGIN_SHAPE */
function checkShapeOf(workload: string, phase: string, check: unknown): void {
  const { name, of, relation, expected } = (check ?? {}) as Partial<Record<keyof PhaseCheck, unknown>>;
  const place = `a check of phase ${phase}`;
  const isQuantity = (one: unknown): boolean => typeof one === 'object' && one !== null && ['counter', 'answer', 'mapped'].some(key => key in one);
  if (typeof name !== 'string') throw pluginShape(workload, `${place}: name`, name, 'what is asserted, in words');
  if (!Array.isArray(of) || of.length === 0 || !of.every(isQuantity))
    throw pluginShape(workload, `${place} (${name}): of`, of, 'a list of counters, answers or mapped frames');
  if (!RELATIONS.includes(String(relation))) throw pluginShape(workload, `${place} (${name}): relation`, relation, `one of ${RELATIONS.join(', ')}`);
  if (typeof expected !== 'number' && !(Array.isArray(expected) && expected.every(isQuantity)))
    throw pluginShape(workload, `${place} (${name}): expected`, expected, 'a number, or a list of counters');
}

const RELATIONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='] satisfies CheckRelation[];
