/**
 * What the loaded plugins bring, by name.
 *
 * Every plugin is loaded into a container of its own, so that a name that two of them bring can be laid at their doors, and what it brings is checked before anything
 * uses it. Kinds of host memory are there without any plugin.
 */
import 'reflect-metadata';
import {
  BUILT_IN_FORMATS,
  BackendContribution,
  BackingContribution,
  ContentionSolverContribution,
  CostModelContribution,
  CostModelFiles,
  GuestContribution,
  PatchContribution,
  ReporterContribution,
  WorkloadContribution,
  suggestName,
  type BackendDefinition,
  type BackingUse,
  type GuestDefinition,
  type HostBacking,
  type ContentionSolver,
  type CostModel,
  type PatchDefinition,
  type Reporter,
  type WorkloadDefinition,
} from '@mmulab/api';
import { Container } from 'inversify';
import { checkBacking } from './backing-shape';
import {
  pluginEmpty,
  pluginNameTaken,
  pluginShape,
  unknownBackend,
  unknownGuest,
  unknownModel,
  unknownPatch,
  unknownSolver,
  unknownWorkload,
} from './errors';
import { builtInBackingNames, builtInBackings, findBacking, listBackings, type BackingHost, type ListedBacking } from './host/backings';
import { withHostChanges } from './host/host-changes';
import { copiedIn } from './host/userfaultfd';
import { loadModule } from './plugin-module';
import { checkBackend, checkGuest, checkCostModel, checkPatch, checkPatchValues, checkSolver, checkReporter, checkWorkload } from './plugin-shape';
import type { LoadedPlugin } from './plugin-loader';

/** A plugin and what it contributes, `backend x86-tdp`. */
export interface PluginSummary {
  readonly name: string;
  readonly path: string;
  readonly brings: readonly string[];
}

/** A patch, and the plugin that brings it. */
export interface AppliedPatch extends PatchContribution {
  readonly plugin: string;
}

/** Contributions of one kind, in the order of the plugins. */
class Contributions<T> {
  private readonly byName = new Map<string, { readonly value: T; readonly plugin: string }>();

  constructor(private readonly kind: string) {}

  add(name: string, value: T, plugin: string): void {
    const taken = this.byName.get(name);
    if (taken !== undefined) throw pluginNameTaken(this.kind, name, taken.plugin, plugin);
    this.byName.set(name, { value, plugin });
  }

  get(name: string): T | undefined {
    return this.byName.get(name)?.value;
  }

  names(): readonly string[] {
    return [...this.byName.keys()];
  }

  /** The plugin that brings a name. */
  pluginOf(name: string): string | undefined {
    return this.byName.get(name)?.plugin;
  }

  values(): readonly T[] {
    return [...this.byName.values()].map(entry => entry.value);
  }

  broughtBy(plugin: string): readonly string[] {
    return [...this.byName].filter(([, entry]) => entry.plugin === plugin).map(([name]) => `${this.kind} ${name}`);
  }
}

/** What runs can be made of: backends, workloads, guests, kinds of host memory, cost models; and the formats of plugins. */
export class Registry {
  private readonly backendsByName = new Contributions<BackendContribution>('backend');
  private readonly workloadsByName = new Contributions<WorkloadContribution>('workload');
  private readonly backingsByName = new Contributions<HostBacking>('backing');
  private readonly modelsByName = new Contributions<CostModel>('model');
  private readonly guestsByArch = new Contributions<GuestDefinition>('guest');
  private readonly reportersByName = new Contributions<Reporter>('reporter');
  private readonly patchesByName = new Contributions<PatchContribution>('patch');
  private readonly solversByName = new Contributions<ContentionSolver>('solver');
  private modelFiles: CostModelFiles | undefined = undefined;
  private readonly loaded = new Map<string, LoadedPlugin>();

  /**
   * Registers plugins: loaded ones, or ones that are bundled with the program.
   * @param plugins one that is there twice is registered once
   * @throws PLUGIN_NAME_TAKEN when two plugins bring the same name, PLUGIN_LOAD, PLUGIN_SHAPE, PLUGIN_EMPTY
   */
  static of(plugins: Iterable<LoadedPlugin>): Registry {
    const registry = new Registry();
    for (const plugin of plugins) registry.add(plugin);
    registry.checkPatches();
    return registry;
  }

  /** All backends; the first is the default one. */
  backends(): readonly BackendDefinition[] {
    return this.backendsByName.values().map(contribution => contribution.definition);
  }

  workloads(): readonly WorkloadDefinition[] {
    return this.workloadsByName.values().map(contribution => contribution.definition);
  }

  /** Kinds of host memory, as on a host with 4 KiB pages. */
  backings(): readonly HostBacking[] {
    return [...builtInBackings(), ...this.backingsByName.values()];
  }

  /** All kinds of host memory, with what they give on each machine. */
  listBackings(): readonly ListedBacking[] {
    return listBackings(this.backends(), this.backingsByName.values());
  }

  plugins(): readonly PluginSummary[] {
    const kinds = [
      this.backendsByName,
      this.workloadsByName,
      this.guestsByArch,
      this.backingsByName,
      this.modelsByName,
      this.solversByName,
      this.reportersByName,
      this.patchesByName,
    ];
    return [...this.loaded.values()].map(({ name, path }) => ({ name, path, brings: kinds.flatMap(kind => kind.broughtBy(name)) }));
  }

  /** The plugin that brings a backend, with its module: what else that binds than contributions is there for the classes of a run. */
  pluginOfBackend(name: string): LoadedPlugin | undefined {
    return this.loaded.get(this.backendsByName.pluginOf(name) ?? '');
  }

  /** The plugin that brings a workload. */
  pluginOfWorkload(name: string): LoadedPlugin | undefined {
    return this.loaded.get(this.workloadsByName.pluginOf(name) ?? '');
  }

  /** Patches of all backends. */
  patches(): readonly PatchDefinition[] {
    return this.patchesByName.values().map(({ definition }) => definition);
  }

  /** Patches of a run of a backend: those that are always there, then the named ones, in order. @throws CONFIG_UNKNOWN_PATCH */
  patchesOf(backend: string, named: readonly string[]): readonly AppliedPatch[] {
    const own = this.patchesByName.values().filter(({ definition }) => [definition.of].flat().includes(backend));
    const chosen = named.map(name => own.find(({ definition }) => definition.name === name) ?? this.noPatch(backend, name, own));
    const always = own.filter(patch => patch.definition.always === true && !chosen.includes(patch));
    return [...always, ...chosen].map(patch => ({ ...patch, plugin: this.patchesByName.pluginOf(patch.definition.name) ?? '' }));
  }

  private noPatch(backend: string, name: string, own: readonly PatchContribution[]): never {
    const names = own.map(({ definition }) => definition.name);
    throw unknownPatch('backend.patch', name, backend, suggestName(name, ['none', ...names]));
  }

  /** Backends that patches name are there, whichever plugin came first. */
  private checkPatches(): void {
    const names = this.backendsByName.names();
    for (const patch of this.patches()) {
      const { name, of } = patch;
      const other = [of].flat().find(backend => !names.includes(backend));
      if (other !== undefined)
        throw pluginShape(this.patchesByName.pluginOf(name) ?? '', `patch ${name}: of`, other, `an installed backend${suggestName(other, names)}`);
      for (const backend of [of].flat()) checkPatchValues(this.patchesByName.pluginOf(name) ?? '', patch, this.backend(backend));
    }
  }

  /** @throws CONFIG_UNKNOWN_BACKEND */
  backend(name: string): BackendDefinition {
    return this.backendContribution(name).definition;
  }

  /** @throws CONFIG_UNKNOWN_WORKLOAD */
  workload(name: string): WorkloadDefinition {
    return this.workloadContribution(name).definition;
  }

  /** @throws HOST_UNKNOWN_BACKING, HOST_BACKING_NOT_REPRESENTABLE */
  backing(name: string, host: BackingHost, { userfaultfd }: BackingUse = {}): HostBacking {
    const found = findBacking(name, this.backingsByName.values(), host);
    return withHostChanges(userfaultfd === undefined ? found : copiedIn(found), host);
  }

  /** The guest of an architecture. @throws GUEST_UNKNOWN_ARCH */
  guest(arch: string): GuestDefinition {
    const found = this.guestsByArch.get(arch);
    if (found === undefined) throw unknownGuest(arch, suggestName(arch, this.guestsByArch.names()));
    return found;
  }

  /** Output formats beside the built-in ones. */
  reporters(): readonly Reporter[] {
    return this.reportersByName.values();
  }

  /** Cost models. @throws PLUGIN_SHAPE */
  models(): readonly CostModel[] {
    return this.modelsByName.names().map(name => this.model(name));
  }

  /** A cost model by its name, or by the path of its file. @throws CONFIG_UNKNOWN_MODEL, PLUGIN_SHAPE */
  model(name: string): CostModel {
    const found = this.modelsByName.get(name);
    if (found !== undefined) {
      checkCostModel(this.modelsByName.pluginOf(name) ?? '', found, true);
      return found;
    }
    if (this.modelFiles !== undefined && /\.ya?ml$/.test(name)) return this.modelFiles(name);
    throw unknownModel('time.model', name, suggestName(name, this.modelsByName.names()));
  }

  /** Solvers of contention. */
  solvers(): readonly ContentionSolver[] {
    return this.solversByName.values();
  }

  /** A solver by its name. @throws CONFIG_UNKNOWN_SOLVER */
  solver(name: string): ContentionSolver {
    const found = this.solversByName.get(name);
    if (found === undefined) throw unknownSolver('time.solver', name, suggestName(name, this.solversByName.names()));
    return found;
  }

  /** Definition and class of a backend. @throws CONFIG_UNKNOWN_BACKEND */
  backendContribution(name: string): BackendContribution {
    const found = this.backendsByName.get(name);
    if (found === undefined) throw unknownBackend('backend.name', name, suggestName(name, this.backendsByName.names()));
    return found;
  }

  /** Definition and class of a workload. @throws CONFIG_UNKNOWN_WORKLOAD */
  workloadContribution(name: string): WorkloadContribution {
    const found = this.workloadsByName.get(name);
    if (found === undefined) throw unknownWorkload('workload.name', name, suggestName(name, this.workloadsByName.names()));
    return found;
  }

  private add(plugin: LoadedPlugin): void {
    const namesake = this.loaded.get(plugin.name);
    if (namesake?.path === plugin.path) return;
    if (namesake !== undefined) throw pluginNameTaken('plugin', plugin.name, namesake.path, plugin.path);
    const container = new Container();
    loadModule(container, plugin);
    const options = { optional: true } as const;
    const backends = container.getAll<BackendContribution>(BackendContribution, options);
    const workloads = container.getAll<WorkloadContribution>(WorkloadContribution, options);
    const backings = container.getAll<HostBacking>(BackingContribution, options);
    const guests = container.getAll<GuestDefinition>(GuestContribution, options);
    const reporters = container.getAll<Reporter>(ReporterContribution, options);
    const models = container.getAll<CostModel>(CostModelContribution, options);
    const solvers = container.getAll<ContentionSolver>(ContentionSolverContribution, options);
    const files = container.getAll<CostModelFiles>(CostModelFiles, options);
    const patches = container.getAll<PatchContribution>(PatchContribution, options);
    if (plugin.isOurs !== true) {
      for (const one of backends) checkBackend(plugin.name, one);
      for (const one of workloads) checkWorkload(plugin.name, one);
      for (const one of guests) checkGuest(plugin.name, one);
      for (const one of backings) checkBacking(plugin.name, one);
      for (const one of reporters) checkReporter(plugin.name, one);
      for (const one of models) checkCostModel(plugin.name, one, false);
      for (const one of solvers) checkSolver(plugin.name, one);
      for (const one of patches) checkPatch(plugin.name, one);
    }
    if ([backends, workloads, guests, backings, reporters, patches, models, solvers, files].every(list => list.length === 0))
      throw pluginEmpty(plugin.name, plugin.path);
    for (const one of backends) this.backendsByName.add(one.definition.name, one, plugin.name);
    for (const one of workloads) this.workloadsByName.add(one.definition.name, one, plugin.name);
    for (const one of backings) this.addBacking(one, plugin.name);
    for (const one of guests) this.guestsByArch.add(one.arch, one, plugin.name);
    for (const one of reporters) this.addReporter(one, plugin.name);
    for (const one of patches) this.patchesByName.add(one.definition.name, one, plugin.name);
    for (const one of models) this.modelsByName.add(one.name, one, plugin.name);
    for (const one of solvers) this.solversByName.add(one.name, one, plugin.name);
    this.modelFiles ??= files[0];
    this.loaded.set(plugin.name, plugin);
  }

  private addReporter(reporter: Reporter, plugin: string): void {
    if (BUILT_IN_FORMATS.includes(reporter.name)) throw pluginNameTaken('reporter', reporter.name, '@mmulab/report', plugin);
    this.reportersByName.add(reporter.name, reporter, plugin);
  }

  private addBacking(backing: HostBacking, plugin: string): void {
    if (builtInBackingNames().includes(backing.name)) throw pluginNameTaken('backing', backing.name, '@mmulab/runner', plugin);
    this.backingsByName.add(backing.name, backing, plugin);
  }
}
