/**
 * One config to many: `vary` gives every combination, `zip` takes its lists in step, `sample` takes some of the combinations only.
 *
 * A matrix is never laid out: it knows how many runs it has and makes each one when it is asked for, so a million of them take no memory.
 */
import { suggestName } from '@mmulab/api';
import { conflict, missingInConfig, outOfRange, tooManyRuns, variedTwice, wrongType, zipLengths } from '../errors';
import type { Registry } from '../registry';
import { isWholeWorkload, optionSpecsAt, settingPath, settingPlace, settingRank, type SettingPlace } from './key-paths';
import { findOption, readOption } from './option-values';
import { readAxisValues } from './ranges';
import { latinPoints, positionsOf, randomPoints, type SamplePoints } from './sample';
import type { NormalConfig } from './normal-config';
import { applyAt, normaliseConfig } from './settings';
import type { AxisLists, RawConfig, RawSample } from './types';

/** A config of the matrix, and what tells it from the others. */
export interface Variant {
  readonly config: NormalConfig;
  /** `huge_page_fault=zap, vcpus=2`; empty when nothing varies. */
  readonly variation: string;
}

/** A key of the matrix. */
interface Key {
  /** As written. */
  readonly key: string;
  /** With its section, for messages: `vary.kernel`. */
  readonly place: string;
  readonly rank: number;
  /** A key of one value is a setting; it beats what another key brings along. */
  readonly isSetting: boolean;
}

/** Values of one step along one axis: one per key, several where keys are zipped. */
type AxisStep = readonly unknown[];

interface Axis {
  readonly keys: readonly Key[];
  readonly length: number;
  step(index: number): AxisStep;
}

/** Keys and their values in one run: what `vary` and `zip` set. */
export type VariedValues = Readonly<Record<string, unknown>>;

/** One axis: a key of `vary`, or all keys of `zip`. */
export interface MatrixAxis {
  readonly keys: readonly string[];
  readonly length: number;
}

/** Runs by number from 0: the last key of `vary` changes fastest; `zip` counts as one key after those of `vary`. */
export interface Matrix {
  readonly size: number;
  readonly axes: readonly MatrixAxis[];
  /** Positions along the axes of a run. */
  readonly positions: (run: number) => readonly number[];
  /** What a run sets, by its positions along the axes. */
  readonly varied: (positions: readonly number[]) => VariedValues;
  /** @throws CONFIG_CONFLICT when a key contradicts the command line of another; and what `settingPath` and `applyAt` throw */
  readonly variant: (positions: readonly number[]) => Variant;
}

/** Most runs that are prepared together; a sweep takes any number. */
const MAX_RUNS = 10_000;
/** Combinations that can still be told apart by a number, with room for the arithmetic of samples. */
const MAX_COMBINATIONS = 2 ** 50;

/**
 * Expands the matrix of a config.
 * @throws CONFIG_TOO_MANY_RUNS, and what `readMatrix` and its runs throw
 */
export function expandMatrix(raw: RawConfig, registry: Registry): readonly Variant[] {
  if (raw.sample === undefined) checkRunCount(raw);
  const matrix = readMatrix(raw, registry);
  if (matrix.size > MAX_RUNS) throw tooManyRuns(matrix.size, MAX_RUNS);
  return Array.from({ length: matrix.size }, (_, run) => matrix.variant(matrix.positions(run)));
}

/**
 * Reads the matrix of a config.
 * @throws CONFIG_ZIP_LENGTHS, CONFIG_RANGE, CONFIG_TOO_MANY_RUNS for more combinations than can be numbered, CONFIG_VARIED_TWICE for what two keys say, and
 * what is wrong with `sample`
 */
export function readMatrix(raw: RawConfig, registry: Registry): Matrix {
  const { vary = {}, zip = {}, sample, ...base } = normaliseConfig(raw, registry);
  const axes = [...Object.entries(vary).map(varyAxis), ...zipAxis(zip)];
  const keys = axes.flatMap(axis => axis.keys);
  const labels = shortLabels(keys.map(({ key }) => key));
  const settings = new MatrixSettings(base, keys, registry);
  const lengths = axes.map(axis => axis.length);
  const combinations = lengths.reduce((product, length) => product * length, 1);
  if (combinations > MAX_COMBINATIONS) throw tooManyRuns(combinations, MAX_COMBINATIONS);
  const size = sample === undefined ? combinations : sampleSize(sample, combinations);
  const points = sample === undefined ? undefined : samplePoints(sample, size, lengths, Number(raw.seed ?? 1));
  const valuesAt = (positions: readonly number[]): AxisStep => axes.flatMap((axis, i) => axis.step(positions[i] ?? 0));
  return {
    size,
    axes: axes.map(axis => ({ keys: axis.keys.map(({ key }) => key), length: axis.length })),
    positions: run => points?.(run) ?? positionsOf(run, lengths),
    varied: positions => Object.fromEntries(valuesAt(positions).map((value, i) => [keys[i]?.key ?? '', value])),
    variant: positions => {
      const values = valuesAt(positions);
      return { config: settings.apply(values), variation: describe(labels, values) };
    },
  };
}

const METHODS = ['lhs', 'random'];

function samplePoints({ method = 'lhs' }: RawSample, n: number, lengths: readonly number[], seed: number): SamplePoints {
  if (!METHODS.includes(method)) throw wrongType('sample.method', method, `one of ${METHODS.join(', ')}${suggestName(method, METHODS)}`);
  return method === 'random' ? randomPoints(lengths, seed) : latinPoints(lengths, n, seed);
}

function sampleSize({ n }: RawSample, combinations: number): number {
  if (n === undefined) throw missingInConfig('sample.n', 'how many of the combinations are run');
  const size = Number(n);
  if (!Number.isSafeInteger(size) || size < 1 || size > combinations) throw outOfRange('sample.n', n, `a whole number from 1 to ${combinations}`);
  return size;
}

/** Before anything is made of the lists: they may be long. */
function checkRunCount({ vary, zip }: RawConfig): void {
  const length = (values: unknown): number => (Array.isArray(values) ? values.length : 1);
  const varied = Object.values(vary ?? {}).reduce((product, values) => product * length(values), 1);
  const runs = varied * Math.max(1, ...Object.values(zip ?? {}).map(length));
  if (runs > MAX_RUNS) throw tooManyRuns(runs, MAX_RUNS);
}

function varyAxis([key, list]: readonly [string, AxisLists[string]]): Axis {
  const place = `vary.${key}`;
  const values = readAxisValues(list, place);
  const isSetting = values.length === 1;
  return { keys: [{ key, place, rank: settingRank(key), isSetting }], length: values.length, step: index => [values.at(index)] };
}

function zipAxis(zip: AxisLists): readonly Axis[] {
  const lists = Object.entries(zip).map(([key, list]) => [key, readAxisValues(list, `zip.${key}`)] as const);
  const [length] = lists.map(([, values]) => values.length);
  if (length === undefined) return [];
  if (lists.some(([, values]) => values.length !== length)) throw zipLengths(Object.fromEntries(lists.map(([key, values]) => [key, values.length])));
  const keys = lists.map(([key]) => ({ key, place: `zip.${key}`, rank: settingRank(key), isSetting: length === 1 }));
  return [{ keys, length, step: index => lists.map(([, values]) => values.at(index)) }];
}

/** Lays the values of a run over the base. */
class MatrixSettings {
  /** Indices of the keys that decide whose options there are, and of the others, in the order in which they are applied. */
  private readonly owners: readonly number[];
  private readonly others: readonly number[];
  /** Places of the other keys, by backend and workload. */
  private readonly places = new Map<string, readonly SettingPlace[]>();

  constructor(
    private readonly base: NormalConfig,
    private readonly keys: readonly Key[],
    private readonly registry: Registry,
  ) {
    const order = keys.map((_, index) => index).sort((a, b) => this.rankOf(a) - this.rankOf(b));
    this.owners = order.filter(index => this.rankOf(index) < 2);
    this.others = order.filter(index => this.rankOf(index) >= 2);
    refuseTwice(
      this.owners.map(index => keys[index]),
      this.owners.map(index => settingPath(base, keys[index]?.key ?? '', registry).slice(0, 1)),
    );
  }

  apply(values: AxisStep): NormalConfig {
    const { keys, registry } = this;
    let config = this.base;
    for (const index of this.owners) {
      config = applyAt(config, [{ path: settingPath(config, keys[index]?.key ?? '', registry), value: values[index] }], registry);
    }
    const places = this.placesIn(config);
    const placed = places.map((place, i) => ({ ...place, value: values[this.others[i] ?? 0] }));
    this.refuseContradiction(config, placed);
    return applyAt(config, placed, registry);
  }

  private rankOf(index: number): number {
    return this.keys[index]?.rank ?? 0;
  }

  private placesIn(config: NormalConfig): readonly SettingPlace[] {
    const owners = `${config.backend.name ?? ''} ${config.workload.name ?? ''}`;
    const known = this.places.get(owners);
    if (known !== undefined) return known;
    const keys = this.others.map(index => this.keys[index]);
    const places = keys.map(({ key }) => settingPlace(config, key, this.registry));
    refuseTwice(
      keys,
      places.map(({ path }) => path),
    );
    this.places.set(owners, places);
    return places;
  }

  /** A column that says `-b 4M` beside one that says bytes=8M would lie. */
  private refuseContradiction(config: NormalConfig, placed: readonly { readonly path: readonly string[]; readonly value: unknown }[]): void {
    const command = this.owners.map(index => this.keys[index]).find(({ key, isSetting }) => !isSetting && isWholeWorkload(key.split('.')));
    if (command === undefined) return;
    placed.forEach(({ path, value }, i) => {
      const key = this.keys[this.others[i] ?? 0];
      const optionAt = path[0] === 'vm' ? ['workload', 'options', path[1] ?? ''] : path;
      const spec = optionAt[0] === 'workload' ? findOption(optionSpecsAt(config, optionAt.slice(0, 2), this.registry), optionAt[2] ?? '') : undefined;
      const said = spec === undefined ? undefined : Object.entries(config.workload.options).find(([name]) => findOption([spec], name) !== undefined);
      if (spec === undefined || said === undefined || key.isSetting) return;
      if (readOption(spec, value, key.place) !== readOption(spec, said[1], command.place)) throw conflict(key.place, value, command.place, said[1]);
    });
  }
}

/** Refuses keys that mean the same thing, or a part of it. */
function refuseTwice(keys: readonly Key[], paths: readonly (readonly string[])[]): void {
  const byPath = new Map<string, Key>();
  keys.forEach((key, i) => {
    const path = paths[i] ?? [];
    const other = byPath.get(path.join('.'));
    if (other !== undefined) throw variedTwice(key.place, other.place, path.join('.'));
    byPath.set(path.join('.'), key);
  });
  keys.forEach((key, i) => {
    const path = paths[i] ?? [];
    for (let length = 1; length < path.length; length++) {
      const around = path.slice(0, length).join('.');
      const other = byPath.get(around);
      if (other !== undefined) throw variedTwice(key.place, other.place, around);
    }
  });
}

/** The last part of each key, unless two keys share it. */
function shortLabels(keys: readonly string[]): readonly string[] {
  const last = (key: string): string => key.split('.').at(-1) ?? key;
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(last(key), (counts.get(last(key)) ?? 0) + 1);
  return keys.map(key => (counts.get(last(key)) === 1 ? last(key) : key));
}

function describe(labels: readonly string[], values: AxisStep): string {
  const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  return values.map((value, i) => `${labels[i] ?? ''}=${show(value)}`).join(', ');
}
