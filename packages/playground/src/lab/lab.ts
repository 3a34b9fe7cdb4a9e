/**
 * One run to be looked at: it goes forward step by step, and back by being performed again up to a step. The same config is the same run to the last bit, so what stands
 * there after going back is what stood there before.
 */
import { PAGES_PER_LEVEL, type BackendInspection, type Level, type MmuBackend, type WorkloadPlan } from '@mmulab/api';
import { SteppedRun, type PerformedStep, type Registry, type ResolvedRun } from '@mmulab/runner';
import { tooLarge } from '../errors';
import { stepClassesOf, type StepClass } from './step-classes';
import { TableChanges } from './table-changes';

/** Accesses up to which a step is one of them. */
const MAX_ACCESSES = 2 ** 18;
/** Steps of a run at most: more are neither shown nor gone through. */
export const MAX_STEPS = 1_000_000;
/** Frames of a memslot that are part of a digest. */
const DIGEST_PAGES = 2 ** 16;

/** How long a run is, and where its phases begin. */
export interface Survey {
  readonly steps: number;
  /** Steps before each phase. */
  readonly phases: readonly { readonly name: string; readonly from: number }[];
}

/** A run from its beginning on, as far as it has been performed. */
interface Course {
  readonly changes: TableChanges;
  readonly stepped: SteppedRun;
  readonly inspected: BackendInspection | undefined;
  now: Float64Array;
  before: Float64Array;
}

export class Lab {
  /** Steps performed so far. */
  position = 0;
  /** The step performed last; undefined at the beginning. */
  last: PerformedStep | undefined = undefined;
  isOver = false;
  readonly survey: Survey;
  private course: Course;

  /** @throws LAB_TOO_LARGE, and what `runResolved` throws */
  constructor(
    readonly run: ResolvedRun,
    private readonly registry: Registry,
  ) {
    this.course = this.begin();
    this.survey = this.byAccess ? goneThrough(new SteppedRun(run, registry, undefined, MAX_ACCESSES)) : planned(this.plan);
  }

  /** What the tables told of the last step. */
  get changes(): TableChanges {
    return this.course.changes;
  }

  /** Counters, all actors together. */
  get now(): Float64Array {
    return this.course.now;
  }

  /** Counters before the last step. */
  get before(): Float64Array {
    return this.course.before;
  }

  get backend(): MmuBackend {
    return this.stepped.backend;
  }

  get plan(): WorkloadPlan {
    return this.stepped.plan;
  }

  get definition(): SteppedRun['definition'] {
    return this.stepped.definition;
  }

  /** Whether a step is an access; else it is a whole program. */
  get byAccess(): boolean {
    return this.stepped.byAccess;
  }

  /** Counters when the phase under way began. */
  get atPhase(): Float64Array {
    return this.stepped.phaseBegan;
  }

  /** Tables to be looked at, where the backend shows them. */
  get inspection(): BackendInspection | undefined {
    return this.course.inspected;
  }

  /** Frames that an entry of a level maps. */
  pagesAt(level: Level): number {
    const { pageSizeBytes } = this.definition.machine(this.run.host);
    return pageSizeBytes === 4096 ? (PAGES_PER_LEVEL[level] ?? 1) : (pageSizeBytes / 8) ** (level - 1);
  }

  /** Performs the next step. @returns false when the run is over */
  forward(): boolean {
    const before = this.stepped.counters.total();
    if (!this.perform()) return false;
    this.course.before = before;
    this.course.now = this.stepped.counters.total();
    return true;
  }

  /** Goes to where `position` steps are performed, or to the end if there are fewer. */
  seek(position: number): void {
    if (position < this.position || (position === 0 && this.isOver)) this.restart();
    // What is shown of a step is what it did: the last one is performed with all that is told of it.
    while (this.position < position - 1 && this.perform());
    if (this.position < position) this.forward();
  }

  /** Goes on to the next step that counts something of a class; to the end if there is none. @returns whether there was one */
  seekClass(of: StepClass): boolean {
    const indices = stepClassesOf(this.definition.events)[of];
    while (this.forward()) if (indices.some(index => this.now[index] !== this.before[index])) return true;
    return false;
  }

  /** Goes on to the end, as far as a number of steps takes it. */
  seekEnd(): void {
    while (this.forward());
  }

  /** Everything there is to see, as text: equal states give equal texts. */
  digest(): string {
    const { memslots, vcpus } = this.plan.vm;
    const parts: string[] = [String(this.position), this.now.join(), JSON.stringify(this.last ?? {})];
    for (const { baseGfn, npages } of memslots) {
      for (let gfn = baseGfn; gfn < baseGfn + Math.min(npages, DIGEST_PAGES); gfn++) parts.push(JSON.stringify(this.backend.translate(gfn) ?? 0));
    }
    for (let vcpu = 0; vcpu < vcpus; vcpu++) parts.push(JSON.stringify(this.inspection?.roots(vcpu) ?? []));
    parts.push(JSON.stringify(this.inspection?.tables?.(DIGEST_PAGES) ?? this.changes.tables()), JSON.stringify(this.changes.changes));
    return parts.join('\n');
  }

  private perform(): boolean {
    this.changes.begin();
    const step = this.stepped.step();
    if (step === undefined) {
      this.isOver = true;
      return false;
    }
    this.last = step;
    this.position++;
    return true;
  }

  private get stepped(): SteppedRun {
    return this.course.stepped;
  }

  private restart(): void {
    this.course = this.begin();
    this.position = 0;
    this.last = undefined;
    this.isOver = false;
  }

  private begin(): Course {
    const changes = new TableChanges(level => this.pagesAt(level));
    const stepped = new SteppedRun(this.run, this.registry, changes, MAX_ACCESSES);
    const now = stepped.counters.total();
    return { changes, stepped, inspected: stepped.backend.inspection?.(), now, before: now };
  }
}

/** A run whose steps are accesses: how many events shared memory takes is known when they have happened. */
function goneThrough(run: SteppedRun): Survey {
  const phases: { name: string; from: number }[] = [];
  let steps = 0;
  for (let step = run.step(); step !== undefined; step = run.step()) {
    if (step.phase !== phases.length - 1) phases.push({ name: step.phaseName, from: steps });
    if (++steps > MAX_STEPS) throw tooLarge(steps, MAX_STEPS);
  }
  return { steps, phases };
}

/** A run whose steps are programs: its plan has them. */
function planned(plan: WorkloadPlan): Survey {
  if (plan.phases.length > MAX_STEPS) throw tooLarge(plan.phases.length, MAX_STEPS);
  const phases: { name: string; from: number }[] = [];
  let steps = 0;
  for (const phase of plan.phases) {
    phases.push({ name: phase.name, from: steps });
    for (const step of phase.steps) steps += step.kind === 'host' || (step.shared && step.programs.length > 1) ? 1 : step.programs.length;
    if (steps > MAX_STEPS) throw tooLarge(steps, MAX_STEPS);
  }
  return { steps, phases };
}
