/**
 * JSON with the place of what is wrong with it: the engine's own messages do not always say where, and it takes a key that is given twice.
 */

/** A problem in a JSON text; line and column count from 1. */
export interface JsonProblem {
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

/** Parses a JSON text. @returns its value, or the first thing wrong with it, a key given twice included */
export function parseJson(text: string): { readonly value: unknown } | JsonProblem {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return problemAt(text, positionOf(message, text), message.replace(/, [."].*$/s, '').replace(/ in JSON at position \d+.*$/s, ''));
  }
  const twice = keyGivenTwice(text);
  return twice === undefined ? { value } : problemAt(text, twice.position, `the key ${twice.key} is given twice`);
}

function problemAt(text: string, position: number, problem: string): JsonProblem {
  const before = text.slice(0, position).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, problem };
}

/** Where a well-formed text names a key a second time in one object. Nesting of any depth is taken: nothing here calls itself. */
function keyGivenTwice(text: string): { readonly position: number; readonly key: string } | undefined {
  /** Keys of the objects that are open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') open.push(char === '{' ? new Set() : undefined);
    else if (char === '}' || char === ']') open.pop();
    if (char === '{' || char === ',') isKey = true;
    if (char !== '"') continue;
    const end = endOfString(text, at);
    const keys = open.at(-1);
    if (isKey && keys !== undefined) {
      const key = JSON.parse(text.slice(at, end + 1)) as string;
      if (keys.has(key)) return { position: at, key };
      keys.add(key);
    }
    isKey = false;
    at = end;
  }
  return undefined;
}

/** The closing quote of a string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

/** Where a parse failed: as the message says, else at the end of the longest beginning that lacks nothing but its end. */
function positionOf(message: string, text: string): number {
  const stated = statedPosition(message, text.length);
  if (stated !== undefined) return stated;
  let good = 0;
  let bad = text.length;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isBeginning(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function statedPosition(message: string, end: number): number | undefined {
  if (/end of JSON input/.test(message)) return end;
  const position = /position (\d+)/.exec(message)?.[1];
  return position === undefined ? undefined : Number(position);
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    return statedPosition(error instanceof Error ? error.message : '', text.length) !== undefined;
  }
}
