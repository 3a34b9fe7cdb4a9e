/**
 * Times: how the runner has a run priced without knowing how. A plugin contributes cost models; the runner hands one the work of each phase and puts what
 * comes back beside the counts.
 */
import type { ContributionLoad } from './contribution';
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
  /** Frames of the memslots under test (all but slot 0), of the whole VM. */
  readonly pages: number;
}

/** The work of a run and what it ran on. */
export interface RunWork {
  readonly backend: string;
  readonly host: OptionValues;
  /** A machine by name or file, whose costs differ from those of the model's. */
  readonly machine?: string;
  readonly phases: readonly PhaseWork[];
  /** The same phases under each of several seeds: the mean is priced, and how far they lie apart makes the interval wider. Absent: one seed, which `phases` are. */
  readonly seeds?: readonly (readonly PhaseWork[])[];
}

/** A station of a network. */
export interface Station {
  readonly name: string;
  /** Seconds of service one customer needs in the whole phase, alone. */
  readonly demandS: number;
  /** Service time with j customers at the station (those waiting included) relative to one; absent: constant. Index 1 to N. */
  readonly slowdown?: Float64Array | undefined;
}

/**
 * A closed network of equal customers (vCPUs). Each thinks for `thinkS` in all, and asks every station for `demandS` in all; how a phase is cut into rounds does not
 * matter to the mean. A station serves one customer at a time; with `slowdown` its service grows with those at it.
 */
export interface Network {
  readonly customers: number;
  readonly thinkS: number;
  readonly stations: readonly Station[];
}

/** What a solver found. */
export interface Solution {
  /** Seconds until a customer has had all it asks for. */
  readonly timeS: number;
  /** Share of the time that each station is busy, in the order of the stations. */
  readonly utilisation: readonly number[];
  /** Seconds a customer spends at each station, waiting included. */
  readonly residenceS: readonly number[];
}

/** A way to solve networks, as a plugin brings it. The same network has the same solution, to the last bit. */
export interface ContentionSolver {
  readonly name: string;
  readonly doc: string;
  solve(network: Network): Solution;
}

/** A cost model as a plugin brings it. */
export interface CostModel {
  readonly name: string;
  readonly doc: string;
  /** Backends whose counters it prices. */
  readonly backends: readonly string[];
  /**
   * Reads and checks the model before anything runs.
   * @param counters of the backend
   * @param machine a machine by name or file
   * @throws typed errors for an unknown machine, and for what is wrong with the model
   */
  check(counters: readonly string[], machine?: string): void;
  /** One time per phase; undefined where the model says nothing of the phase. */
  price(work: RunWork, solver: ContentionSolver): readonly (PhaseTime | undefined)[];
}

/** Multi-injection token of cost models. */
export const CostModelContribution = Symbol.for('mmulab.CostModelContribution');

/** Token of what makes cost models of files: bound by the plugin whose format they have. */
export const CostModelFiles = Symbol.for('mmulab.CostModelFiles');
export type CostModelFiles = (path: string) => CostModel;

/** Multi-injection token of solvers. */
export const ContentionSolverContribution = Symbol.for('mmulab.ContentionSolverContribution');

/** Registers a cost model. */
export function contributeCostModel(load: ContributionLoad, model: CostModel): void {
  load.bind<CostModel>(CostModelContribution).toConstantValue(model);
}

/** Registers a solver. */
export function contributeSolver(load: ContributionLoad, solver: ContentionSolver): void {
  load.bind<ContentionSolver>(ContentionSolverContribution).toConstantValue(solver);
}
