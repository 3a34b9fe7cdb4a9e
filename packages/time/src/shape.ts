/**
 * Reading YAML, and telling maps from other values read from YAML and JSON.
 */
import { parse } from 'yaml';
import { notYaml } from './errors';

/** Whether a value is a plain map. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** Reads YAML. @throws MODEL_NOT_YAML with the place */
export function parseYaml(text: string, place: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw notYaml(place, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  }
}
