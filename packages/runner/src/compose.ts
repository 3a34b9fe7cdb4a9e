/**
 * Puts one run together: a fresh inversify container per run, in which the classes of the backend and the workload find what their
 * constructors name, services that plugins bind for them included. The container is asked once and then forgotten.
 */
import 'reflect-metadata';
import {
  BackendOptions,
  CountersToken,
  HostOptions,
  MmuBackend,
  TraceExport,
  TransitionObserver,
  Workload,
  type BackendDefinition,
  type OptionValues,
} from '@mmulab/api';
import { Container } from 'inversify';
import type { ResolvedRun } from './config/types';
import type { Registry } from './registry';
import { RunCounters } from './sim/counters';

/** The parts of one run. */
export interface Composition {
  readonly definition: BackendDefinition;
  readonly backend: MmuBackend;
  readonly workload: Workload;
  readonly counters: RunCounters;
}

/** A backend with its counters, for whoever drives it without a workload. */
export interface BackendComposition {
  readonly definition: BackendDefinition;
  readonly backend: MmuBackend;
  readonly counters: RunCounters;
}

/** What a backend is made of. */
export type Machine = Pick<ResolvedRun, 'backend' | 'host'>;

/** Who looks on while a backend works. */
export interface Onlookers {
  /** Where the backend is to write a trace of the run. */
  readonly trace?: TraceExport | undefined;
  /** Told of everything that happens to its tables; they are then walked entry by entry. */
  readonly observer?: TransitionObserver | undefined;
}

/** Builds backend, workload and counters of a run. */
export function compose(run: ResolvedRun, registry: Registry, { trace, observer }: Onlookers = {}): Composition {
  const workload = registry.workloadContribution(run.workload.name);
  const { container, ...parts } = prepare(run, Number(run.workload.options['vcpus'] ?? 1), registry);
  if (trace !== undefined) container.bind<TraceExport>(TraceExport).toConstantValue(trace);
  if (observer !== undefined) container.bind<TransitionObserver>(TransitionObserver).toConstantValue(observer);
  container.bind<Workload>(Workload).to(workload.implementation);
  return { ...parts, backend: container.get<MmuBackend>(MmuBackend), workload: container.get<Workload>(Workload) };
}

/** Builds a backend alone. @param observer told of everything that happens to its tables */
export function composeBackend(machine: Machine, vcpus: number, registry: Registry, observer?: TransitionObserver): BackendComposition {
  const { container, ...parts } = prepare(machine, vcpus, registry);
  if (observer !== undefined) container.bind<TransitionObserver>(TransitionObserver).toConstantValue(observer);
  return { ...parts, backend: container.get<MmuBackend>(MmuBackend) };
}

/** A container in which a backend may be asked for. */
function prepare(machine: Machine, vcpus: number, registry: Registry): Omit<BackendComposition, 'backend'> & { readonly container: Container } {
  const { definition, implementation } = registry.backendContribution(machine.backend.name);
  const counters = new RunCounters(definition.events, vcpus);
  const container = new Container({ defaultScope: 'Singleton' });
  container.loadSync(...registry.modules());
  container.bind<OptionValues>(BackendOptions).toConstantValue(machine.backend.options);
  container.bind<OptionValues>(HostOptions).toConstantValue(machine.host);
  container.bind<RunCounters>(CountersToken).toConstantValue(counters);
  container.bind<MmuBackend>(MmuBackend).to(implementation);
  return { definition, counters, container };
}
