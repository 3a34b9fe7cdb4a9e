/**
 * The JSON format: the document of a report, indented, piece by piece. A document of many results is longer than any string can be.
 *
 * The text is that of `JSON.stringify(document, undefined, 2)` but for characters a terminal would obey, which are written as `\u` escapes. Only lists and maps
 * that hold others are taken apart here; what holds values alone is left to `JSON.stringify`, which is many times faster.
 */
import { escapeJsonControls } from './plain-text';
import type { Report } from '@mmulab/api';

const INDENT = '  ';
/** Longer lists are taken apart, whatever they hold. */
const MAX_WHOLE = 1000;

/** @returns the report's document as JSON, two spaces deep, with a final newline. */
export function* renderJson(report: Report): Iterable<string> {
  yield* jsonParts(report.document);
  yield '\n';
}

/**
 * A document as JSON in pieces.
 * @param indent spaces in front of its lines, the first excepted
 */
export function* jsonParts(value: unknown, indent = ''): Iterable<string> {
  if (Array.isArray(value) && isDeep(value)) yield* listParts(value, indent);
  else if (isMap(value) && isDeep(Object.values(value))) yield* mapParts(value, indent);
  else yield leafText(value, indent);
}

function* listParts(list: readonly unknown[], indent: string): Iterable<string> {
  let before = `[\n${indent}${INDENT}`;
  for (const item of list) {
    yield before;
    yield* jsonParts(item ?? null, indent + INDENT);
    before = `,\n${indent}${INDENT}`;
  }
  yield `\n${indent}]`;
}

function* mapParts(map: Readonly<Record<string, unknown>>, indent: string): Iterable<string> {
  let before = `{\n${indent}${INDENT}`;
  for (const key of Object.keys(map)) {
    const value = map[key];
    if (value === undefined || typeof value === 'function') continue;
    yield `${before}${escapeJsonControls(JSON.stringify(key))}: `;
    yield* jsonParts(value, indent + INDENT);
    before = `,\n${indent}${INDENT}`;
  }
  yield `\n${indent}}`;
}

function leafText(value: unknown, indent: string): string {
  const text = escapeJsonControls(JSON.stringify(value, undefined, INDENT));
  return indent === '' ? text : text.replaceAll('\n', `\n${indent}`);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !('toJSON' in value);
}

/** Whether something in it has parts that have parts. */
function isDeep(values: readonly unknown[]): boolean {
  return values.length > MAX_WHOLE || values.some(value => typeof value === 'object' && value !== null && Object.keys(value).length > 0);
}
