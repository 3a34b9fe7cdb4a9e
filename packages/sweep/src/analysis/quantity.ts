/**
 * What is looked at in a result: a counter of the whole run or of a phase, table memory, or a predicted time.
 */
import { suggestName, type RunResult } from '@mmulab/api';
import { analysisNoValue } from '../errors';

/** A number that results have. */
export interface Quantity {
  /** As the user named it. */
  readonly name: string;
  /** @returns undefined where a result has no such thing */
  of(result: RunResult): number | undefined;
}

const NO_MODEL = ' (no cost model was named)';
const IN_PHASE = /^phases\.([^.]+)\.(?:counters\.(.+)|(time))$/;

/**
 * Reads what to look at: `page_fault` or `totals.counters.page_fault`, `phases.dirty_1.counters.page_fault`, `memory.tableBytesReal`, `time` (ns, all phases that have one),
 * `phases.dirty_1.time`.
 */
export function readQuantity(name: string): Quantity {
  const [, phase, counter, time] = IN_PHASE.exec(name) ?? [];
  if (phase !== undefined) {
    const find = (result: RunResult): RunResult['phases'][number] | undefined => result.phases.find(one => one.phase === phase);
    return { name, of: result => (time === undefined ? find(result)?.counters[counter ?? ''] : find(result)?.time?.predictedNs) };
  }
  if (name === 'time') return { name, of: totalTime };
  if (name === 'memory.tableBytesReal') return { name, of: result => result.memory.tableBytesReal };
  const total = name.replace(/^totals\.counters\./, '');
  return { name, of: result => result.totals.counters[total] };
}

/** The error for a quantity that no result has, with the nearest one that there is. */
export function noValue({ name }: Quantity, { phases, totals }: RunResult): Error {
  const inPhase = IN_PHASE.exec(name);
  const names = Object.keys(totals.counters);
  if (name === 'time') return analysisNoValue(name, NO_MODEL);
  if (inPhase === null) return analysisNoValue(name, suggestName(name, names));
  const known = phases.map(phase => phase.phase);
  if (!known.includes(inPhase[1] ?? '')) return analysisNoValue(name, suggestName(inPhase[1] ?? '', known));
  return analysisNoValue(name, inPhase[3] === undefined ? suggestName(inPhase[2] ?? '', names) : NO_MODEL);
}

function totalTime({ phases }: RunResult): number | undefined {
  const times = phases.flatMap(phase => phase.time?.predictedNs ?? []);
  return times.length === 0 ? undefined : times.reduce((sum, time) => sum + time, 0);
}
