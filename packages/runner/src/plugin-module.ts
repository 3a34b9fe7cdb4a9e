/**
 * Loads the module of a plugin into a container: whatever goes wrong in its callback is told with the plugin's name.
 */
import { ContainerModule, type Container, type ContainerModuleLoadOptions } from 'inversify';
import { isMmulabError } from '@mmulab/api';
import { pluginLoad } from './errors';

/** A plugin's module, and how the plugin is called. */
export interface NamedModule {
  readonly name: string;
  readonly path: string;
  readonly module: ContainerModule;
}

/** @throws PLUGIN_LOAD for a callback that throws, or is asynchronous */
export function loadModule(container: Container, { name, path, module }: NamedModule): void {
  applyModule(container, name, path, load => module.load(load));
}

/**
 * Applies a callback of a module to a container.
 * @param place where the callback stands, for messages
 */
export function applyModule(container: Container, plugin: string, place: string, callback: (load: ContainerModuleLoadOptions) => unknown): void {
  const apply = (load: ContainerModuleLoadOptions): void => {
    const answer = callback(load);
    if (!isThenable(answer)) return;
    // Its rejection is nobody's business any more.
    answer.then(undefined, () => undefined);
    throw pluginLoad(plugin, place, 'the callback of its module is asynchronous; expected one that binds at once');
  };
  try {
    container.loadSync(new ContainerModule(apply));
  } catch (error) {
    if (isMmulabError(error)) throw error;
    throw pluginLoad(plugin, place, error instanceof Error ? error.message : String(error));
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
