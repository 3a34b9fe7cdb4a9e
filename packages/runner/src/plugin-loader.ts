/**
 * Finds plugin packages and loads them with `require`.
 *
 * A plugin is named by a path (`./my-plugin`), a package (`@mmulab/x86`), or a short name: `foo` is mmulab-plugin-foo if there is one, and
 * else the package foo. Its package.json says under `"mmulab": { "plugin": "lib/plugin.js", "api": 1 }` which file to load, and for which version of the contract it
 * is written.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { Script } from 'node:vm';
import { API_VERSION } from '@mmulab/api';
import type { ContainerModule } from 'inversify';
import { notAPlugin, pluginApi, pluginExport, pluginLoad, pluginNotFound } from './errors';
import { isMap } from './plain-map';
import { rememberPlugin } from './plugin-fault';

/** A plugin as loaded, its contributions not yet asked for. */
export interface LoadedPlugin {
  /** Name in its package.json, else the name it was asked for under. */
  readonly name: string;
  /** Directory of the package. */
  readonly path: string;
  readonly module: ContainerModule;
  /** It comes with the program, whose tests have checked what it brings. */
  readonly isOurs?: boolean;
}

interface Manifest {
  readonly name?: string;
  readonly mmulab?: { readonly plugin?: string; readonly api?: unknown };
}

const SHORT_NAME_PREFIX = 'mmulab-plugin-';
const isPath = (plugin: string): boolean => plugin.startsWith('.') || isAbsolute(plugin);
const isShortName = (plugin: string): boolean => !plugin.includes('/');

/**
 * Loads one plugin.
 * @param from directory relative paths and package names are looked up from
 */
export function loadPlugin(plugin: string, from: string): LoadedPlugin {
  const path = findPackage(plugin, from);
  const manifestFile = join(path, 'package.json');
  const manifest = readManifest(plugin, manifestFile);
  const entry: unknown = manifest.mmulab?.plugin;
  if (typeof entry !== 'string') throw notAPlugin(plugin, manifestFile);
  const name = manifest.name ?? plugin;
  const { api } = manifest.mmulab ?? {};
  if (api !== API_VERSION) throw pluginApi(name, manifestFile, api, API_VERSION);
  rememberPlugin(name, realpathSync(path));
  return { name, path, module: loadModule(name, join(path, entry)) };
}

function findPackage(plugin: string, from: string): string {
  if (isPath(plugin)) {
    const path = resolve(from, plugin);
    if (existsSync(join(path, 'package.json'))) return path;
    throw pluginNotFound(plugin, [join(path, 'package.json')]);
  }
  const names = isShortName(plugin) && !plugin.startsWith(SHORT_NAME_PREFIX) ? [SHORT_NAME_PREFIX + plugin, plugin] : [plugin];
  for (const name of names) {
    const path = findInstalled(name, from) ?? findInstalled(name, __dirname);
    if (path !== undefined) return path;
  }
  throw pluginNotFound(
    plugin,
    names.map(name => `the package ${name}`),
  );
}

/** Looks through the node_modules directories that `require` would; not with `require.resolve`, which minds the package's `exports`. */
function findInstalled(name: string, from: string): string | undefined {
  const directories = createRequire(join(from, 'package.json')).resolve.paths(name) ?? [];
  const found = directories.map(directory => join(directory, name)).find(path => existsSync(join(path, 'package.json')));
  return found;
}

function readManifest(plugin: string, file: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw pluginLoad(plugin, file, error instanceof Error ? error.message : String(error));
  }
  if (!isMap(manifest)) throw notAPlugin(plugin, file);
  const { name, mmulab } = manifest;
  return { ...(typeof name === 'string' ? { name } : {}), ...(isMap(mmulab) ? { mmulab } : {}) };
}

const HINT = 'export default new ContainerModule(load => …)';

function loadModule(plugin: string, file: string): ContainerModule {
  let exports: unknown;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- plugins are named at run time
    exports = require(file);
  } catch (error) {
    throw pluginLoad(plugin, file, problemOf(error, file));
  }
  const found = typeof exports === 'object' && exports !== null ? (exports as { readonly default?: unknown }).default : undefined;
  if (isContainerModule(found)) return found;
  if (isContainerModule(exports))
    throw pluginExport(plugin, file, `exports.default = new ContainerModule(…) instead of module.exports = …, or ${HINT}`);
  if (found instanceof Promise) throw pluginExport(plugin, file, `the module itself instead of a promise of it: ${HINT}`);
  if (typeof found === 'function') throw pluginExport(plugin, file, `${HINT} instead of a function`);
  throw pluginExport(plugin, file, HINT);
}

/** What the loading of a file failed with: of a syntax error, where. */
function problemOf(error: unknown, file: string): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.name === 'SyntaxError' ? (placeIn(error) ?? placeOf(file)) : undefined;
  const problem = error.message.split('\n')[0] ?? '';
  return place === undefined ? problem : `${place}: ${error.name}: ${problem}`;
}

/** `FILE:LINE`, with which the stack of a syntax error begins. */
function placeIn({ stack = '' }: Error): string | undefined {
  return /^(\S.*:\d+)\n/.exec(stack)?.[1];
}

/** Where the file itself does not parse, if it is that file. */
function placeOf(file: string): string | undefined {
  try {
    new Script(readFileSync(file, 'utf8'), { filename: file });
    return undefined;
  } catch (error) {
    return placeIn(error as Error);
  }
}

/** By its shape: a plugin may have an inversify of its own. */
function isContainerModule(value: unknown): value is ContainerModule {
  return typeof value === 'object' && value !== null && 'id' in value && 'load' in value && typeof value.load === 'function';
}
