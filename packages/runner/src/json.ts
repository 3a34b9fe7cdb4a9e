/**
 * JSON with the place of what is wrong with it: the engine's own messages do not always say where.
 */

/** A problem in a JSON text; line and column count from 1. */
export interface JsonProblem {
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

/** Parses a JSON text. @returns its value, or the first thing wrong with it */
export function parseJson(text: string): { readonly value: unknown } | JsonProblem {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const before = text.slice(0, positionOf(message, text)).split('\n');
    const problem = message.replace(/, [."].*$/s, '').replace(/ in JSON at position \d+.*$/s, '');
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, problem };
  }
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
