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

/** Builds backend, workload and counters of a run. @param trace where the backend is to write a trace of it */
export function compose(run: ResolvedRun, registry: Registry, trace?: TraceExport): Composition {
  const backend = registry.backendContribution(run.backend.name);
  const workload = registry.workloadContribution(run.workload.name);
  const counters = new RunCounters(backend.definition.events, Number(run.workload.options['vcpus'] ?? 1));
  const container = new Container({ defaultScope: 'Singleton' });
  container.loadSync(...registry.modules());
  container.bind<OptionValues>(BackendOptions).toConstantValue(run.backend.options);
  container.bind<OptionValues>(HostOptions).toConstantValue(run.host);
  container.bind<RunCounters>(CountersToken).toConstantValue(counters);
  if (trace !== undefined) container.bind<TraceExport>(TraceExport).toConstantValue(trace);
  container.bind<MmuBackend>(MmuBackend).to(backend.implementation);
  container.bind<Workload>(Workload).to(workload.implementation);
  return { definition: backend.definition, backend: container.get<MmuBackend>(MmuBackend), workload: container.get<Workload>(Workload), counters };
}
