/**
 * Whose fault an error is: one that nobody raised on purpose, and that passed through the code of a plugin somebody else wrote, is that plugin's.
 *
 * It is told by the stack: the directory of a plugin stands in the lines of its functions. Errors of the built-in plugins are bugs of mmulab.
 */
import { isMmulabError, type MmulabError } from '@mmulab/api';
import { pluginFailed } from './errors';

/** Directories of loaded plugins of other people, and their names. */
const directories = new Map<string, string>();

const OURS = /^@mmulab\//;

/** Remembers where a plugin lies. @param path its real path: that of the stack */
export function rememberPlugin(name: string, path: string): void {
  if (!OURS.test(name)) directories.set(path.replaceAll('\\', '/'), name);
}

/** Whether a plugin comes with mmulab. */
function isBuiltIn(plugin: string): boolean {
  return OURS.test(plugin);
}

/**
 * What to report of an error.
 * @param running the plugins whose classes are at work, for errors that carry no stack, and for broken invariants of what they drive
 * @returns PLUGIN_FAILED with the plugin, where it happened and what it said, when it is a plugin's; else the error as it is
 */
export function faultOf(error: unknown, running: readonly string[] = []): unknown {
  if (isMmulabError(error) && error.errorClass !== 'internal') return error;
  const found = placeOf(error);
  if (found !== undefined) return pluginFailed(found.plugin, ` (${found.place})`, problemOf(error));
  const foreign = running.find(plugin => !isBuiltIn(plugin));
  // What the engine or the scheduler finds broken under a plugin is broken by the plugin.
  if (foreign !== undefined && (isMmulabError(error) || !(error instanceof Error))) return pluginFailed(foreign, '', problemOf(error));
  return error;
}

/** Runs something of plugins. @throws what `faultOf` makes of an error */
export function guarded<T>(running: readonly string[], act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw faultOf(error, running) as MmulabError;
  }
}

/** The topmost line of the stack that lies in a plugin. */
function placeOf(error: unknown): { readonly plugin: string; readonly place: string } | undefined {
  if (directories.size === 0 || !(error instanceof Error)) return undefined;
  for (const line of (error.stack ?? '').split('\n').slice(1)) {
    const path = line.replaceAll('\\', '/').replace('file://', '');
    if (!/^\s*at /.test(path) || path.includes('/node_modules/inversify')) continue;
    for (const [directory, plugin] of directories) {
      const at = path.indexOf(`${directory}/`);
      if (at < 0) continue;
      const inside = path.slice(at + directory.length + 1);
      if (!inside.startsWith('node_modules/')) return { plugin, place: inside.replace(/\)$/, '') };
    }
  }
  return undefined;
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isMmulabError(error) || error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
}
