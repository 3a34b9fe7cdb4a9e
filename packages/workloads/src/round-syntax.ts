/**
 * One round of a list behind `-p`, as text: LETTERS[NUMBER][@FIRST[+COUNT]].
 *
 * What a number means hangs on the letters: pages from one access to the next, from one call to the next, in one piece, or to where a memslot moves. FIRST and COUNT name a
 * part of the test memory: pages, or bytes with a suffix (`@4M+2M`). Which letters there are stands in round-letters.ts.
 */
import { formatSize, parseSize } from '@mmulab/api';

/** What may stand behind a round's letters. */
export type RoundShape = 'bare' | 'number' | 'ranged';

/** A place in the test memory or a length: in pages, or in bytes. */
export interface Extent {
  readonly amount: number;
  readonly unit: 'pages' | 'bytes';
}

/** A round, taken apart. */
export interface ParsedRound {
  readonly letters: string;
  /** The number behind the letters; undefined where there is none. */
  readonly number: number | undefined;
  readonly first: Extent | undefined;
  readonly count: Extent | undefined;
}

const NUMBER = '[1-9][0-9]{0,14}';
const EXTENT = '[0-9]{1,15}[KMGTkmgt]?';
const TAILS: Readonly<Record<RoundShape, string>> = {
  bare: '',
  number: `(${NUMBER})?`,
  ranged: `(${NUMBER})?(@${EXTENT}(\\+${EXTENT})?)?`,
};
const ROUND = new RegExp(`^([A-Za-z]+)(${NUMBER})?(?:@(${EXTENT})(?:\\+(${EXTENT}))?)?$`);

/** Pattern of a comma-separated list of rounds. @param shapes by letters */
export function roundsPattern(shapes: ReadonlyMap<string, RoundShape>): string {
  const parts = (Object.keys(TAILS) as RoundShape[]).flatMap(shape => {
    const letters = [...shapes].filter(([, of]) => of === shape).map(([name]) => name);
    return letters.length === 0 ? [] : [`(${letters.join('|')})${TAILS[shape]}`];
  });
  const round = `(${parts.join('|')})`;
  return `^${round}(,${round})*$`;
}

/**
 * What is wrong with a list of rounds, and what is expected there: `round 2_J: J is no letter of a round; expected one of w, r, …`.
 * @param shapes by letters @param names the letters in words
 * @returns undefined for a list without fault
 */
export function roundsFault(list: string, shapes: ReadonlyMap<string, RoundShape>, names: string): string | undefined {
  for (const [index, text] of list.split(',').entries()) {
    const fault = roundFault(text, shapes, names);
    if (fault !== undefined) return `round ${index + 1}_${text}: ${fault}`;
  }
  return undefined;
}

function roundFault(text: string, shapes: ReadonlyMap<string, RoundShape>, names: string): string | undefined {
  if (text === '') return `is empty; expected one of ${names} between two commas`;
  const [, letters = '', number = '', range = ''] = /^([A-Za-z]*)([^@]*)(.*)$/.exec(text) ?? [];
  const shape = shapes.get(letters);
  if (shape === undefined) return unknownLetters(letters, text, shapes, names);
  if (shape === 'bare' && number !== '') return `${letters} takes no number; expected ${letters} alone`;
  if (shape !== 'ranged' && range !== '')
    return `${letters} takes no range; expected ${letters}${shape === 'bare' ? ' alone' : ' or one with a number, as in ' + letters + '512'}`;
  if (number !== '' && !new RegExp(`^${NUMBER}$`).test(number))
    return `${number}: expected a number from 1 on, of at most 15 digits, as in ${letters}512`;
  if (range === '' || new RegExp(`^@${EXTENT}(\\+${EXTENT})?$`).test(range)) return undefined;
  return `${range}: expected @FIRST or @FIRST+COUNT in pages, or in bytes with K, M, G, T, as in ${letters}@0+64`;
}

function unknownLetters(letters: string, text: string, shapes: ReadonlyMap<string, RoundShape>, names: string): string {
  if (letters === '') return `${text}: begins with no letter; expected one of ${names}`;
  const singles = splitLetters(letters, shapes);
  if (singles !== undefined) return `${letters}: one letter per round; expected ${singles.join(',')}`;
  return `${letters} is no letter of a round; expected one of ${names}`;
}

/** Letters written without commas, one by one; undefined where they are none. */
function splitLetters(letters: string, shapes: ReadonlyMap<string, RoundShape>): string[] | undefined {
  const found: string[] = [];
  for (let rest = letters; rest !== '';) {
    const next = [3, 2, 1].map(length => rest.slice(0, length)).find(part => shapes.has(part));
    if (next === undefined) return undefined;
    found.push(next);
    rest = rest.slice(next.length);
  }
  return found;
}

/** Takes a round apart. @returns undefined when it is none */
export function parseRound(text: string): ParsedRound | undefined {
  const match = ROUND.exec(text);
  if (match === null) return undefined;
  const [, letters = '', number, first, count] = match;
  return { letters, number: number === undefined ? undefined : Number(number), first: extentOf(first), count: extentOf(count) };
}

function extentOf(text: string | undefined): Extent | undefined {
  if (text === undefined) return undefined;
  return /[KMGT]$/i.test(text) ? { amount: parseSize(text) ?? NaN, unit: 'bytes' } : { amount: Number(text), unit: 'pages' };
}

/** The memory that a range lies in. */
export interface RangedMemory {
  readonly bytes: number;
  /** Bytes of a page, for plain numbers. */
  readonly pageBytes: number;
  /** What both ends have to be multiples of, the end of the memory aside. */
  readonly unitBytes: number;
  /** What pages and units are called: `64 pages, as KVM_CLEAR_DIRTY_LOG takes whole words of the bitmap`. */
  readonly unit: string;
}

/** A stretch of the test memory, in bytes from its beginning. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The stretch a round names; all of it where it names none. @returns a reason in words where the memory has no such stretch */
export function rangeOf({ first, count }: ParsedRound, memory: RangedMemory): ByteRange | string {
  const { bytes, pageBytes, unitBytes, unit } = memory;
  const inBytes = ({ amount, unit: of }: Extent): number => (of === 'bytes' ? amount : amount * pageBytes);
  const start = first === undefined ? 0 : inBytes(first);
  const end = count === undefined ? bytes : start + inBytes(count);
  const has = `the test memory has ${formatSize(bytes)} (${bytes / pageBytes} pages)`;
  if (!(start < bytes)) return `@${textOf(first)} lies behind its end: ${has}`;
  if (count?.amount === 0) return `+${textOf(count)}: expected a range of at least one page`;
  if (!(end <= bytes)) return `@${textOf(first)}+${textOf(count)} ends behind it: ${has}`;
  if (start % unitBytes !== 0) return `@${textOf(first)}: expected a multiple of ${unit}`;
  if (end % unitBytes !== 0 && end !== bytes) return `+${textOf(count)}: expected a multiple of ${unit}, or all that follows`;
  return { start, end };
}

function textOf(extent: Extent | undefined): string {
  if (extent === undefined) return '0';
  return extent.unit === 'bytes' ? formatSize(extent.amount) : String(extent.amount);
}
