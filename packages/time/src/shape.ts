/**
 * Reading YAML, and telling maps from other values read from YAML and JSON.
 */
import type * as Yaml from 'yaml';
import { notYaml } from './errors';

/** Whether a value is a plain map. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** The YAML library, loaded with the first model: the plugin is there in every run, and most have no model. */
function yaml(): typeof Yaml {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when there is something to read
  return require('yaml') as typeof Yaml;
}

/** Reads YAML. @throws MODEL_NOT_YAML with the place */
export function parseYaml(text: string, place: string): unknown {
  try {
    return yaml().parse(text);
  } catch (error) {
    throw notYaml(place, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  }
}
