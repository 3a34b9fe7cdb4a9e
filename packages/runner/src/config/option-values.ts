/**
 * Values of options, read by their specs.
 *
 * Accepted beside the plain form, where there is no doubt: numbers and sizes as strings (`"16"`, `16M`), times with a unit where the option
 * has one, flags as Y, N, y, n, 1, 0, on, off, true or false, switches as the same, choices by their synonyms, those that look like numbers as
 * numbers, and those between Y, N and more as flags. Everything else is refused, naming the place and what was expected.
 */
import {
  formatSize,
  parseSize,
  parseTimeNs,
  suggestName,
  type ChoiceOption,
  type NumberOption,
  type OptionSpec,
  type OptionValue,
  type OptionValues,
  type SizeOption,
} from '@mmulab/api';
import { conflict, outOfRange, refusedText, unknownOption, wrongType } from '../errors';
import type { RawOptions } from './types';

const TRUE_WORDS: readonly unknown[] = [true, 'true', 'Y', 'y', 1, '1', 'on', 'yes'];
const FALSE_WORDS: readonly unknown[] = [false, 'false', 'N', 'n', 0, '0', 'off', 'no'];
const NUMBER = /^-?\d+(\.\d+)?$/;
const NS_PER_UNIT: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/**
 * Reads one value.
 * @param path place of the value in the config, for messages
 * @throws CONFIG_WRONG_TYPE when the value is not of the option's kind, CONFIG_OUT_OF_RANGE when it is but out of bounds
 */
export function readOption(spec: OptionSpec, value: unknown, path: string): OptionValue {
  switch (spec.kind) {
    case 'flag':
      return readBoolean(value, path, 'Y or N') ? 'Y' : 'N';
    case 'switch':
      return readBoolean(value, path, 'true or false');
    case 'choice':
      return readChoice(spec, value, path);
    case 'number':
      return readNumber(spec, value, path);
    case 'size':
      return readSize(spec, value, path);
    case 'text':
      return readText(spec, value, path);
  }
}

/**
 * Reads all options of one owner: defaults, then a profile's values, then those of the user.
 * @param owner name for messages, `x86-tdp`
 * @param path place in the config, `backend.options`
 * @throws CONFIG_UNKNOWN_OPTION with the nearest name; CONFIG_CONFLICT when an option and its alias differ; and as `readOption`
 */
export function readOptions(specs: readonly OptionSpec[], profile: OptionValues, user: RawOptions, owner: string, path: string): OptionValues {
  const values: Record<string, OptionValue> = {};
  for (const spec of specs) values[spec.name] = spec.default;
  Object.assign(values, profile);
  const givenAs = new Map<string, string>();
  for (const [key, raw] of Object.entries(user)) {
    const spec = findOption(specs, key);
    if (spec === undefined) throw unknownOption(`${path}.${key}`, owner, suggestName(key, optionNames(specs)));
    const value = readOption(spec, raw, `${path}.${key}`);
    const other = givenAs.get(spec.name);
    if (other !== undefined && values[spec.name] !== value) throw conflict(`${path}.${key}`, raw, `${path}.${other}`, user[other]);
    givenAs.set(spec.name, key);
    values[spec.name] = value;
  }
  for (const { name, defaultWhen } of specs) {
    if (defaultWhen === undefined || givenAs.has(name) || !givenAs.has(defaultWhen.option)) continue;
    if (values[defaultWhen.option] === defaultWhen.value) values[name] = defaultWhen.default;
  }
  return values;
}

/** The option of this name or alias. */
export function findOption(specs: readonly OptionSpec[], name: string): OptionSpec | undefined {
  return specs.find(spec => spec.name === name || spec.aliases?.includes(name) === true);
}

/** Names and aliases. */
export function optionNames(specs: readonly OptionSpec[]): readonly string[] {
  return specs.flatMap(spec => [spec.name, ...(spec.aliases ?? [])]);
}

/** What values an option takes, in words. */
export function expectedValue(spec: OptionSpec): string {
  switch (spec.kind) {
    case 'flag':
      return 'Y or N';
    case 'switch':
      return 'true or false';
    case 'choice':
      return `one of ${spec.choices.join(', ')}${synonymsOf(spec)}`;
    case 'number':
      return expectedNumber(spec);
    case 'size':
      return `a size from ${formatSize(spec.min)} to ${formatSize(spec.max)}, such as 64K, 16M, 1G`;
    case 'text':
      return spec.expected;
  }
}

function synonymsOf({ synonyms = {} }: ChoiceOption): string {
  const words = Object.entries(synonyms).map(([word, meant]) => `${word} for ${meant}`);
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

function readBoolean(value: unknown, path: string, expected: string): boolean {
  if (TRUE_WORDS.includes(value)) return true;
  if (FALSE_WORDS.includes(value)) return false;
  throw wrongType(path, value, expected);
}

function readChoice(spec: ChoiceOption, value: unknown, path: string): string {
  const { choices, synonyms = {} } = spec;
  const given = typeof value === 'number' ? String(value) : value;
  const meant = typeof given === 'string' && Object.hasOwn(synonyms, given) ? synonyms[given] : given;
  const word = flagWord(choices, meant);
  if (typeof word === 'string' && choices.includes(word)) return word;
  const suggestion = typeof word === 'string' ? suggestName(word, choices) : '';
  const list = suggestion.startsWith(' (known') ? '' : suggestion;
  throw wrongType(path, value, `${expectedValue(spec)}${list}`);
}

/** Whether Y and N are among the choices: then the words of flags say so too. */
export function isFlagLike(choices: readonly string[]): boolean {
  return choices.includes('Y') && choices.includes('N');
}

function flagWord(choices: readonly string[], value: unknown): unknown {
  if (!isFlagLike(choices) || (typeof value === 'string' && choices.includes(value))) return value;
  if (TRUE_WORDS.includes(value)) return 'Y';
  return FALSE_WORDS.includes(value) ? 'N' : value;
}

function expectedNumber({ min, max, integer, unit, expected }: NumberOption): string {
  if (expected !== undefined) return expected;
  return `${integer ? 'a whole number' : 'a number'} from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`;
}

function readNumber(spec: NumberOption, value: unknown, path: string): number {
  const number = toNumber(value, spec.unit);
  if (number === undefined) throw wrongType(path, value, expectedNumber(spec));
  const inRange = number >= spec.min && number <= spec.max && (!spec.integer || Number.isSafeInteger(number));
  if (!inRange) throw outOfRange(path, value, expectedNumber(spec));
  return number;
}

function toNumber(value: unknown, unit: string | undefined): number | undefined {
  if (typeof value === 'number') return Number.isNaN(value) ? undefined : value;
  if (typeof value !== 'string') return undefined;
  if (NUMBER.test(value.trim())) return Number(value);
  const nsPerUnit = NS_PER_UNIT[unit ?? ''];
  const ns = parseTimeNs(value);
  return ns === undefined || nsPerUnit === undefined ? undefined : ns / nsPerUnit;
}

function readSize(spec: SizeOption, value: unknown, path: string): number {
  const expected = expectedValue(spec);
  const bytes = toBytes(value);
  if (bytes === undefined) throw wrongType(path, value, expected);
  if (!Number.isSafeInteger(bytes) || bytes < spec.min || bytes > spec.max) throw outOfRange(path, value, expected);
  return bytes;
}

/** Bytes, also of sizes that are out of any range (negative, beyond 2^53), so that the message says so. */
function toBytes(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isNaN(value) ? undefined : value;
  if (typeof value !== 'string') return undefined;
  const digits = /^\s*(-?)(0x[0-9a-f]+|\d+)[kmgt]?(?:i?b)?\s*$/i.exec(value);
  if (digits === null) return undefined;
  return digits[1] === '-' ? -Number(digits[2]) : (parseSize(value) ?? Infinity);
}

function readText(spec: Extract<OptionSpec, { kind: 'text' }>, value: unknown, path: string): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') throw wrongType(path, value, spec.expected);
  if (!new RegExp(spec.pattern).test(text)) throw refusedText(path, value, spec.refusal?.(text), spec.expected);
  return text;
}
