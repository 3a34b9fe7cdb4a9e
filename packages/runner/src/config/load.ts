/**
 * Loads config files and lays them over the ones they extend.
 *
 * Maps merge key by key, everything else replaces; a null takes away what an extended config said; plugins add up. Where one side gives a backend or workload as
 * a string and the other as a map, the string stands for its name or command. A command line says everything of a workload: it replaces the whole of an extended
 * one.
 *
 * Every file is read and merged once, however many others extend it, and nothing here calls itself: chains may be long and diamonds deep.
 */
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { extendsCycle, inPlace, wrongType } from '../errors';
import { isMap } from '../plain-map';
import { readConfigFile, type ConfigMap } from './parse';
import { checkShape, withoutEmpty } from './shape';
import type { RawConfig } from './types';

/** What a string stands for where a map could be. */
const SHORT_FORMS: Readonly<Record<string, string>> = { backend: 'name', workload: 'command' };

/**
 * Loads a config file and those it extends. Of its content only the shape is checked yet.
 * @param path of a YAML or JSON file
 * @throws what `readConfigFile` and `checkShape` throw, the file named; CONFIG_EXTENDS_CYCLE
 */
export function loadConfigFile(path: string): RawConfig {
  return new ConfigLoader(dirname(resolve(path))).load(path);
}

/** A file whose bases are being loaded. */
interface Visit {
  readonly file: string;
  readonly own: ConfigMap;
  readonly bases: readonly string[];
  next: number;
}

/** One load: a walk over the files, bases before what extends them. */
class ConfigLoader {
  private readonly merged = new Map<string, ConfigMap>();
  private readonly visits: Visit[] = [];
  private readonly open = new Set<string>();

  /** @param rootDirectory of the config that is run */
  constructor(private readonly rootDirectory: string) {}

  load(path: string): ConfigMap {
    this.enter(path);
    for (let visit = this.visits.at(-1); visit !== undefined; visit = this.visits.at(-1)) {
      const base = visit.bases[visit.next++];
      if (base === undefined) this.leave(visit);
      else if (!this.merged.has(resolve(base))) this.enter(base);
    }
    return this.merged.get(resolve(path)) ?? {};
  }

  private enter(path: string): void {
    const file = resolve(path);
    if (this.open.has(file)) throw extendsCycle(this.circle(file));
    const { extends: bases, $schema: _schema, ...own } = readConfigFile(path);
    inPlace(path, () => {
      checkShape(withoutEmpty(own));
    });
    const paths = listOfPaths(bases, path).map(base => (isAbsolute(base) ? base : join(dirname(path), base)));
    this.open.add(file);
    this.visits.push({ file, own: rebasePlugins(own, dirname(file), this.rootDirectory), bases: paths, next: 0 });
  }

  private leave({ file, own, bases }: Visit): void {
    const layers = bases.map(base => this.merged.get(resolve(base)) ?? {});
    this.merged.set(file, [...layers, own].reduce(mergeConfigs, {}));
    this.open.delete(file);
    this.visits.pop();
  }

  private circle(file: string): readonly string[] {
    const files = this.visits.map(visit => visit.file);
    return [...files.slice(files.indexOf(file)), file].map(one => relative(this.rootDirectory, one));
  }
}

function listOfPaths(bases: unknown, path: string): readonly string[] {
  if (bases === undefined || bases === null) return [];
  const list: readonly unknown[] = Array.isArray(bases) ? bases : [bases];
  return list.map(base => {
    if (typeof base === 'string') return base;
    throw wrongType(`${path}: extends`, base, 'the path of a config, or a list of them');
  });
}

/** Plugin paths of an extended config, seen from the directory of the config that is run. */
function rebasePlugins(config: ConfigMap, directory: string, rootDirectory: string): ConfigMap {
  const { plugins } = config;
  if (directory === rootDirectory || !Array.isArray(plugins)) return config;
  const rebase = (plugin: unknown): unknown =>
    typeof plugin === 'string' && plugin.startsWith('.') ? `./${relative(rootDirectory, join(directory, plugin))}` : plugin;
  return { ...config, plugins: plugins.map(rebase) };
}

function mergeConfigs(base: ConfigMap, child: ConfigMap): ConfigMap {
  const { workload: replaced, ...others } = base;
  const kept = replaced === undefined || givesCommand(child['workload']) ? others : base;
  const merged = mergeMaps(expandShortForms(kept, child), expandShortForms(child, kept));
  const plugins = [base['plugins'], child['plugins']].filter(list => Array.isArray(list)).flat();
  return plugins.length === 0 ? merged : { ...merged, plugins: [...new Set(plugins)] };
}

function givesCommand(workload: unknown): boolean {
  return typeof workload === 'string' || (isMap(workload) && typeof workload['command'] === 'string');
}

/** Writes strings of `config` as maps where `other` has a map to merge with. */
function expandShortForms(config: ConfigMap, other: ConfigMap): ConfigMap {
  const expanded: Record<string, unknown> = { ...config };
  for (const [key, longKey] of Object.entries(SHORT_FORMS)) {
    if (typeof config[key] === 'string' && isMap(other[key])) expanded[key] = { [longKey]: config[key] };
  }
  return expanded;
}

function mergeMaps(base: ConfigMap, child: ConfigMap): ConfigMap {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(child)) {
    const old = merged.get(key);
    if (value === null && merged.has(key)) merged.delete(key);
    else merged.set(key, isMap(old) && isMap(value) ? mergeMaps(old, value) : value);
  }
  return Object.fromEntries(merged);
}
