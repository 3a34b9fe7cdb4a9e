/**
 * Results as points: where each is along the axes of its sweep, and the number looked at.
 */
import { parseSize, suggestName, type RunResult } from '@mmulab/api';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { analysisUnknownAxis, malformedLine, notASweep, problemOf } from '../errors';
import { readKept, type SweepLine } from '../kept-result';
import { readLines } from '../line-file';
import { RESULTS_FILE } from '../sweep-folder';
import { noValue, type Quantity } from './quantity';

/** Something that differs between results. */
export interface SampleAxis {
  /** The key in full, `backend.options.eager_page_split`. */
  readonly key: string;
  /** Its last part, unless two axes share it. */
  readonly label: string;
  /** Values in order: numbers and sizes by size, other texts by name, numbers in them by value. */
  readonly values: readonly string[];
  /** Whether all of them are numbers or sizes. */
  readonly isNumeric: boolean;
}

/** One result. */
export interface Sample {
  /** Positions along the axes. */
  readonly at: readonly number[];
  readonly value: number;
}

/** Results of a sweep, or of several. */
export interface Samples {
  readonly axes: readonly SampleAxis[];
  readonly samples: readonly Sample[];
  /** Results that have no such value. */
  readonly without: number;
}

/**
 * Reads the results of a sweep's folder, of a file of lines, or of a directory of saved results, one after the other.
 * @throws SWEEP_NO_SWEEP when there are none, RESULT_MALFORMED with the line
 */
export function readResultLines(path: string, onResult: (result: RunResult & Partial<SweepLine>) => void): void {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? join(path, RESULTS_FILE) : path;
  if (existsSync(file)) {
    readLines(file, (line, number) => onResult(readLine(line, file, number)));
    return;
  }
  const files = isFolder ? readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.json')) : [];
  if (files.length === 0) throw notASweep(path, 'no results');
  for (const name of files.sort()) onResult(readKept(readFileSync(join(path, name), 'utf8'), join(path, name)));
}

function readLine(line: string, file: string, number: number): RunResult & Partial<SweepLine> {
  try {
    return readKept(line, file);
  } catch (error) {
    throw malformedLine(
      file,
      number,
      problemOf(error)
        .replace(/^RESULT_MALFORMED: /, '')
        .replace(`${file}: `, ''),
    );
  }
}

/**
 * Reads points.
 * @param where what is looked at only: axis → value
 * @throws as `readResultLines`; ANALYSIS_NO_VALUE when no result has the quantity, ANALYSIS_UNKNOWN_AXIS
 */
export function readSamples(path: string, quantity: Quantity, where: Readonly<Record<string, string>> = {}): Samples {
  const rows: { readonly settings: Readonly<Record<string, string>>; readonly value: number }[] = [];
  let without = 0;
  let last: RunResult | undefined;
  readResultLines(path, result => {
    const value = quantity.of(result);
    if (value === undefined) without++;
    else rows.push({ settings: settingsOf(result), value });
    last = result;
  });
  if (rows.length === 0) throw last === undefined ? notASweep(path, 'no results') : noValue(quantity, last);
  const all = axesOf(rows.map(row => row.settings));
  const wanted = Object.entries(where).map(([name, value]) => [findAxis(all, name, '--where').key, value] as const);
  const chosen = rows.filter(({ settings }) => wanted.every(([key, value]) => settings[key] === value));
  if (chosen.length === 0) throw notASweep(path, `no results where ${wanted.map(pair => pair.join(' is ')).join(', ')}`);
  const axes = axesOf(chosen.map(row => row.settings));
  const positions = axes.map(({ values }) => new Map(values.map((value, i) => [value, i])));
  const samples = chosen.map(({ settings, value }) => ({ at: axes.map(({ key }, a) => positions[a]?.get(settings[key] ?? ABSENT) ?? 0), value }));
  return { axes, samples, without };
}

const ABSENT = '-';

/** What a sweep set; for other results, all of their config. */
function settingsOf({ sweep, config }: RunResult & Partial<SweepLine>): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  if (sweep !== undefined) for (const [key, value] of Object.entries(sweep.settings)) settings[key] = show(value);
  else flatten({ ...config, name: undefined }, '', settings);
  return settings;
}

function flatten(value: unknown, path: string, into: Record<string, string>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (value !== undefined) into[path] = show(value);
    return;
  }
  for (const [key, part] of Object.entries(value)) flatten(part, path === '' ? key : `${path}.${key}`, into);
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Only what differs is an axis. */
function axesOf(rows: readonly Readonly<Record<string, string>>[]): readonly SampleAxis[] {
  const found = new Map<string, Set<string>>();
  const keys = new Set<string>();
  for (const row of rows) for (const key of Object.keys(row)) keys.add(key);
  for (const key of keys) found.set(key, new Set());
  for (const row of rows) for (const [key, values] of found) values.add(row[key] ?? ABSENT);
  const differing = [...found].filter(([, values]) => values.size > 1);
  const last = (key: string): string => key.split('.').at(-1) ?? key;
  const isShared = (key: string): boolean => differing.filter(([other]) => last(other) === last(key)).length > 1;
  return differing.map(([key, values]) => {
    // Releases look like numbers, and 6.12 comes after 6.2.
    const isNumeric = last(key) !== 'kernel' && [...values].every(value => numberOf(value) !== undefined);
    const compare = isNumeric ? (a: string, b: string): number => (numberOf(a) ?? 0) - (numberOf(b) ?? 0) : byName.compare.bind(byName);
    return { key, label: isShared(key) ? key : last(key), values: [...values].sort(compare), isNumeric };
  });
}

const byName = new Intl.Collator('en', { numeric: true });

/** The number, or bytes, that a value is on its axis; undefined where an axis has other texts. */
export function positionOn({ isNumeric }: SampleAxis, value: string): number | undefined {
  return isNumeric ? numberOf(value) : undefined;
}

function numberOf(text: string): number | undefined {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : parseSize(text);
}

/** The axis of a name, in full or short. @throws ANALYSIS_UNKNOWN_AXIS with the nearest */
export function findAxis(axes: readonly SampleAxis[], name: string, option: string): SampleAxis {
  const found = axes.find(axis => axis.key === name) ?? axes.find(axis => axis.label === name || axis.key.endsWith(`.${name}`));
  const names = axes.map(axis => axis.label);
  if (found === undefined) throw analysisUnknownAxis(option, name, suggestName(name, names));
  return found;
}
