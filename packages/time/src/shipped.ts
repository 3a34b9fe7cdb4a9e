/**
 * What comes with the package: models, the mapping of published tables, the tables themselves.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..');

/** Directory of the published tables. */
export const TABLES_DIRECTORY = join(ROOT, 'tables');

/** Path of the mapping of published tables. */
export const MAPPING_FILE = join(ROOT, 'mapping.yaml');

/** Names of the models, in order. */
export function shippedModelNames(): readonly string[] {
  return namesIn(join(ROOT, 'models'));
}

/** Names of the machines, in order. */
export function shippedHostNames(): readonly string[] {
  return namesIn(join(ROOT, 'hosts'));
}

function namesIn(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter(name => name.endsWith('.yaml'))
    .map(name => name.slice(0, -'.yaml'.length))
    .sort();
}

/** Path of a model that comes with the package; undefined when there is none of the name. */
export function shippedModelFile(name: string): string | undefined {
  const path = join(ROOT, 'models', `${name}.yaml`);
  return /^[\w.-]+$/.test(name) && existsSync(path) ? path : undefined;
}

/** Path of a machine that comes with the package; undefined when there is none of the name. */
export function shippedHostFile(name: string): string | undefined {
  const path = join(ROOT, 'hosts', `${name}.yaml`);
  return /^[\w.-]+$/.test(name) && existsSync(path) ? path : undefined;
}

/** Reads a text file. */
export function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
