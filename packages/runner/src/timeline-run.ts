/**
 * A run performed to be looked at: every access one by one, all vCPUs of a step side by side in virtual time, an onlooker told of everything.
 *
 * Results come from `runResolved`, which lifts ranges and runs vCPUs whose memory is their own one after the other; here they interleave, wait for mmu_lock and for each other's
 * flushes. What is counted is the same but for what hangs on timing (flushes that gather, races); `countsApart` says where. Times are nominal: a fault's
 * stages as the backend states them, operations of the host by what they count (sim/nominal-costs.ts).
 */
import type { EventDef, MmuBackend, PhaseStep, RunResult, RunTimeline, WorkloadPlan } from '@mmulab/api';
import { compose } from './compose';
import type { ResolvedRun } from './config/types';
import { slicedTimeline, tooLargeForTimeline } from './errors';
import { accessesOf } from './plan-accesses';
import type { Registry } from './registry';
import { failureOf, planOf } from './run';
import { HOST_ACTOR, type RunCounters } from './sim/counters';
import { FlushCounts } from './sim/flush-counts';
import { Generators } from './sim/generator';
import { NOMINAL_COSTS_NS, PS_PER_NS } from './sim/nominal-costs';
import { ObservedScheduler } from './sim/observed-scheduler';
import { isSliced } from './sim/vcpu-scheduling';

const PS_PER_MS = 1e9;

/** Accesses that are gone through one by one within a minute or so. */
export const MAX_TIMELINE_ACCESSES = 20_000_000;

/** What a timeline found beside what it told. */
export interface TimelineOutcome {
  /** Virtual time of the whole run. */
  readonly endPs: number;
  /** Counters whose totals are not those of the result, because they hang on timing. */
  readonly countsApart: readonly string[];
}

/** Checks, before anything runs, that a run is small enough to be told access by access. @throws TIMELINE_TOO_LARGE, TIMELINE_SLICED */
export function checkTimeline(run: ResolvedRun, registry: Registry): void {
  if (isSliced(run.host)) throw slicedTimeline();
  const accesses = accessesOf(planOf(compose(run, registry), run, registry), MAX_TIMELINE_ACCESSES);
  if (accesses > MAX_TIMELINE_ACCESSES) throw tooLargeForTimeline(accesses, MAX_TIMELINE_ACCESSES);
}

/**
 * Performs a run for an onlooker.
 * @param result of the same run, for comparison
 * @throws what `runResolved` throws
 */
export function runTimeline(run: ResolvedRun, registry: Registry, timeline: RunTimeline, result: RunResult): TimelineOutcome {
  const composition = compose(run, registry);
  const plan = planOf(composition, run, registry);
  const { backend, counters, definition } = composition;
  const { pageSizeBytes } = definition.machine(run.host);
  return new ObservedRun(backend, counters, definition.events, plan, run, timeline, pageSizeBytes).perform(result);
}

class ObservedRun {
  private readonly scheduler: ObservedScheduler;
  private readonly flushes: FlushCounts;
  /** Indices of gauges. */
  private readonly gauges: readonly number[];
  /** Indices of what the duration of a host operation is made of. */
  private readonly work: readonly number[];
  private timePs = 0;
  /** Guest steps done so far. */
  private passes = 0;

  constructor(
    private readonly backend: MmuBackend,
    private readonly counters: RunCounters,
    private readonly events: readonly EventDef[],
    private readonly plan: WorkloadPlan,
    private readonly resolved: ResolvedRun,
    private readonly timeline: RunTimeline,
    /** Tables are as large as pages. */
    private readonly pageBytes: number,
  ) {
    const { vcpus } = plan.vm;
    this.flushes = new FlushCounts(events, counters, timeline, vcpus);
    const generators = new Generators(vcpus);
    this.scheduler = new ObservedScheduler({
      backend,
      counters,
      generators,
      seed: resolved.seed,
      vcpus,
      timeline,
      flushes: this.flushes,
    });
    this.gauges = indicesOf(events, event => event.gauge);
    this.work = indicesOf(events, event => !event.gauge && event.group === undefined && event.unit !== 'bytes');
  }

  perform(result: RunResult): TimelineOutcome {
    const { backend, timeline, plan } = this;
    const levels = [...this.gauges.map(index => this.events[index]?.name ?? ''), 'tables'];
    const stages = backend.stages.map(stage => stage.name);
    timeline.begin({ name: this.resolved.name, vcpus: plan.vm.vcpus, stages, levels });
    backend.create(plan.vm);
    for (const { name, steps } of plan.phases) {
      timeline.phaseBegins(name, this.timePs);
      const isWhole = this.performPhase(name, steps);
      timeline.phaseEnds(this.timePs);
      if (!isWhole) break;
    }
    timeline.end(this.timePs);
    return { endPs: this.timePs, countsApart: this.countsApart(result) };
  }

  /** @returns false when a KVM_RUN in it failed, which ends the run */
  private performPhase(phase: string, steps: readonly PhaseStep[]): boolean {
    try {
      for (const step of steps) this.performStep(step);
      return true;
    } catch (error) {
      failureOf(phase, error);
      this.timePs = this.scheduler.abandon();
      return false;
    }
  }

  private performStep(step: PhaseStep): void {
    if (step.kind === 'guest') this.timePs = this.scheduler.runFrom(step.programs, this.passes++, this.timePs);
    else this.performHost(step);
    this.tellLevels();
  }

  private performHost({ op }: Extract<PhaseStep, { kind: 'host' }>): void {
    const { backend, counters, timeline, flushes } = this;
    counters.select(HOST_ACTOR);
    timeline.hostBegins(op.op, this.timePs);
    const before = this.workDone();
    flushes.begin(HOST_ACTOR);
    backend.host(op);
    const nominalNs = NOMINAL_COSTS_NS.hostCall + NOMINAL_COSTS_NS.hostEvent * (this.workDone() - before);
    this.timePs += op.op === 'idle' ? op.ms * PS_PER_MS : nominalNs * PS_PER_NS;
    flushes.tell(HOST_ACTOR, this.timePs);
    timeline.hostEnds(this.timePs);
  }

  private workDone(): number {
    const total = this.counters.total();
    return this.work.reduce((sum, index) => sum + (total[index] ?? 0), 0);
  }

  private tellLevels(): void {
    const total = this.counters.total();
    const tables = this.backend.memory().tableBytesReal / this.pageBytes;
    this.timeline.levels([...this.gauges.map(index => total[index] ?? 0), tables], this.timePs);
  }

  private countsApart(result: RunResult): readonly string[] {
    const total = this.counters.total();
    return this.events.flatMap(({ name, gauge, group }, index) =>
      gauge || group !== undefined || total[index] === result.totals.counters[name] ? [] : [name],
    );
  }
}

function indicesOf(events: readonly EventDef[], isWanted: (event: EventDef) => boolean): readonly number[] {
  return events.flatMap((event, index) => (isWanted(event) ? [index] : []));
}
