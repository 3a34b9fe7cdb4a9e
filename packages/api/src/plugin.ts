/**
 * How a plugin says what it brings.
 *
 * A plugin package names a file under `"mmulab": { "plugin": "lib/plugin.js", "api": 1 }`; that file's default export is an inversify ContainerModule
 * which calls `contribute…` functions: those below, `contributeGuest`, `contributeReporter`, `contributePatch`, `contributeCostModel`, `contributeSolver`. Built-in packages
 * register in the same way.
 */
import type { Newable } from 'inversify';
import type { BackendDefinition, MmuBackend } from './backend';
import type { ContributionLoad } from './contribution';
import type { HostBacking } from './memslot';
import type { Workload, WorkloadDefinition } from './workload';

/** Version of the contract between plugins and mmulab: what a plugin's `"api"` has to say. It changes when a plugin has to change. */
export const API_VERSION = 1;

/** Multi-injection token of backends. */
export const BackendContribution = Symbol.for('mmulab.BackendContribution');
export interface BackendContribution {
  readonly definition: BackendDefinition;
  readonly implementation: Newable<MmuBackend>;
}

/** Multi-injection token of workloads. */
export const WorkloadContribution = Symbol.for('mmulab.WorkloadContribution');
export interface WorkloadContribution {
  readonly definition: WorkloadDefinition;
  readonly implementation: Newable<Workload>;
}

/** Multi-injection token of host backings: data, no class. */
export const BackingContribution = Symbol.for('mmulab.BackingContribution');

/** Registers a backend: what it says of itself, and the class the container builds for each run. */
export function contributeBackend(load: ContributionLoad, definition: BackendDefinition, implementation: Newable<MmuBackend>): void {
  load.bind<BackendContribution>(BackendContribution).toConstantValue({ definition, implementation });
}

/** Registers a workload. */
export function contributeWorkload(load: ContributionLoad, definition: WorkloadDefinition, implementation: Newable<Workload>): void {
  load.bind<WorkloadContribution>(WorkloadContribution).toConstantValue({ definition, implementation });
}

/** Registers a kind of host memory. */
export function contributeBacking(load: ContributionLoad, backing: HostBacking): void {
  load.bind<HostBacking>(BackingContribution).toConstantValue(backing);
}
