/**
 * What the command line says about the runs, as settings and axes laid over a config.
 */
import { overrideConfig, splitList, type RawConfig, type Registry } from '@mmulab/runner';
import type { RunSettings } from './options';

/**
 * Lays settings over a config. They beat whatever it says.
 * @throws what `overrideConfig` and `splitList` throw
 */
export function applyOverrides(raw: RawConfig, settings: RunSettings, registry: Registry): RawConfig {
  const { backend, kernel, vcpus, seed } = settings;
  const shorthands = Object.entries({ backend, kernel, vcpus, seed }).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value, place: `--${key}` }],
  );
  const set = (settings.set ?? []).map(({ key, value }) => ({ key, value, place: `--set ${key}` }));
  const vary = (settings.vary ?? []).map(({ key, value }) => ({ key, values: splitList(value), place: `--vary ${key}` }));
  return overrideConfig(raw, [...shorthands, ...set], vary, registry);
}
