/**
 * A patch applied to a container, what it puts in the place of services looked at: a table of rules that has lost one, or has one that nobody asks for, is the patch's fault,
 * and is told before anything runs into it.
 */
import { suggestName, type PatchLoad } from '@mmulab/api';
import type { Container } from 'inversify';
import { pluginShape } from './errors';
import { applyModule } from './plugin-module';
import type { AppliedPatch } from './registry';

/**
 * Applies a patch.
 * @param around wraps what the patch is given: who wants to know what it touches
 * @throws PLUGIN_LOAD for one that throws; PLUGIN_SHAPE, as soon as a service is asked for, for one in the place of a service that is no such thing
 */
export function applyPatch(container: Container, patch: AppliedPatch, around: (load: PatchLoad) => PatchLoad = load => load): void {
  const name = `patch ${patch.definition.name}`;
  applyModule(container, patch.plugin, name, load => patch.apply(around(looking(load, patch.plugin, name))));
}

function looking(load: PatchLoad, plugin: string, patch: string): PatchLoad {
  const onActivation: PatchLoad['onActivation'] = (token, handler) => {
    load.onActivation(token, (context, service) => {
      const made = handler(context, service);
      checkService(plugin, `${patch}: ${describe(token)}`, service, made);
      return made;
    });
  };
  return { ...load, onActivation };
}

/** Tables have the same rules as before, of the same kind. */
function checkService(plugin: string, place: string, before: unknown, after: unknown): void {
  if (typeof before === 'function' && typeof after !== 'function') throw pluginShape(plugin, place, after, 'a function, as the one before');
  if (!isTable(before)) return;
  if (!isTable(after)) throw pluginShape(plugin, place, after, 'the rules before, with others in the place of some');
  const names = Object.keys(before);
  for (const [name, rule] of Object.entries(after)) {
    const known = before[name];
    if (known === undefined) throw pluginShape(plugin, `${place}.${name}`, typeof rule, `one of the rules there are${suggestName(name, names)}`);
  }
  for (const name of names) {
    const [known, now] = [before[name], after[name]];
    if (typeof known === 'function' && typeof now !== 'function') throw pluginShape(plugin, `${place}.${name}`, now, 'a class, as the one before');
    if (Array.isArray(known) && !Array.isArray(now)) throw pluginShape(plugin, `${place}.${name}`, now, 'a list, as the one before');
  }
}

function isTable(service: unknown): service is Readonly<Record<string, unknown>> {
  return typeof service === 'object' && service !== null && Object.getPrototypeOf(service) === Object.prototype;
}

function describe(token: unknown): string {
  return String((token as { readonly description?: string }).description ?? token).replace(/^mmulab\.(\w+\.)?/, '');
}
