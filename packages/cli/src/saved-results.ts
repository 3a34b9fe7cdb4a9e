/**
 * Results that an earlier run wrote: `--format json > FILE`, or the files of `--out DIR`.
 */
import { RESULT_SCHEMA, type RunResult } from '@mmulab/api';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { malformedResult } from './errors';

/**
 * Reads a file of results, or all those of a directory in the order of their names.
 * @returns undefined when the path is something else: a config, or nothing at all. Throws `RESULT_MALFORMED` for a result with parts missing.
 */
export function readSavedResults(path: string): readonly RunResult[] | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return readDirectory(path);
  if (stats?.isFile() !== true || !path.endsWith('.json')) return undefined;
  return readResults(path);
}

function readDirectory(directory: string): readonly RunResult[] {
  const files = readdirSync(directory).filter(name => name.endsWith('.json'));
  const results = files.sort().flatMap(name => readResults(join(directory, name)) ?? []);
  if (results.length === 0) throw malformedResult(directory, `no file in it is a result; expected *.json with schema ${RESULT_SCHEMA}`);
  return results;
}

/** Broken JSON is left to the reader of configs, which knows lines and columns. */
function readResults(path: string): readonly RunResult[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
  const documents: readonly unknown[] = Array.isArray(document) ? document : [document];
  const isResult = (value: unknown): boolean => isMap(value) && value['schema'] === RESULT_SCHEMA;
  if (documents.length === 0 || !documents.some(isResult)) return undefined;
  return documents.map((value, index) => checkResult(value, Array.isArray(document) ? `${path}[${index}]` : path));
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounters(value: unknown): boolean {
  return isMap(value) && Object.values(value).every(count => typeof count === 'number');
}

/** Fields a comparison reads. */
const FIELDS: Readonly<Record<string, readonly [expected: string, isRight: (value: unknown) => boolean]>> = {
  schema: [RESULT_SCHEMA, value => value === RESULT_SCHEMA],
  name: ['a name', value => typeof value === 'string'],
  config: ['a config', isMap],
  phases: ['a list of phases, each with counters', value => Array.isArray(value) && value.every(isPhase)],
  totals: ['counters', value => isMap(value) && isCounters(value['counters'])],
};

function isPhase(value: unknown): boolean {
  return (
    isMap(value) && typeof value['phase'] === 'string' && isCounters(value['counters']) && (value['time'] === undefined || isTime(value['time']))
  );
}

function isTime(value: unknown): boolean {
  return isMap(value) && typeof value['predictedNs'] === 'number' && Array.isArray(value['intervalNs']);
}

function checkResult(value: unknown, place: string): RunResult {
  if (!isMap(value)) throw malformedResult(place, 'is no result');
  for (const [field, [expected, isRight]] of Object.entries(FIELDS)) {
    if (!isRight(value[field])) throw malformedResult(place, `${field}: expected ${expected}`);
  }
  return value as unknown as RunResult;
}
