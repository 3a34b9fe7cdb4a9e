/**
 * Values along an axis of a matrix: a list, a range written as text (`1..512 by doubling`, `0..100 by 5`), or a list with ranges in it.
 *
 * Values are made when they are asked for, so an axis of a million of them takes no memory.
 */
import { formatSize, parseSize } from '@mmulab/api';
import { badRange } from '../errors';

/** Values along an axis, by position from 0. */
export interface AxisValues {
  readonly length: number;
  at(index: number): unknown;
}

const RANGE = /^\s*(-?[\d.]+?[a-z]*)\s*\.\.\s*(-?[\d.]+[a-z]*)(?:\s+by\s+(.+?))?\s*$/i;
const NUMBER = /^-?\d+(\.\d+)?$/;
/** Sums of steps such as 0.1 are rounded to as many digits as they can have. */
const DIGITS = 12;
/** A border is part of the range though the last bit of its quotient be off. */
const SLACK = 1e-9;

/**
 * Reads the values of an axis.
 * @param values a list, whose texts may be ranges, or the text of one range
 * @param path place in the config, for messages
 * @throws CONFIG_RANGE for a text that is no range, an empty range, or one without an end
 */
export function readAxisValues(values: readonly unknown[] | string, path: string): AxisValues {
  if (typeof values === 'string') return readRange(values, path);
  const parts = values.map(value => (typeof value === 'string' && RANGE.test(value) ? readRange(value, path) : value));
  return parts.some(isRange) ? joined(parts.map(part => (isRange(part) ? part : single(part)))) : { length: parts.length, at: i => values[i] };
}

/** One range. */
class Range implements AxisValues {
  constructor(
    readonly length: number,
    private readonly valueAt: (index: number) => number,
    private readonly areSizes: boolean,
  ) {}

  at(index: number): unknown {
    const value = Number(this.valueAt(index).toPrecision(DIGITS));
    return this.areSizes ? formatSize(this.valueAt(index)) : value;
  }
}

const isRange = (part: unknown): part is Range => part instanceof Range;
const single = (value: unknown): AxisValues => ({ length: 1, at: () => value });

function joined(parts: readonly AxisValues[]): AxisValues {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const at = (index: number): unknown => {
    let left = index;
    for (const part of parts) {
      if (left < part.length) return part.at(left);
      left -= part.length;
    }
    return undefined;
  };
  return { length, at };
}

function readRange(text: string, path: string): Range {
  const [, fromText = '', toText = '', by = '1'] = RANGE.exec(text) ?? [];
  const [from, to] = [readBound(fromText), readBound(toText)];
  if (from === undefined || to === undefined) throw badRange(path, text);
  const areSizes = !NUMBER.test(fromText) || !NUMBER.test(toText);
  const factor = by === 'doubling' ? 2 : /^x\d/i.test(by) ? Number(by.slice(1)) : undefined;
  const range = factor === undefined ? linear(from, to, readBound(by), areSizes) : geometric(from, to, factor, areSizes);
  if (range === undefined || !(range.length >= 1) || !Number.isSafeInteger(range.length)) throw badRange(path, text);
  return range;
}

function linear(from: number, to: number, step: number | undefined, areSizes: boolean): Range | undefined {
  if (step === undefined || step <= 0) return undefined;
  return new Range(Math.floor((to - from) / step + SLACK) + 1, i => from + i * step, areSizes);
}

function geometric(from: number, to: number, factor: number, areSizes: boolean): Range | undefined {
  if (from <= 0 || !(factor > 1)) return undefined;
  return new Range(Math.floor(Math.log(to / from) / Math.log(factor) + SLACK) + 1, i => from * factor ** i, areSizes);
}

/** A number, or bytes. */
function readBound(text: string): number | undefined {
  return NUMBER.test(text) ? Number(text) : parseSize(text);
}
