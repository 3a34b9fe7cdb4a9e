/**
 * Settings of the command line laid over a config: they beat whatever it says, an axis of its matrix included.
 */
import { applySetting, type RawConfig, type Registry } from '@mmulab/runner';
import type { RunSettings, Setting } from './options';

type Axes = Readonly<Record<string, readonly unknown[]>>;

/** Axes after which the names of options mean something else. */
const CHANGES_OWNERS = new Set(['backend', 'backend.name', 'workload', 'workload.name', 'workload.command']);

/** Lays settings over a config, the shorthands first, so that option names are those of the backend asked for. */
export function applyOverrides(raw: RawConfig, settings: RunSettings, registry: Registry): RawConfig {
  const { backend, kernel, vcpus, seed } = settings;
  const shorthands = Object.entries({ backend, kernel, vcpus, seed }).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]));
  const set = [...shorthands, ...(settings.set ?? [])].reduce((config, setting) => applyOne(config, setting, registry), raw);
  return (settings.vary ?? []).reduce(addAxis, set);
}

function applyOne(raw: RawConfig, { key, value }: Setting, registry: Registry): RawConfig {
  const config = withoutAxis(raw, key);
  const { vary = {}, zip = {} } = config;
  if (Object.keys(zip).some(axis => CHANGES_OWNERS.has(axis))) {
    const length = Object.values(zip)[0]?.length ?? 0;
    return { ...config, zip: { ...zip, [key]: Array.from({ length }, () => value) } };
  }
  if (Object.keys(vary).some(axis => CHANGES_OWNERS.has(axis))) return { ...config, vary: { ...vary, [key]: [value] } };
  return applySetting(config, key, value, registry);
}

function addAxis(raw: RawConfig, { key, value }: Setting): RawConfig {
  const config = withoutAxis(raw, key);
  const values = value.split(',').map(one => one.trim());
  return { ...config, vary: { ...config.vary, [key]: values } };
}

/** A config whose matrix says nothing of `key`, whether it is written as a path or by its last part. */
function withoutAxis(raw: RawConfig, key: string): RawConfig {
  const { vary, zip, ...rest } = raw;
  const others = (axes: Axes): Axes => Object.fromEntries(Object.entries(axes).filter(([axis]) => lastPart(axis) !== lastPart(key)));
  const sections = { ...(vary === undefined ? {} : { vary: others(vary) }), ...(zip === undefined ? {} : { zip: others(zip) }) };
  return { ...rest, ...sections };
}

function lastPart(path: string): string {
  const parts = path.split('.');
  const last = parts.pop() ?? path;
  return last === 'name' ? (parts.pop() ?? last) : last;
}
