/**
 * Reads config files, YAML or JSON, and lays them over the ones they extend.
 *
 * Maps merge key by key, everything else replaces; a null takes away what an extended config said; plugins add up. Where one side gives a backend or workload as
 * a string and the other as a map, the string stands for its name or command.
 */
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type * as Yaml from 'yaml';
import { extendsCycle, malformedConfig, wrongType } from '../errors';
import { isMap, readTextFile } from '../files';
import type { RawConfig } from './types';

/** The YAML library, loaded with the first file: a command line needs none. */
function yaml(): typeof Yaml {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when there is a file to read
  return require('yaml') as typeof Yaml;
}

type ConfigMap = Readonly<Record<string, unknown>>;

/** 6.10 is not 6.1 where a kernel is meant: numbers that lose a digit stay text. */
const TRAILING_ZERO = /^\d+\.\d*0$/;

/** What a string stands for where a map could be. */
const SHORT_FORMS: Readonly<Record<string, string>> = { backend: 'name', workload: 'command' };

/**
 * Loads a config file and those it extends. The result is not validated yet.
 * @param path of a YAML or JSON file
 * @throws FILE_NOT_FOUND; CONFIG_MALFORMED with file, line and column; CONFIG_EXTENDS_CYCLE
 */
export function loadConfigFile(path: string): RawConfig {
  return loadWithBases(path, [], dirname(resolve(path)));
}

function loadWithBases(path: string, chain: readonly string[], rootDirectory: string): ConfigMap {
  const file = resolve(path);
  if (chain.includes(file)) throw extendsCycle([...chain.slice(chain.indexOf(file)), file].map(one => relative(rootDirectory, one)));
  const directory = dirname(file);
  const { extends: bases, $schema: _schema, ...own } = parseConfig(path, readTextFile(path, 'a config in YAML or JSON'));
  const config = rebasePlugins(own, directory, rootDirectory);
  const paths = listOfPaths(bases, path);
  return paths
    .map(base => loadWithBases(isAbsolute(base) ? base : join(dirname(path), base), [...chain, file], rootDirectory))
    .concat(config)
    .reduce(mergeConfigs, {});
}

function parseConfig(path: string, text: string): ConfigMap {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw malformedConfig(path, line, col, error.message);
  }
  const value = toPlain(path, document);
  if (value === null) return {};
  if (!isMap(value)) throw wrongType(path, value, 'a map of config keys');
  return value;
}

function toPlain(path: string, document: Yaml.Document): unknown {
  yaml().visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value === 'number' && TRAILING_ZERO.test(node.source ?? '')) node.value = node.source;
    },
  });
  try {
    return document.toJS() as unknown;
  } catch (error) {
    throw malformedConfig(path, 1, 1, error instanceof Error ? error.message : String(error));
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
  const merged = mergeMaps(expandShortForms(base, child), expandShortForms(child, base));
  const plugins = [base['plugins'], child['plugins']].filter(list => Array.isArray(list)).flat();
  return plugins.length === 0 ? merged : { ...merged, plugins: [...new Set(plugins)] };
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
