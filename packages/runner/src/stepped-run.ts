/**
 * A run that is performed one step at a time, by whoever calls `step`: pages that show it, and lessons.
 *
 * It does what `runResolved` does, in the same order, and counts the same. Small runs are stepped by access: a fault goes through its stages one by one, so that its way is
 * known; where vCPUs share memory a step is one event of the scheduler, a stage of one of them. Large runs are stepped by program: all that a vCPU does in one guest
 * step, lifted as always.
 */
import {
  ACCESS_DONE,
  type AccessKind,
  type BackendDefinition,
  type ControlWrite,
  type GuestTableWrites,
  type HostOp,
  type MmuBackend,
  type PhaseResult,
  type PhaseStep,
  type TransitionObserver,
  type VcpuProgram,
  type WorkloadPlan,
} from '@mmulab/api';
import { compose } from './compose';
import type { ResolvedRun } from './config/types';
import { PhaseResults } from './phase-results';
import { accessesOf } from './plan-accesses';
import type { Registry } from './registry';
import { planOf, RunInProgress } from './run';
import { HOST_ACTOR, type RunCounters } from './sim/counters';
import { Generators } from './sim/generator';
import { interleaver } from './sim/interleaver';
import { Atom, ProgramCursor } from './sim/program-cursor';
import type { Interleaver, ScheduledBackend } from './sim/program-interleaver';

/** Accesses of a run up to which it is stepped access by access: fewer than send shared memory into rounds (shared-rounds.ts). */
export const MAX_STEPPED_ACCESSES = 2 ** 19 - 1;

/** One thing that happened within a step. */
export type StepAct =
  /** The vCPU enters the guest: for the first time in this guest step, or after an exit to user space. */
  | { readonly act: 'enter' }
  /** An access from its beginning; `stages` it went through so far, none for a hit. */
  | { readonly act: 'access'; readonly vfn: number; readonly kind: AccessKind; readonly stages: readonly number[]; readonly done: boolean }
  /** A stage of the access that is under way; `done` when it was the last. */
  | { readonly act: 'stage'; readonly vfn: number; readonly kind: AccessKind; readonly stage: number; readonly done: boolean }
  | { readonly act: 'control'; readonly write: ControlWrite }
  | { readonly act: 'table'; readonly writes: GuestTableWrites }
  | { readonly act: 'host'; readonly op: HostOp }
  /** The whole program of a vCPU, or (vCPU -1) the programs of all, which share memory. */
  | { readonly act: 'program' };

/** A step that was performed. */
export interface PerformedStep {
  /** Index and name of the phase. */
  readonly phase: number;
  readonly phaseName: string;
  /** Whose step it was; -1 for the host, and where all vCPUs acted. */
  readonly vcpu: number;
  readonly acts: readonly StepAct[];
}

export class SteppedRun {
  readonly definition: BackendDefinition;
  readonly backend: MmuBackend;
  readonly counters: RunCounters;
  readonly plan: WorkloadPlan;
  /** Whether steps are accesses; else they are programs. */
  readonly byAccess: boolean;
  /** What all actors had counted when the phase under way began. */
  phaseBegan: Float64Array;
  private readonly results: PhaseResults;
  private readonly whole: RunInProgress;
  private readonly generators: Generators;
  private readonly recorded: RecordedBackend;
  private readonly scheduler: Interleaver;
  /** Guest steps done so far. */
  private passes = 0;
  private readonly walk: Iterator<PerformedStep, undefined>;

  /**
   * Composes a run and creates its VM.
   * @param observer told of every change of an entry; not of runs that are stepped by program
   * @param maxAccesses accesses up to which it is stepped by access, at most MAX_STEPPED_ACCESSES
   * @throws what `runResolved` throws
   */
  constructor(run: ResolvedRun, registry: Registry, observer?: TransitionObserver, maxAccesses = MAX_STEPPED_ACCESSES) {
    const unobserved = compose(run, registry);
    this.plan = planOf(unobserved, run, registry);
    this.byAccess = accessesOf(this.plan, maxAccesses) <= maxAccesses;
    const composition = this.byAccess && observer !== undefined ? compose(run, registry, { observer }) : unobserved;
    const { definition, backend, counters } = composition;
    this.definition = definition;
    this.backend = backend;
    this.counters = counters;
    this.phaseBegan = counters.emptyVector();
    const { vcpus } = this.plan.vm;
    this.results = new PhaseResults(counters, true);
    this.whole = new RunInProgress(composition, this.plan, run, undefined);
    this.generators = new Generators(vcpus);
    this.recorded = new RecordedBackend(backend, vcpus);
    this.scheduler = interleaver({ backend: this.recorded, counters, generators: this.generators, vcpus }, run);
    backend.create(this.plan.vm);
    this.walk = this.phases();
  }

  /** Performs the next step. @returns undefined when there is none: the run is over */
  step(): PerformedStep | undefined {
    const next = this.walk.next();
    return next.done === true ? undefined : next.value;
  }

  /** Phases that are over, as a result has them. */
  ended(): readonly PhaseResult[] {
    return this.results.phases();
  }

  private *phases(): Generator<PerformedStep, undefined> {
    let phase = 0;
    for (const { name, steps } of this.plan.phases) {
      this.phaseBegan = this.counters.total();
      for (const step of steps) for (const [vcpu, acts] of this.steps(step)) yield { phase, phaseName: name, vcpu, acts };
      this.results.add(name, this.counters.endPhase());
      phase++;
    }
    return undefined;
  }

  /** What a step of a phase comes to: who acts, and how. */
  private *steps(step: PhaseStep): Generator<readonly [number, readonly StepAct[]]> {
    if (step.kind === 'host') {
      this.counters.select(HOST_ACTOR);
      this.backend.host(step.op);
      yield [HOST_ACTOR, [{ act: 'host', op: step.op }]];
      return;
    }
    if (this.byAccess) this.counters.guestWork.begin(step.programs, this.generators.states);
    else this.whole.beginGuest(step);
    const pass = this.passes++;
    if (step.shared && step.programs.length > 1) {
      if (this.byAccess) yield* this.interleaved(step.programs, pass);
      else {
        this.whole.performShared(step.programs, pass);
        yield [HOST_ACTOR, [{ act: 'program' }]];
      }
    } else {
      for (const [vcpu, program] of step.programs.entries()) yield* this.alone(vcpu, program);
    }
  }

  private *alone(vcpu: number, program: VcpuProgram): Generator<readonly [number, readonly StepAct[]]> {
    const { recorded } = this;
    this.backend.enter(vcpu);
    if (!this.byAccess) {
      this.whole.performSteps(vcpu, program, 0);
      recorded.leave(vcpu);
      yield [vcpu, [{ act: 'program' }]];
      return;
    }
    yield [vcpu, [{ act: 'enter' }]];
    const cursor = new ProgramCursor(program, vcpu, this.generators);
    for (let atom = cursor.next(); atom !== Atom.End; atom = cursor.next()) {
      if (atom === Atom.Access) this.access(vcpu, cursor.vfn, cursor.kind);
      else if (atom === Atom.Exit) {
        recorded.leave(vcpu);
        recorded.enter(vcpu);
      } else if (atom === Atom.Table) {
        if (cursor.tableWrites !== undefined) recorded.writeTables(vcpu, cursor.tableWrites);
      } else if (cursor.write !== undefined) recorded.control(vcpu, cursor.write);
      yield [vcpu, recorded.take()];
    }
    recorded.leave(vcpu);
  }

  /** One access with all its faults. */
  private access(vcpu: number, vfn: number, kind: AccessKind): void {
    const { backend } = this;
    const stages: number[] = [];
    for (let stage = backend.begin(vcpu, vfn, kind); stage !== ACCESS_DONE; stage = backend.advance(vcpu)) stages.push(stage);
    this.recorded.acts.push({ act: 'access', vfn, kind, stages, done: true });
  }

  private *interleaved(programs: readonly VcpuProgram[], pass: number): Generator<readonly [number, readonly StepAct[]]> {
    this.scheduler.start(programs, pass);
    for (let vcpu = this.scheduler.next(); vcpu >= 0; vcpu = this.scheduler.next()) {
      const acts = this.recorded.take();
      if (acts.length > 0) yield [vcpu, acts];
    }
  }
}

/** A backend that remembers what was asked of it. */
class RecordedBackend implements ScheduledBackend {
  readonly stages: MmuBackend['stages'];
  acts: StepAct[] = [];
  /** The access under way and its stage, by vCPU. */
  private readonly vfns: Float64Array;
  private readonly kinds: AccessKind[];
  private readonly pending: Int32Array;

  constructor(
    private readonly backend: MmuBackend,
    vcpus: number,
  ) {
    this.stages = backend.stages;
    this.vfns = new Float64Array(vcpus);
    this.kinds = new Array<AccessKind>(vcpus).fill(0);
    this.pending = new Int32Array(vcpus);
  }

  enter(vcpu: number): void {
    this.backend.enter(vcpu);
    this.acts.push({ act: 'enter' });
  }

  leave(vcpu: number): void {
    this.backend.leave?.(vcpu);
  }

  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    const next = this.backend.begin(vcpu, vfn, kind);
    this.vfns[vcpu] = vfn;
    this.kinds[vcpu] = kind;
    this.pending[vcpu] = next;
    this.acts.push({ act: 'access', vfn, kind, stages: [], done: next === ACCESS_DONE });
    return next;
  }

  advance(vcpu: number): number {
    const stage = this.pending[vcpu] ?? 0;
    const next = this.backend.advance(vcpu);
    this.pending[vcpu] = next;
    this.acts.push({ act: 'stage', vfn: this.vfns[vcpu] ?? 0, kind: this.kinds[vcpu] ?? 0, stage, done: next === ACCESS_DONE });
    return next;
  }

  control(vcpu: number, write: ControlWrite): void {
    this.backend.control(vcpu, write);
    this.acts.push({ act: 'control', write });
  }

  writeTables(vcpu: number, writes: GuestTableWrites): void {
    this.backend.writeTables?.(vcpu, writes);
    this.acts.push({ act: 'table', writes });
  }

  /** What was remembered since the last call. */
  take(): readonly StepAct[] {
    const { acts } = this;
    this.acts = [];
    return acts;
  }
}
