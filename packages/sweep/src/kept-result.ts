/**
 * Results as a sweep keeps them.
 *
 * A kept result is a `mmulab.result.v1` of which only that is left which follows from config and seed: what was measured (`wallMs`, `simulatorBytes`) is 0 and
 * goes into a journal of its own, the counters of the single vCPUs are left out unless they are asked for, and the run has no name but its workload's. So a run
 * has the same bytes wherever it was performed. A line of a sweep is such a result under the name the sweep gives it, with its place in the sweep in front.
 */
import { RESULT_SCHEMA, type RunResult } from '@mmulab/api';
import type { VariedValues, ResolvedRun } from '@mmulab/runner';
import type * as AjvModule from 'ajv';
import { malformedResult, problemOf } from './errors';

/** What is measured in a run. */
export interface Measured {
  readonly wallMs: number;
  /** Peak of the process that performed it. */
  readonly simulatorBytes: number;
}

/** Where a line of a sweep comes from: the run's number in the matrix, its key, and what `vary` and `zip` set. */
export interface SweepPlace {
  readonly run: number;
  readonly key: string;
  readonly settings: VariedValues;
}

/** A line of `results.ndjson`. */
export type SweepLine = { readonly sweep: SweepPlace } & RunResult;

/** Takes a fresh result apart. @returns its kept text, one line without its end, and what was measured */
export function keptText(result: RunResult, perVcpu: boolean): { readonly text: string; readonly measured: Measured } {
  const { wallMs, memory, phases } = result;
  const kept = {
    ...result,
    phases: perVcpu ? phases : phases.map(phase => ({ ...phase, vcpus: [] })),
    memory: { ...memory, simulatorBytes: 0 },
    wallMs: 0,
  };
  return { text: JSON.stringify(kept), measured: { wallMs, simulatorBytes: memory.simulatorBytes } };
}

/** The line of a run in a sweep, without its end. */
export function sweepLine(kept: RunResult, run: ResolvedRun, place: SweepPlace): string {
  const named: SweepLine = {
    sweep: place,
    ...kept,
    name: run.variation === '' ? run.name : `${run.name} (${run.variation})`,
    config: { ...kept.config, name: run.name },
    notes: [...run.notes, ...kept.notes],
  };
  return JSON.stringify(named);
}

const counters = { type: 'object', additionalProperties: { type: 'number' } };
const withCounters = { type: 'object', required: ['counters'], properties: { counters } };
const phase = {
  type: 'object',
  required: ['phase', 'counters', 'vcpus'],
  properties: {
    phase: { type: 'string' },
    counters,
    vcpus: { type: 'array', items: withCounters },
    slots: { type: 'object', additionalProperties: withCounters },
    time: { type: 'object', required: ['predictedNs', 'intervalNs'], properties: { predictedNs: { type: 'number' } } },
  },
};
const resultShape = {
  type: 'object',
  required: ['schema', 'name', 'config', 'seed', 'notes', 'phases', 'totals', 'memory', 'wallMs'],
  properties: {
    schema: { const: RESULT_SCHEMA },
    name: { type: 'string' },
    config: { type: 'object' },
    seed: { type: 'integer' },
    notes: { type: 'array', items: { type: 'string' } },
    phases: { type: 'array', minItems: 1, items: phase },
    totals: withCounters,
    memory: {
      type: 'object',
      required: ['tableBytesReal', 'simulatorBytes'],
      properties: { tableBytesReal: { type: 'number' }, simulatorBytes: { type: 'number' } },
    },
    wallMs: { type: 'number' },
  },
};

let validator: AjvModule.ValidateFunction<RunResult> | undefined;

/**
 * Reads the text of a result.
 * @param place where it comes from, for messages
 * @throws RESULT_MALFORMED when it is no JSON or not of the schema
 */
export function readKept(text: string, place: string): RunResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformedResult(place, problemOf(error));
  }
  return checkKept(value, place);
}

/** As `readKept`, of a value. */
export function checkKept(value: unknown, place: string): RunResult {
  validator ??= makeValidator();
  if (validator(value)) return value;
  const [error] = validator.errors ?? [];
  throw malformedResult(place, `${error?.instancePath.slice(1).replaceAll('/', '.') || 'the result'} ${error?.message ?? 'is wrong'}`);
}

/** Worker processes make results and check none: they load no validator. */
function makeValidator(): AjvModule.ValidateFunction<RunResult> {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
  const { Ajv } = require('ajv') as typeof AjvModule;
  return new Ajv({ meta: false, validateSchema: false }).compile<RunResult>(resultShape);
}
