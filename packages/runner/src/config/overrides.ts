/**
 * Settings from outside laid over a config: they beat whatever it says, an axis of its matrix included.
 */
import { isMmulabError } from '@mmulab/api';
import { conflict, variedTwice } from '../errors';
import type { Registry } from '../registry';
import { optionAt, settingPath, settingRank } from './key-paths';
import type { NormalConfig } from './normal-config';
import { readOption } from './option-values';
import { applySetting, normaliseConfig } from './settings';
import type { AxisLists, RawConfig } from './types';

/** `key` is a dotted path or the bare name of an option. */
export interface Override {
  readonly key: string;
  readonly value: unknown;
  /** As the user gave it, for messages: `--set ept`, `--kernel`. */
  readonly place: string;
}

/** One axis more for the matrix. */
export interface ExtraAxis {
  readonly key: string;
  readonly values: readonly unknown[];
  readonly place: string;
}

/**
 * Lays settings and axes over a config, first those that say whose options there are. Of a key given twice in the same place and spelling the last one counts.
 * @throws CONFIG_WRONG_TYPE, CONFIG_OUT_OF_RANGE for values that an option does not take, CONFIG_CONFLICT when two settings of one thing differ, CONFIG_VARIED_TWICE when one of them is an axis; and what `applySetting` throws
 */
export function overrideConfig(raw: RawConfig, set: readonly Override[], vary: readonly ExtraAxis[], registry: Registry): RawConfig {
  const config = normaliseConfig(raw, registry);
  const ordered = [...set].sort((a, b) => settingRank(a.key) - settingRank(b.key));
  let changed: RawConfig = config;
  for (const one of ordered) changed = applyOne(changed, one, registry);
  refuseContradictions(normaliseConfig(changed, registry), set, vary, registry);
  for (const { key, values } of vary) {
    const rest = withoutAxis(normaliseConfig(changed, registry), key, registry);
    changed = { ...rest, vary: { ...rest.vary, [key]: values } };
  }
  return changed;
}

function applyOne(raw: RawConfig, { key, value, place }: Override, registry: Registry): RawConfig {
  const config = withoutAxis(normaliseConfig(raw, registry), key, registry);
  const { vary = {}, zip = {} } = config;
  const axes = [...Object.keys(vary), ...Object.keys(zip)];
  const isLater = axes.some(axis => (settingRank(axis) < 2 && settingRank(key) >= 2) || surrounds(axis, key));
  // What the name means, or what it stands in, is decided run by run.
  if (isLater) return { ...config, vary: { ...vary, [key]: [value] } };
  const changed = applySetting(config, key, value, registry);
  const spec = optionAt(changed, settingPath(normaliseConfig(config, registry), key, registry), registry);
  if (spec !== undefined) readOption(spec, value, place);
  return changed;
}

function surrounds(axis: string, key: string): boolean {
  return settingRank(axis) === 2 && key.startsWith(`${axis}.`);
}

function refuseContradictions(config: NormalConfig, set: readonly Override[], vary: readonly ExtraAxis[], registry: Registry): void {
  const given = new Map<string, Override>();
  for (const one of set) {
    const meaning = meaningOf(config, one.key, registry);
    const other = given.get(meaning);
    if (other !== undefined && other.place !== one.place && other.value !== one.value) throw conflict(one.place, one.value, other.place, other.value);
    given.set(meaning, one);
  }
  const axes = new Map<string, ExtraAxis>();
  for (const one of vary) {
    const meaning = meaningOf(config, one.key, registry);
    const other = given.get(meaning) ?? axes.get(meaning);
    if (other !== undefined) throw variedTwice(one.place, other.place, meaning);
    axes.set(meaning, one);
  }
}

/** A config whose matrix says nothing of what `key` means, under whatever name. */
function withoutAxis(config: NormalConfig, key: string, registry: Registry): RawConfig {
  const { vary, zip, ...rest } = config;
  const meaning = meaningOf(config, key, registry);
  const others = (axes: AxisLists): AxisLists =>
    Object.fromEntries(Object.entries(axes).filter(([axis]) => !isSame(meaningOf(config, axis, registry), meaning)));
  return { ...rest, ...(vary === undefined ? {} : { vary: others(vary) }), ...(zip === undefined ? {} : { zip: others(zip) }) };
}

/** A path; for what has none in this config, since other axes decide whose options there are, the name alone. */
function meaningOf(config: NormalConfig, key: string, registry: Registry): string {
  if (settingRank(key) < 2) return key.startsWith('workload') ? 'workload' : 'backend';
  try {
    return settingPath(config, key, registry).join('.');
  } catch (error) {
    if (!isMmulabError(error)) throw error;
    return key;
  }
}

function isSame(meaning: string, other: string): boolean {
  const isPath = (text: string): boolean => text.includes('.');
  if (isPath(meaning) === isPath(other)) return meaning === other;
  return meaning.split('.').at(-1) === other.split('.').at(-1);
}
