/**
 * One config to many: `vary` gives every combination, `zip` takes its lists in step.
 */
import { tooManyRuns, zipLengths } from '../errors';
import type { Registry } from '../registry';
import { applySetting, normaliseConfig } from './settings';
import type { RawConfig } from './types';

/** A config of the matrix, and what tells it from the others. */
export interface Variant {
  readonly config: RawConfig;
  /** `huge_page_fault=zap, vcpus=2`; empty when nothing varies. */
  readonly variation: string;
}

/** Values of one step along one axis: several when the axis is zipped. */
type AxisStep = Readonly<Record<string, unknown>>;

const MAX_RUNS = 10_000;

/**
 * Expands the matrix of a config, the last key of `vary` changing fastest; `zip` counts as one key after those of `vary`.
 * @throws CONFIG_ZIP_LENGTHS, CONFIG_TOO_MANY_RUNS, and what `applySetting` throws
 */
export function expandMatrix(raw: RawConfig, registry: Registry): readonly Variant[] {
  const { vary = {}, zip = {}, ...base } = normaliseConfig(raw, registry);
  const axes = [...Object.entries(vary).map(([key, values]) => values.map(value => ({ [key]: value }))), ...zipAxis(zip)];
  const runs = axes.reduce((product, axis) => product * axis.length, 1);
  if (runs > MAX_RUNS) throw tooManyRuns(runs, MAX_RUNS);
  const labels = shortLabels([...Object.keys(vary), ...Object.keys(zip)]);
  return combinations(axes).map(settings => ({ config: applyAll(base, settings, registry), variation: describe(settings, labels) }));
}

function zipAxis(zip: Readonly<Record<string, readonly unknown[]>>): readonly (readonly AxisStep[])[] {
  const keys = Object.keys(zip);
  const lengths = Object.fromEntries(keys.map(key => [key, zip[key]?.length ?? 0]));
  const [length] = Object.values(lengths);
  if (length === undefined) return [];
  if (Object.values(lengths).some(other => other !== length)) throw zipLengths(lengths);
  return [Array.from({ length }, (_, i) => Object.fromEntries(keys.map(key => [key, zip[key]?.[i]])))];
}

function combinations(axes: readonly (readonly AxisStep[])[]): readonly AxisStep[] {
  return axes.reduce<readonly AxisStep[]>((done, axis) => done.flatMap(settings => axis.map(step => ({ ...settings, ...step }))), [{}]);
}

function applyAll(base: RawConfig, settings: AxisStep, registry: Registry): RawConfig {
  return Object.entries(settings).reduce((config, [key, value]) => applySetting(config, key, value, registry), base);
}

/** The last part of each key, unless two keys share it. */
function shortLabels(keys: readonly string[]): ReadonlyMap<string, string> {
  const last = (key: string): string => key.split('.').at(-1) ?? key;
  return new Map(keys.map(key => [key, keys.filter(other => last(other) === last(key)).length > 1 ? key : last(key)]));
}

function describe(settings: AxisStep, labels: ReadonlyMap<string, string>): string {
  const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  return Object.entries(settings)
    .map(([key, value]) => `${labels.get(key) ?? key}=${show(value)}`)
    .join(', ');
}
