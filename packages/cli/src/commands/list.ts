/**
 * `mmulab list`: what there is.
 */
import {
  backendsReport,
  backingsReport,
  eventsReport,
  modelsReport,
  overviewReport,
  patchesReport,
  pluginsReport,
  profilesReport,
  renderParts,
  solversReport,
  workloadsReport,
  type Report,
} from '@mmulab/report';
import type { Registry } from '@mmulab/runner';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { unknownList } from '../errors';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf, type OutputOptions, type PluginOptions } from '../options';
import { print } from '../print';

type Options = OutputOptions & PluginOptions & { readonly backend?: string };

/** What can be listed. */
const LISTS: Readonly<Record<string, (registry: Registry, backend: string | undefined) => Report>> = {
  backends: registry => backendsReport(registry.backends()),
  workloads: registry => workloadsReport(registry.workloads()),
  profiles: (registry, backend) => profilesReport(chosen(registry, backend)),
  backings: registry => backingsReport(registry.listBackings()),
  events: (registry, backend) => eventsReport(chosen(registry, backend)),
  models: registry => modelsReport(registry.models()),
  patches: registry => patchesReport(registry.patches()),
  solvers: registry => solversReport(registry.solvers()),
  plugins: registry => pluginsReport(registry.plugins()),
};

/** Other words for a list: events are what counters count. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([['counters', 'events']]);

/** Lists short enough to come together when none is named. */
const OVERVIEW = ['backends', 'workloads', 'profiles', 'plugins'];

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  command.argument('[what]', Object.keys(LISTS).join(', ')).option('--backend <name>', 'only the profiles or events of this backend');
  addPluginOption(addOutputOptions(command)).action((what: string | undefined, options: Options) => list(what, options, context.terminal));
}

function list(what: string | undefined, options: Options, terminal: CommandContext['terminal']): void {
  const format = formatOf(options);
  const registry = loadRegistry(options.plugin);
  const report = what === undefined ? overview(registry, options.backend) : single(what, registry, options.backend);
  print(terminal, renderParts(report, format, viewOf(terminal, options)));
}

function single(what: string, registry: Registry, backend: string | undefined): Report {
  const list = SYNONYMS.get(what) ?? what;
  const make = Object.hasOwn(LISTS, list) ? LISTS[list] : undefined;
  if (make === undefined) throw unknownList(what, Object.keys(LISTS));
  return make(registry, backend);
}

function overview(registry: Registry, backend: string | undefined): Report {
  return overviewReport(Object.fromEntries(OVERVIEW.map(name => [name, single(name, registry, backend)])));
}

function chosen(registry: Registry, backend: string | undefined): ReturnType<Registry['backends']> {
  return backend === undefined ? registry.backends() : [registry.backend(backend)];
}
