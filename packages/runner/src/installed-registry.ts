/**
 * A registry of plugins that are installed: found among the packages of this machine and loaded.
 */
import { loadPlugin, type LoadedPlugin } from './plugin-loader';
import { Registry } from './registry';

/** The registry as Node programs have it. */
export class InstalledRegistry extends Registry {
  /**
   * Loads plugins.
   * @param plugins paths, package names or short names; one that is named twice is loaded once
   * @param from directory that paths and names are looked up from
   * @param ours those that come with the program and its tests have checked: before the others
   * @throws PLUGIN_NOT_FOUND, PLUGIN_NO_ENTRY, PLUGIN_LOAD, PLUGIN_BAD_EXPORT, and what `Registry.of` throws
   */
  static load(plugins: readonly string[], from: string = process.cwd(), ours: readonly string[] = []): Registry {
    return Registry.of(loaded(plugins, from, ours));
  }
}

/** One after the other, as they are asked for. */
function* loaded(plugins: readonly string[], from: string, ours: readonly string[]): Iterable<LoadedPlugin> {
  for (const plugin of ours) yield { ...loadPlugin(plugin, from), isOurs: true };
  for (const plugin of plugins) yield loadPlugin(plugin, from);
}
