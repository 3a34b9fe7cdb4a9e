/**
 * Settings from outside laid under a config: they count where it says nothing itself.
 */
import { isMmulabError } from '@mmulab/api';
import { isMap } from '../plain-map';
import type { Registry } from '../registry';
import { optionAt, settingPath, settingPlace, settingRank, WORKLOAD_VCPUS } from './key-paths';
import type { NormalConfig } from './normal-config';
import { optionNames, readOption } from './option-values';
import { applyAt, normaliseConfig } from './settings';
import type { RawConfig } from './types';

/** A setting by its dotted path. */
export interface UnderlaidSetting {
  readonly key: string;
  readonly value: unknown;
  /** Where it comes from, for notes. */
  readonly place: string;
}

/** A config with settings under it. */
export interface Underlaid {
  readonly config: RawConfig;
  /** Settings of which the config says something else itself. */
  readonly beaten: readonly UnderlaidSetting[];
  /** Options of a workload that the config's workload does not have. */
  readonly unknown: readonly UnderlaidSetting[];
}

/**
 * Lays settings under a config, its matrix included, those that say whose options there are first.
 * @throws what `normaliseConfig` and `settingPath` throw
 */
export function underlayConfig(raw: RawConfig, settings: readonly UnderlaidSetting[], registry: Registry): Underlaid {
  let config = normaliseConfig(raw, registry);
  const beaten: UnderlaidSetting[] = [];
  const unknown: UnderlaidSetting[] = [];
  for (const setting of [...settings].sort((a, b) => settingRank(a.key) - settingRank(b.key))) {
    const { path, name } = settingPlace(config, setting.key, registry);
    const said = valueAt(config, path, registry);
    if (said !== undefined || isVaried(config, path, registry)) {
      if (!isSaid(config, path, said, setting.value, registry)) beaten.push(setting);
    } else if (lacksOption(config, path, registry)) unknown.push(setting);
    else config = applyAt(config, [{ path, name, value: setting.value }], registry);
  }
  return { config, beaten, unknown };
}

/** Whether the config says the same, in whatever words: `ept: 0` is `npt: N`. */
function isSaid(config: NormalConfig, path: readonly string[], said: unknown, value: unknown, registry: Registry): boolean {
  const spec = optionAt(config, path, registry);
  if (spec === undefined || said === undefined) return said === value;
  const place = path.join('.');
  return readOption(spec, said, place) === readOption(spec, value, place);
}

/** What the config says there, under whatever name. */
function valueAt(config: NormalConfig, path: readonly string[], registry: Registry): unknown {
  const at = (keys: readonly string[]): unknown => keys.reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), config);
  const spec = optionAt(config, path, registry);
  const names = spec === undefined ? [] : optionNames([spec]).map(name => [...path.slice(0, -1), name]);
  return [path, ...names, ...(path[0] === 'vm' ? [WORKLOAD_VCPUS] : [])].map(at).find(value => value !== undefined);
}

function isVaried(config: NormalConfig, path: readonly string[], registry: Registry): boolean {
  const keys = [...Object.keys(config.vary ?? {}), ...Object.keys(config.zip ?? {})];
  return keys.some(key => {
    try {
      return settingPath(config, key, registry).join('.') === path.join('.');
    } catch (error) {
      // The name means something in some runs of the matrix only.
      if (isMmulabError(error)) return key === path.at(-1);
      throw error;
    }
  });
}

function lacksOption(config: NormalConfig, [section, second, name]: readonly string[], registry: Registry): boolean {
  if (section !== 'workload' || second !== 'options' || config.workload.name === undefined) return false;
  return !registry.workload(config.workload.name).options.some(option => option.name === name);
}
