/**
 * Reading YAML, and telling maps from other values read from YAML and JSON.
 */
import { MAX_NESTING, NestingDepth } from '@mmulab/api';
import { Lexer, parse } from 'yaml';
import { notYaml } from './errors';

/** Whether a value is a plain map. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** Reads YAML. @throws MODEL_NOT_YAML with the place */
export function parseYaml(text: string, place: string): unknown {
  checkNesting(text, place);
  try {
    return parse(text);
  } catch (error) {
    throw notYaml(place, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  }
}

function checkNesting(text: string, place: string): void {
  const depth = new NestingDepth();
  for (const token of new Lexer().lex(text)) {
    depth.take(token);
    if (depth.levels > MAX_NESTING) throw notYaml(place, `nested more than ${MAX_NESTING} levels deep`);
  }
}
