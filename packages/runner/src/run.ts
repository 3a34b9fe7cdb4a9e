/**
 * Runs what a config means: creates the VM, performs the phases, reads the counters.
 *
 * vCPUs whose memory is their own run one after the other, whole runs at a time; those that share memory are interleaved by the scheduler. The same config and
 * seed give the same result, apart from `wallMs` and `simulatorBytes`, which are measured.
 */
import {
  KvmRunFailure,
  RESULT_SCHEMA,
  type BackingUse,
  type CheckResult,
  type CounterValues,
  type GuestDefinition,
  type HostBacking,
  type Machine,
  type MmuBackend,
  type PhaseResult,
  type PhaseStep,
  type PhaseTime,
  type PhaseWork,
  type RunFailure,
  type RunResult,
  type TraceExport,
  type VcpuProgram,
  type VcpuStep,
  type WorkloadPlan,
} from '@mmulab/api';
import { RunChecks } from './checks/run-checks';
import { compose, patchNames, type Composition } from './compose';
import { inGivenNames } from './config/given-names';
import { checkTargets, type PlannedRun } from './config/thresholds';
import type { ResolvedRun } from './config/types';
import { resolvedConfig } from './config/validate';
import { pluginShape } from './errors';
import { backingHost } from './host/backings';
import { PhaseResults } from './phase-results';
import { checkNeeds } from './plan-needs';
import { guarded } from './plugin-fault';
import { checkPlan } from './plugin-shape';
import { peakMemoryBytes } from './process-figures';
import { ReadyRun, type Made } from './ready-run';
import type { Registry } from './registry';
import { HOST_ACTOR, type PhaseCounts, type RunCounters } from './sim/counters';
import { Generators } from './sim/generator';
import { interleaver } from './sim/interleaver';
import type { Interleaver } from './sim/program-interleaver';
import { askedVcpus, quietVcpus, representationOf, representedNote, wholeRun, type SmallRun } from './representative';
import { seedsNote, spreadPhases, type SeedOutcome } from './several-seeds';
import { scaledWork, WorkLog } from './sim/work-log';
import { shiftTableWrites, shiftWrite } from './sim/shifted-steps';
import { SteadyCycle } from './sim/steady-cycle';
import { SharedPass, ROUNDS_NOTE } from './sim/shared-rounds';

/** Phases of a plan whose names are looked at before it runs: one of 2^31 iterations is not gone through for that. */
const MOST_CHECKED_PHASES = 100_000;

/** Lets a caller follow a run. */
export interface RunHooks {
  /** A phase begins; `index` counts from 0. */
  onPhaseStart?(name: string, index: number, phases: number): void;
  /** A phase has ended. */
  onPhaseEnd?(name: string, index: number, phases: number): void;
  /** Whether phases have the counters of every vCPU; so it is by default. Without them `vcpus` is empty, and a long run takes little memory. */
  readonly vcpuCounters?: boolean;
  /** Takes the work of the phases once the run is over: what cost models price. */
  onWork?(phases: readonly PhaseWork[]): void;
  /** A trace is to be written of the run, one that the backend's definition names. */
  readonly trace?: TraceExport | undefined;
  /** What was made to plan the run: it is performed with that where nothing is written of it. */
  readonly ready?: ReadyRun | undefined;
}

/**
 * Plans a run without performing it: the one path on which everything that can be wrong with a run is found, whether it is to be performed or only validated.
 * The VM is laid out and created, and the places of the thresholds are looked for among the phases.
 * @throws typed errors of the backend, the workload and the thresholds
 */
export function planRun(run: ResolvedRun, registry: Registry): WorkloadPlan {
  return prepareRun(run, registry).plan;
}

/** The same, and keeps what it made for `RunHooks.ready`. @throws as `planRun` */
export function prepareRun(run: ResolvedRun, registry: Registry): ReadyRun {
  const prepare = (): ReadyRun => {
    const { composition, plan } = makeRun(run, registry, {});
    composition.backend.create(plan.vm);
    return new ReadyRun(plan, composition);
  };
  return inGivenNames(run.givenAs, () => guarded(pluginsOf(run, registry), prepare));
}

function makeRun(run: ResolvedRun, registry: Registry, hooks: RunHooks): Made {
  const composition = compose(run, registry, hooks);
  return { composition, plan: planOf(composition, run, registry), isCreated: false };
}

/** The plugins whose classes are at work in a run, those of the patches it names included. */
function pluginsOf({ backend, workload }: ResolvedRun, registry: Registry): readonly string[] {
  const named = patchNames(backend.patch);
  const patches = registry.patchesOf(backend.name, named).filter(({ definition }) => named.includes(definition.name));
  const owners = [registry.pluginOfBackend(backend.name), registry.pluginOfWorkload(workload.name)].flatMap(plugin => plugin?.name ?? []);
  return [...owners, ...patches.map(({ plugin }) => plugin)];
}

/**
 * Performs one run.
 * @throws typed errors of the workload's plan; PLUGIN_FAILED for what plugins of other people throw; InvariantError when the simulation contradicts itself
 */
export function runResolved(run: ResolvedRun, registry: Registry, hooks: RunHooks = {}): RunResult {
  return inGivenNames(run.givenAs, () => guarded(pluginsOf(run, registry), () => performResolved(run, registry, hooks)));
}

function performResolved(run: ResolvedRun, registry: Registry, hooks: RunHooks): RunResult {
  const startedMs = performance.now();
  const { plan, work, performed: first } = performOnce(run, registry, hooks);
  const { notes, phases, failure, checks, ...performed } = first;
  if (work !== undefined) hooks.onWork?.(work);
  const { name, variation, seed, seeds = 1 } = run;
  const outcomes = [{ phases, work }, ...underOtherSeeds(run, registry, seeds)] as const;
  const spread = seeds === 1 ? phases : spreadPhases(outcomes);
  return {
    schema: RESULT_SCHEMA,
    name: variation === '' ? name : `${name} (${variation})`,
    config: resolvedConfig(run),
    ...(plan.guestMode === undefined ? {} : { guestMode: plan.guestMode }),
    seed,
    ...(seeds === 1 ? {} : { seeds }),
    notes: [...run.notes, ...plan.notes, ...notes, ...(seeds === 1 ? [] : [seedsNote(seeds, seed, spread)])],
    ...(failure === undefined ? {} : { failure }),
    ...(checks === undefined ? {} : { checks }),
    ...performed,
    phases: timed(
      spread,
      run,
      registry,
      outcomes.flatMap(outcome => (outcome.work === undefined ? [] : [outcome.work])),
    ),
    memory: { ...performed.memory, simulatorBytes: peakMemoryBytes() },
    wallMs: Math.round((performance.now() - startedMs) * 1000) / 1000,
  };
}

/** What one performance of a run gives. */
interface PerformedOnce {
  readonly plan: WorkloadPlan;
  readonly performed: Performed;
  readonly work: readonly PhaseWork[] | undefined;
}

function performOnce(run: ResolvedRun, registry: Registry, hooks: RunHooks): PerformedOnce {
  const made = (hooks.trace === undefined ? hooks.ready?.take() : undefined) ?? makeRun(run, registry, hooks);
  const { composition, plan } = made;
  const log = run.time === undefined && hooks.onWork === undefined ? undefined : new WorkLog(composition.counters, testedPages(plan));
  const represented = run.representative === true ? performRepresentative(composition, plan, run, registry, hooks) : undefined;
  if (represented === undefined || typeof represented === 'string') {
    const performed = new RunInProgress(composition, plan, run, log, made.isCreated).perform(hooks);
    const notes = represented === undefined ? performed.notes : [...performed.notes, `representative=Y has no effect here: ${represented}.`];
    return { plan, performed: { ...performed, notes }, work: log?.phases };
  }
  const results = new PhaseResults(composition.counters, hooks.vcpuCounters !== false);
  represented.counts.forEach((counts, at) => {
    const name = plan.phases.at(at)?.name ?? '';
    results.add(name, counts);
    log?.endPhase(name, counts);
  });
  const memory = { tableBytesReal: Math.max(0, ...represented.tableBytes) };
  const notes = [...represented.notes, representedNote(plan.vm.vcpus)];
  const performed = { phases: results.phases(), totals: { counters: results.totals() }, memory, notes, failure: undefined, checks: undefined };
  return { plan, performed, work: log?.phases };
}

/** The counts of a run from those of small ones, or why that cannot be. */
function performRepresentative(
  { definition, backend }: Composition,
  plan: WorkloadPlan,
  run: ResolvedRun,
  registry: Registry,
  hooks: RunHooks,
): (SmallRun & Pick<Performed, 'notes'>) | string {
  if (hooks.trace !== undefined) return 'a trace is written of every vCPU';
  if (RunChecks.of(plan, backend) !== undefined) return 'the test asserts what it finds';
  const representation = representationOf(plan);
  if (typeof representation === 'string') return representation;
  const perform = (whole: readonly number[], quiet: readonly number[], followed: RunHooks): SmallRun & Performed => {
    const small = { counts: [] as PhaseCounts[], tableBytes: [] as number[] };
    const performed = new RunInProgress(compose(run, registry), representation.plan(whole, quiet), run, undefined).perform(
      followed,
      (counts, bytes) => {
        small.counts.push(counts);
        small.tableBytes.push(bytes);
      },
    );
    return { ...performed, ...small };
  };
  const sparse = perform([], [], { ...hooks, vcpuCounters: false });
  const quiet = quietVcpus(plan.vm.vcpus);
  const [first, second, lastButOne, last] = askedVcpus(plan.vm.vcpus);
  const alone = (vcpu: number): SmallRun & Performed => perform([vcpu], quiet, { vcpuCounters: false });
  const ends = quiet.length === 0 ? sparse : perform([], quiet, { vcpuCounters: false });
  const dense = [alone(first), alone(second), alone(lastButOne), alone(last)] as const;
  if ([sparse, ends, ...dense].some(({ failure }) => failure !== undefined)) return 'the run fails';
  const found = wholeRun({ sparse, ends, dense }, representation, definition.events, definition.machine(run.host).pageSizeBytes);
  return found === undefined ? 'what one vCPU adds is not what another one does' : { ...found, notes: sparse.notes };
}

/** The same run under the seeds after its own, for nobody who looks on. */
function underOtherSeeds(run: ResolvedRun, registry: Registry, seeds: number): readonly SeedOutcome[] {
  return Array.from({ length: seeds - 1 }, (_, i) => {
    const { performed, work } = performOnce({ ...run, seed: run.seed + i + 1 }, registry, { vcpuCounters: false });
    return { phases: performed.phases, work };
  });
}

/** Frames of all memslots but the first, which holds the program and its tables. */
function testedPages({ vm }: WorkloadPlan): number {
  return vm.memslots.reduce((sum, { id, npages }) => sum + (id === 0 ? 0 : npages), 0);
}

/** Phases with their times, where a model was named. @param works of the phases, by seed */
function timed(
  phases: readonly PhaseResult[],
  { time, backend, host }: ResolvedRun,
  registry: Registry,
  works: readonly (readonly PhaseWork[])[],
): readonly PhaseResult[] {
  if (time === undefined) return phases;
  const scaled = works.map(work => {
    const all = Math.max(1, ...work.map(({ vcpus }) => vcpus));
    return scaledWork(work, (time.vcpus ?? all) / all);
  });
  const machine = time.machine === undefined ? {} : { machine: time.machine };
  const work = { backend: backend.name, host, ...machine, phases: scaled[0] ?? [], ...(scaled.length > 1 ? { seeds: scaled } : {}) };
  const times = registry.model(time.model).price(work, registry.solver(time.solver));
  return phases.map((phase, i) => withTime(phase, times[i]));
}

function withTime(phase: PhaseResult, time: PhaseTime | undefined): PhaseResult {
  return time === undefined ? phase : { ...phase, time };
}

/** The plan of a run's workload, checked. */
export function planOf({ definition, workload }: Composition, run: ResolvedRun, registry: Registry): WorkloadPlan {
  const machine = definition.machine(run.host) as Machine | null;
  if (machine === null) throw pluginShape(definition.name, 'the machine', machine, 'its page size and address bits');
  const host = backingHost(machine, run.host);
  const backings = new Map<string, HostBacking>();
  const backing = (name: string, use: BackingUse = {}): HostBacking => {
    const key = `${name} ${use.userfaultfd ?? ''}`;
    const found = backings.get(key) ?? registry.backing(name, host, use);
    backings.set(key, found);
    return found;
  };
  const guest = (): GuestDefinition => registry.guest(machine.arch);
  const plan: unknown = workload.plan({
    options: run.workload.options,
    machine,
    backing,
    guest,
    kernel: run.backend.kernel,
    settings: run.backend.options,
  });
  checkPlan(run.workload.name, plan);
  checkNeeds(run.workload.name, plan, definition, run.backend.options);
  if (run.thresholds.length > 0) checkTargets(run.thresholds, placesOf(plan), definition);
  return plan;
}

function placesOf({ vm, phases }: WorkloadPlan): PlannedRun {
  const names: string[] = [];
  const slots = vm.memslots.map(slot => slot.id);
  for (const { name, steps } of phases) {
    names.push(name);
    for (const step of steps) if (step.kind === 'host' && step.op.op === 'create_memslot') slots.push(step.op.spec.id);
    if (names.length === MOST_CHECKED_PHASES) break;
  }
  return { phases: names, isWhole: names.length === phases.length, vcpus: vm.vcpus, slots };
}

/** What performing the phases gives. */
interface Performed {
  readonly phases: readonly PhaseResult[];
  readonly totals: { readonly counters: CounterValues };
  readonly memory: { readonly tableBytesReal: number };
  readonly notes: readonly string[];
  readonly failure: RunFailure | undefined;
  readonly checks: readonly CheckResult[] | undefined;
}

/** A VM being run. */
export class RunInProgress {
  private readonly backend: MmuBackend;
  private readonly counters: RunCounters;
  private readonly generators: Generators;
  private readonly checks: RunChecks | undefined;
  private scheduler: Interleaver | undefined = undefined;
  /** Guest steps done so far. */
  private passes = 0;
  /** Whether shared accesses were performed in rounds. */
  private inRounds = false;

  constructor(
    composition: Composition,
    private readonly plan: WorkloadPlan,
    private readonly run: ResolvedRun,
    private readonly log: WorkLog | undefined,
    private readonly isCreated = false,
  ) {
    this.backend = composition.backend;
    this.counters = composition.counters;
    this.generators = new Generators(plan.vm.vcpus);
    this.checks = RunChecks.of(plan, composition.backend);
  }

  /** @param collect takes what each phase counts, and the bytes of tables at its end */
  perform(hooks: RunHooks, collect?: (counts: PhaseCounts, tableBytes: number) => void): Performed {
    const { backend, counters, checks } = this;
    const { vm, phases } = this.plan;
    if (!this.isCreated) backend.create(vm);
    const results = new PhaseResults(counters, hooks.vcpuCounters !== false);
    let tableBytesReal = 0;
    let index = 0;
    let failure: RunFailure | undefined;
    for (const phase of phases) {
      const { name, steps } = phase;
      hooks.onPhaseStart?.(name, index, phases.length);
      failure = this.performPhase(name, steps);
      const bytes = backend.memory().tableBytesReal;
      tableBytesReal = Math.max(tableBytesReal, bytes);
      hooks.onPhaseEnd?.(name, index, phases.length);
      const counts = counters.endPhase();
      collect?.(counts, bytes);
      results.add(name, counts);
      this.log?.endPhase(name, counts);
      index++;
      if (failure !== undefined) break;
      checks?.endPhase(phase, of => results.countersOf(of));
    }
    const notes = [...(this.inRounds ? [ROUNDS_NOTE] : []), ...(backend.notes?.() ?? [])];
    return { phases: results.phases(), totals: { counters: results.totals() }, memory: { tableBytesReal }, notes, failure, checks: checks?.results };
  }

  /** @returns how a KVM_RUN in it failed, if one did: the test dies there */
  private performPhase(phase: string, steps: readonly PhaseStep[]): RunFailure | undefined {
    try {
      for (const step of steps) this.performStep(step);
      return undefined;
    } catch (error) {
      return failureOf(phase, error);
    }
  }

  private performStep(step: PhaseStep): void {
    if (step.kind === 'host') {
      this.counters.select(HOST_ACTOR);
      if (this.checks === undefined) this.backend.host(step.op);
      else this.checks.host(step.op);
      return;
    }
    this.checks?.guest(step.programs);
    this.beginGuest(step);
    const pass = this.passes++;
    if (step.shared && step.programs.length > 1) {
      this.performShared(step.programs, pass);
    } else {
      step.programs.forEach((program, vcpu) => {
        this.backend.enter(vcpu);
        this.performSteps(vcpu, program, 0);
        this.backend.leave?.(vcpu);
      });
    }
  }

  /** Counts what a guest step is about to do; accesses at random of private memory tell of themselves as they are drawn. */
  beginGuest({ programs, shared }: Extract<PhaseStep, { kind: 'guest' }>): void {
    this.counters.guestWork.begin(programs, shared && programs.length > 1 ? this.generators.states : undefined);
  }

  /** Interleaved throughout, or, where that would take long and the backend can, in rounds. */
  performShared(programs: readonly VcpuProgram[], number: number): void {
    const { backend, counters } = this;
    this.scheduler ??= interleaver({ backend, counters, generators: this.generators, vcpus: this.plan.vm.vcpus }, this.run);
    const pass = backend.runShared === undefined ? undefined : SharedPass.of(programs);
    if (pass === undefined) {
      this.scheduler.run(programs, number);
      return;
    }
    this.inRounds = true;
    pass.perform(backend, counters, this.scheduler, number);
  }

  /**
   * A vCPU's program, or a part of it.
   * @param shift frames by which surrounding repeats have moved the runs on
   */
  performSteps(vcpu: number, steps: readonly VcpuStep[], shift: number): void {
    for (const step of steps) this.performVcpuStep(vcpu, step, shift);
  }

  private performVcpuStep(vcpu: number, step: VcpuStep, shift: number): void {
    switch (step.op) {
      case 'access':
        return this.backend.run(vcpu, shiftRun(step.run, shift));
      case 'random':
        return this.generators.run(this.backend, vcpu, shiftRun(step.run, shift), this.counters.guestWork);
      case 'control':
        return this.backend.control(vcpu, shiftWrite(step.write, shift));
      case 'table':
        return this.backend.writeTables?.(vcpu, shiftTableWrites(step.writes, shift));
      case 'exit':
        this.backend.leave?.(vcpu);
        return this.backend.enter(vcpu);
      case 'repeat':
        this.performRepeat(vcpu, step, shift);
    }
  }

  /** A loop; once its turns repeat each other, those that are left are counted without being run. */
  private performRepeat(vcpu: number, step: Extract<VcpuStep, { op: 'repeat' }>, shift: number): void {
    const cycle = new SteadyCycle(this.backend, this.counters, step);
    for (let i = 0; i < step.times; i++) {
      this.performSteps(vcpu, step.steps, shift + i * (step.shift ?? 0));
      i += cycle.skip(i + 1);
    }
  }
}

/** What a backend threw, as the result has it. @throws whatever is no KVM_RUN that failed */
export function failureOf(phase: string, error: unknown): RunFailure {
  // By its shape: a plugin may have an api of its own.
  const { code, place, reason } = error as Partial<KvmRunFailure>;
  if (!(error instanceof KvmRunFailure) && (code !== 'KVM_RUN_FAILED' || place === undefined)) throw error;
  return { phase, ...(place as KvmRunFailure['place']), reason: reason ?? String(error) };
}

/** A run some frames further on. */
function shiftRun<Run extends { readonly vfn: number }>(run: Run, shift: number): Run {
  return shift === 0 ? run : { ...run, vfn: run.vfn + shift };
}
