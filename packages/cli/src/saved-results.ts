/**
 * Results that an earlier run wrote: `--format json > FILE`, the files of `--out DIR`, or the folder of a sweep.
 */
import { RESULT_SCHEMA, type RunResult } from '@mmulab/api';
import type * as Sweep from '@mmulab/sweep';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { malformedResult, resultSchema } from './errors';

/** What the schemas of our documents begin with; that of a config, where one names it. */
const SCHEMA_PREFIX = 'mmulab.';
const CONFIG_SCHEMA = 'mmulab.config.';

/** What a sweep calls its results. */
const SWEEP_RESULTS = 'results.ndjson';

/**
 * Reads a file of results, or all those of a directory in the order of their names.
 * @returns undefined when the path is something else: a config, or nothing at all. Throws `RESULT_MALFORMED` for a result with parts missing.
 */
export function readSavedResults(path: string): readonly RunResult[] | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return existsSync(join(path, SWEEP_RESULTS)) ? readSweep(path) : readDirectory(path);
  if (stats?.isFile() !== true) return undefined;
  if (path.endsWith('.ndjson')) return readSweep(path);
  if (!path.endsWith('.json')) return undefined;
  return readResults(path);
}

/** In the order of the sweep's matrix. */
function readSweep(path: string): readonly RunResult[] {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only who reads a sweep loads it
  const { readResultLines } = require('@mmulab/sweep') as typeof Sweep;
  const found: { readonly run: number; readonly result: RunResult }[] = [];
  readResultLines(path, ({ sweep, ...result }) => found.push({ run: sweep?.run ?? found.length, result: checkResult(result, path) }));
  return found.sort((a, b) => a.run - b.run).map(({ result }) => result);
}

function readDirectory(directory: string): readonly RunResult[] {
  const files = readdirSync(directory).filter(name => name.endsWith('.json'));
  const results = files.sort().flatMap(name => readResults(join(directory, name)) ?? []);
  if (results.length === 0) throw malformedResult(directory, `no file in it is a result; expected *.json with schema ${RESULT_SCHEMA}`);
  return results;
}

/** Broken JSON, and what is none of our documents, is left to the reader of configs, which knows lines and columns. */
function readResults(path: string): readonly RunResult[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // Longer than a text can be in Node: no config either.
    if ((error as NodeJS.ErrnoException).code === 'ERR_STRING_TOO_LONG') throw malformedResult(path, 'is longer than can be read at once (512 MiB)');
    return undefined;
  }
  const documents: readonly unknown[] = Array.isArray(document) ? document : [document];
  if (!documents.some(isOurs)) return undefined;
  return documents.map((value, index) => checkResult(value, Array.isArray(document) ? `${path}[${index}]` : path));
}

/** Whether a document says that it comes from here: a result of this or another version, a comparison, records. */
function isOurs(value: unknown): boolean {
  const schema = isMap(value) ? value['schema'] : undefined;
  return typeof schema === 'string' && schema.startsWith(SCHEMA_PREFIX) && !schema.startsWith(CONFIG_SCHEMA);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Counts by name. What every object has (`hasOwnProperty`) is no name: it would be found where there is no such counter. */
function isCounters(value: unknown): boolean {
  return isMap(value) && Object.entries(value).every(([name, count]) => typeof count === 'number' && !(name in Object.prototype));
}

function hasCounters(value: unknown): boolean {
  return isMap(value) && isCounters(value['counters']);
}

const isText = (value: unknown): boolean => typeof value === 'string';

type Fields = Readonly<Record<string, readonly [expected: string, isRight: (value: unknown) => boolean]>>;

/** Fields of a result that are read. */
const FIELDS: Fields = {
  name: ['a name', isText],
  config: ['a config', isMap],
  notes: ['a list of notes', value => value === undefined || (Array.isArray(value) && value.every(isText))],
  phases: ['a list of phases', Array.isArray],
  totals: ['counters', hasCounters],
  failure: ['how a KVM_RUN failed', value => value === undefined || isFailure(value)],
  checks: ['checks that were looked at', value => value === undefined || (Array.isArray(value) && value.every(isCheck))],
};

/** Fields of a phase that are read. */
const PHASE_FIELDS: Fields = {
  phase: ['a name', isText],
  counters: ['counters', isCounters],
  vcpus: ['a list of vCPUs, each with counters', value => value === undefined || (Array.isArray(value) && value.every(hasCounters))],
  slots: ['memslots by number, each with counters', value => value === undefined || (isMap(value) && Object.values(value).every(hasCounters))],
  time: ['a predicted time with its interval', value => value === undefined || isTime(value)],
};

function isTime(value: unknown): boolean {
  return isMap(value) && typeof value['predictedNs'] === 'number' && Array.isArray(value['intervalNs']);
}

function isFailure(value: unknown): boolean {
  return isMap(value) && isText(value['phase']) && isText(value['reason']) && typeof value['vcpu'] === 'number';
}

function isCheck(value: unknown): boolean {
  if (!isMap(value)) return false;
  const { phase, name, of, relation, expected, actual, passed } = value;
  const isWhole = [phase, name, of, relation].every(isText) && typeof expected === 'number' && typeof passed === 'boolean';
  return isWhole && (actual === undefined || typeof actual === 'number');
}

/** @throws RESULT_SCHEMA for what is no result of this version, RESULT_MALFORMED for one with parts missing or broken */
function checkResult(value: unknown, place: string): RunResult {
  if (!isMap(value)) throw malformedResult(place, 'is no result');
  if (value['schema'] !== RESULT_SCHEMA) throw resultSchema(place, value['schema'], RESULT_SCHEMA);
  checkFields(value, FIELDS, place);
  const phases = (value['phases'] as readonly unknown[]).map((phase, index) => {
    if (!isMap(phase)) throw malformedResult(place, `phases[${index}]: expected a phase`);
    checkFields(phase, PHASE_FIELDS, `${place}: phases[${index}]`);
    return { vcpus: [], ...phase };
  });
  return { notes: [], ...value, phases } as unknown as RunResult;
}

function checkFields(value: Readonly<Record<string, unknown>>, fields: Fields, place: string): void {
  for (const [field, [expected, isRight]] of Object.entries(fields)) {
    if (!isRight(value[field])) throw malformedResult(place, `${field}: expected ${expected}`);
  }
}
