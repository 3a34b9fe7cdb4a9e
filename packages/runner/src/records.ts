/**
 * Reads record files (`mmulab.records.v1`) and checks that every record can be run here.
 */
import { basename } from 'node:path';
import { RECORDS_SCHEMA, suggestName, type KernelRecord, type RecordFile } from '@mmulab/api';
import { splitCommand } from './config/command-line';
import type { ResolvedRun } from './config/types';
import { resolveRuns } from './config/validate';
import {
  inPlace,
  recordArch,
  recordMalformed,
  recordSchema,
  recordShape,
  recordUnknownBackend,
  recordUnknownCounter,
  recordUnknownKey,
  recordUnknownWorkload,
} from './errors';
import { readTextFile } from './files';
import { parseJson } from './json';
import { isMap } from './plain-map';
import type { Registry } from './registry';

/** A record, and the run that repeats it. */
export interface RunnableRecord {
  readonly record: KernelRecord;
  /** File and id, for messages. */
  readonly place: string;
  readonly file: string;
  readonly run: ResolvedRun;
}

/**
 * Reads a record file.
 * @throws FILE_NOT_FOUND; RECORD_MALFORMED with line and column for broken or cut-off JSON; RECORD_SCHEMA; RECORD_SHAPE
 */
export function readRecordFile(path: string): RecordFile {
  const parsed = parseJson(readTextFile(path, 'a file of records in JSON'));
  if ('problem' in parsed) throw recordMalformed(path, parsed.line, parsed.column, parsed.problem);
  const file = parsed.value;
  if (!isMap(file) || file['schema'] !== RECORDS_SCHEMA) throw recordSchema(path, isMap(file) ? file['schema'] : file, RECORDS_SCHEMA);
  refuseOthers(file, FILE_KEYS, path);
  const records: unknown = file['records'];
  if (!Array.isArray(records)) throw recordShape(`${path}: records`, records, 'a list of records');
  records.forEach((record: unknown, i) => checkRecord(record, `${path}: records[${i}]`));
  return file as unknown as RecordFile;
}

/** What was recorded did happen: hugetlb memory that MADV_DONTNEED does not drop was taken away by mapping over it. */
const RECORDED_HOST = { hugetlb_dontneed: 'Y' };
/** Option of workloads that names the generation of the test, and what was recorded where it leaves that to kernel and flags. */
const SELFTEST = 'selftest';
const RECORDED_TESTS: Readonly<Record<string, string>> = { kernel: '6.1', 'until-6.1': '6.1', 'since-6.2': '6.12' };

/**
 * Resolves a record to a run.
 * @throws RECORD_UNKNOWN_BACKEND, RECORD_UNKNOWN_WORKLOAD, RECORD_UNKNOWN_COUNTER with the nearest name, RECORD_ARCH, and what is wrong with its options
 */
export function resolveRecord(record: KernelRecord, file: string, registry: Registry): RunnableRecord {
  const place = `${file}: ${record.id}`;
  const backends = registry.backends();
  const backend = backends.find(candidate => candidate.name === record.backend);
  const backendNames = backends.map(candidate => candidate.name);
  if (backend === undefined) throw recordUnknownBackend(place, record.backend, suggestName(record.backend, backendNames));
  if (record.arch !== backend.arch) throw recordArch(place, record.arch, backend.name, backend.arch);
  checkWorkload(record, place, registry);
  const counters = backend.events.map(event => event.name);
  for (const phase of record.phases) {
    for (const counter of [...Object.keys(phase.counters), ...Object.keys(phase.tolerance ?? {})]) {
      if (!counters.includes(counter)) {
        throw recordUnknownCounter(`${place}: ${phase.phase}`, counter, backend.name, suggestName(counter, counters));
      }
    }
  }
  const { arch: _arch, ...host } = record.host;
  const config = {
    name: record.id,
    backend: { name: record.backend, kernel: record.kernel, options: record.options },
    host: { ...RECORDED_HOST, ...host },
    workload: { command: record.command, options: record.workload_options },
  };
  const [run] = inPlace(place, () => resolveRuns(config, registry));
  if (run === undefined) throw recordShape(place, record.command, 'one run');
  return { record, place, file, run: asRecorded(run, record) };
}

/**
 * A run of the test that was recorded: where the record does not say, that of the 6.1 tree, or of the 6.12 tree where flags of newer tests are given. (The
 * kernel does not tell: one build of the tests ran on all kernels.)
 */
function asRecorded(run: ResolvedRun, record: KernelRecord): ResolvedRun {
  const { options } = run.workload;
  const generation = RECORDED_TESTS[String(options[SELFTEST])];
  if (generation === undefined || record.workload_options[SELFTEST] !== undefined) return run;
  return { ...run, workload: { ...run.workload, options: { ...options, [SELFTEST]: generation } } };
}

function checkWorkload(record: KernelRecord, place: string, registry: Registry): void {
  const name = basename(splitCommand(record.command)[0] ?? '');
  const names = registry.workloads().map(workload => workload.name);
  if (!names.includes(name)) throw recordUnknownWorkload(place, name, suggestName(name, names));
}

/** Fields a record must have, and how to tell. */
const recordFields: Readonly<Record<string, readonly [expected: string, isRight: (value: unknown) => boolean]>> = {
  id: ['a name', value => typeof value === 'string'],
  arch: ['an architecture', value => typeof value === 'string'],
  backend: ['the name of a backend', value => typeof value === 'string'],
  kernel: ['a kernel release', value => typeof value === 'string'],
  options: ['a map of options', isMap],
  host: ['a map of host options', isMap],
  command: ['a command line', value => typeof value === 'string'],
  workload_options: ['a map of options', isMap],
  exact: ['true or false', value => typeof value === 'boolean'],
  phases: ['a list of phases', Array.isArray],
};

const FILE_KEYS = ['schema', 'records'];
const RECORD_KEYS = [...Object.keys(recordFields), 'scope'];
const PHASE_KEYS = ['phase', 'counters', 'tolerance'];

/** A key nobody reads would be lost without a word: `tolerence` would make a judged value of a tolerated one. */
function refuseOthers(map: Readonly<Record<string, unknown>>, known: readonly string[], place: string): void {
  const other = Object.keys(map).find(key => !known.includes(key));
  if (other !== undefined) throw recordUnknownKey(place, other, suggestName(other, known));
}

function checkRecord(record: unknown, place: string): void {
  if (!isMap(record)) throw recordShape(place, record, 'a record');
  for (const [field, [expected, isRight]] of Object.entries(recordFields)) {
    if (!isRight(record[field])) throw recordShape(`${place}.${field}`, record[field], expected);
  }
  refuseOthers(record, RECORD_KEYS, place);
  if (record['scope'] !== undefined && typeof record['scope'] !== 'string')
    throw recordShape(`${place}.scope`, record['scope'], 'what is counted, in words');
  (record['phases'] as readonly unknown[]).forEach((phase, i) => checkPhase(phase, `${place}.phases[${i}]`));
}

function checkPhase(phase: unknown, place: string): void {
  if (!isMap(phase) || typeof phase['phase'] !== 'string') throw recordShape(place, phase, 'a phase with a name');
  refuseOthers(phase, PHASE_KEYS, place);
  for (const field of ['counters', 'tolerance']) {
    const values = phase[field] ?? (field === 'tolerance' ? {} : undefined);
    if (!isMap(values)) throw recordShape(`${place}.${field}`, values, 'a map of counters');
    for (const [counter, value] of Object.entries(values)) {
      const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
      if (!isCount) throw recordShape(`${place}.${field}.${counter}`, value, 'a whole number, 0 or more');
    }
  }
}
