/**
 * Times: how the runner has a run priced without knowing how. A plugin contributes cost models; the runner hands one the work of each phase and puts what
 * comes back beside the counts.
 */
import type { ContributionLoad } from './plugin';
import type { OptionValues } from './options';
import type { CounterValues, PhaseTime } from './result';

/** Accesses of guest programs by kind: those of the tests' own pages, as the programs list them. */
export interface AccessCounts {
  readonly reads: number;
  readonly writes: number;
  readonly executes: number;
}

/** What one phase did: the counters of a vCPU (the mean of those that ran), those of the host's own thread, and how many vCPUs ran. */
export interface PhaseWork {
  readonly phase: string;
  /** vCPUs that ran in the phase; 0 for a phase of the host alone. */
  readonly vcpus: number;
  readonly vcpu: CounterValues;
  readonly host: CounterValues;
  /** Accesses of one vCPU. */
  readonly accesses: AccessCounts;
}

/** The work of a run and what it ran on. */
export interface RunWork {
  readonly backend: string;
  readonly host: OptionValues;
  readonly phases: readonly PhaseWork[];
}

/** A cost model as a plugin brings it. */
export interface TimeModel {
  readonly name: string;
  readonly doc: string;
  /** Backends whose counters it prices. */
  readonly backends: readonly string[];
  /**
   * Reads and checks the model before anything runs.
   * @param counters of the backend
   * @throws typed errors for an unknown solver, and for what is wrong with the model
   */
  check(counters: readonly string[], solver: string): void;
  /** One time per phase; undefined where the model says nothing of the phase. */
  price(work: RunWork, solver: string): readonly (PhaseTime | undefined)[];
}

/** Multi-injection token of cost models. */
export const TimeModelContribution = Symbol.for('mmulab.TimeModelContribution');

/** Token of what makes cost models of files: bound by the plugin whose format they have. */
export const TimeModelFiles = Symbol.for('mmulab.TimeModelFiles');
export type TimeModelFiles = (path: string) => TimeModel;

/** Registers a cost model. */
export function contributeTimeModel(load: ContributionLoad, model: TimeModel): void {
  load.bind<TimeModel>(TimeModelContribution).toConstantValue(model);
}
