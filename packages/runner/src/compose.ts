/**
 * Puts one run together: two fresh inversify containers per run. The core's holds what the runner gives (options, host, counters, where a trace goes); below it lies the
 * plugins', with the modules of those the run needs and its patches, in which the classes of the backend and the workload find what their constructors name. The
 * containers are asked once and then forgotten.
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
  isMmulabError,
  type BackendDefinition,
  type OptionValues,
} from '@mmulab/api';
import { Container, type Newable, type ServiceIdentifier } from 'inversify';
import type { ResolvedRun } from './config/types';
import { pluginBuild, pluginCoreToken } from './errors';
import { faultOf } from './plugin-fault';
import { applyPatch } from './patch-load';
import { loadModule, type NamedModule } from './plugin-module';
import { checkBuiltBackend, checkBuiltWorkload } from './plugin-shape';
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

/** Tokens that the runner binds, and no plugin. */
const CORE_TOKENS: readonly symbol[] = [BackendOptions, HostOptions, CountersToken, TraceExport, TransitionObserver, MmuBackend, Workload];
const CORE = '@mmulab/runner';

/**
 * Builds backend, workload and counters of a run.
 * @throws PLUGIN_BUILD, PLUGIN_CORE_TOKEN, PLUGIN_SHAPE, PLUGIN_FAILED
 */
export function compose(run: ResolvedRun, registry: Registry, { trace, observer }: Onlookers = {}): Composition {
  const { implementation } = registry.workloadContribution(run.workload.name);
  const plugin = registry.pluginOfWorkload(run.workload.name);
  const { containers, ...parts } = prepare(run, Number(run.workload.options['vcpus'] ?? 1), registry, plugin);
  if (trace !== undefined) containers.core.bind<TraceExport>(TraceExport).toConstantValue(trace);
  if (observer !== undefined) containers.core.bind<TransitionObserver>(TransitionObserver).toConstantValue(observer);
  const { backend } = containers.build(parts.definition.name, registry);
  const workload = containers.get<Workload>(Workload, implementation, plugin?.name ?? '', `workload ${run.workload.name}`);
  checkBuiltWorkload(plugin?.name ?? '', run.workload.name, workload);
  containers.forget();
  return { ...parts, backend, workload };
}

/** Builds a backend alone. @param observer told of everything that happens to its tables @throws as `compose` */
export function composeBackend(machine: Machine, vcpus: number, registry: Registry, observer?: TransitionObserver): BackendComposition {
  const { containers, ...parts } = prepare(machine, vcpus, registry, undefined);
  if (observer !== undefined) containers.core.bind<TransitionObserver>(TransitionObserver).toConstantValue(observer);
  const { backend } = containers.build(parts.definition.name, registry);
  containers.forget();
  return { ...parts, backend };
}

/** Containers in which a backend may be asked for. */
function prepare(
  machine: Machine,
  vcpus: number,
  registry: Registry,
  workload: NamedModule | undefined,
): Omit<BackendComposition, 'backend'> & { readonly containers: RunContainers } {
  const { name, patch } = machine.backend;
  const { definition } = registry.backendContribution(name);
  const counters = new RunCounters(definition.events, vcpus);
  const containers = new RunContainers();
  const { core } = containers;
  core.bind<OptionValues>(BackendOptions).toConstantValue(machine.backend.options);
  core.bind<OptionValues>(HostOptions).toConstantValue(machine.host);
  core.bind<RunCounters>(CountersToken).toConstantValue(counters);
  const modules = new Set([registry.pluginOfBackend(name), workload]);
  for (const module of modules) if (module !== undefined) containers.load(module);
  for (const one of registry.patchesOf(name, patchNames(patch)))
    containers.guard(one.plugin, () => {
      applyPatch(containers.plugins, one);
    });
  return { definition, counters, containers };
}

/** Names in a value of `backend.patch`: `none`, or names with a plus between them. */
export function patchNames(patch: string | undefined): readonly string[] {
  return patch === undefined || patch === 'none' || patch === '' ? [] : patch.split('+').map(name => name.trim());
}

/** The core's container, and that of the plugins below it. */
class RunContainers {
  readonly core = new Container({ defaultScope: 'Singleton' });
  readonly plugins = new Container({ parent: this.core, defaultScope: 'Singleton' });

  load(module: NamedModule): void {
    this.guard(module.name, () => loadModule(this.plugins, module));
  }

  /** Lets a plugin bind something. @throws PLUGIN_CORE_TOKEN */
  guard(plugin: string, bind: () => void): void {
    bind();
    const taken = CORE_TOKENS.find(token => this.plugins.isCurrentBound(token));
    if (taken !== undefined) throw pluginCoreToken(plugin, taken.description ?? String(taken), CORE);
  }

  build(name: string, registry: Registry): { readonly backend: MmuBackend } {
    const plugin = registry.pluginOfBackend(name)?.name ?? '';
    const { implementation } = registry.backendContribution(name);
    const backend = this.get<MmuBackend>(MmuBackend, implementation, plugin, `backend ${name}`);
    checkBuiltBackend(plugin, name, backend);
    return { backend };
  }

  /**
   * Lets go of what was built. inversify has containers below another one refer to each other weakly, which JavaScript keeps until its present job ends, and with them what they have
   * planned and built: a thousand runs in a row would keep a thousand VMs. Going back to a snapshot is what drops their plans.
   */
  forget(): void {
    this.plugins.snapshot();
    this.plugins.restore();
  }

  /** Builds a class with what its constructor names. @throws PLUGIN_BUILD; and what a constructor throws as PLUGIN_FAILED */
  get<T>(token: ServiceIdentifier<T>, implementation: Newable<T>, plugin: string, what: string): T {
    checkConstructor(plugin, what, implementation);
    try {
      this.plugins.bind<T>(token).to(implementation);
      return this.plugins.get<T>(token);
    } catch (error) {
      if (isMmulabError(error)) throw error;
      if (error instanceof Error && error.constructor.name.startsWith('Inversify'))
        throw pluginBuild(plugin, what, (error.message.split('\n\n')[0] ?? '').replace(/\s*\n\s*/g, ' '));
      throw faultOf(error, [plugin]);
    }
  }
}

/** Where inversify keeps what decorators say of a class. */
const METADATA = '@inversifyjs/core/classMetadataReflectKey';

/** A subclass without a constructor of its own gets no arguments unless it says so: then everything its base injects would be undefined. */
function checkConstructor(plugin: string, what: string, implementation: Newable<unknown>): void {
  if (Reflect.getOwnMetadata(METADATA, implementation) !== undefined || implementation.length > 0) return;
  for (let base: unknown = Object.getPrototypeOf(implementation); typeof base === 'function' && base !== Function.prototype;) {
    const { constructorArguments = [] } = (Reflect.getOwnMetadata(METADATA, base) ?? {}) as { readonly constructorArguments?: readonly unknown[] };
    if (constructorArguments.length > 0)
      throw pluginBuild(
        plugin,
        what,
        `its class extends ${base.name}, whose constructor is injected; expected @injectFromBase({ extendConstructorArguments: true }) on it`,
      );
    base = Object.getPrototypeOf(base);
  }
}
