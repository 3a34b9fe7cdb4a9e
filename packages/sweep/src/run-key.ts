/**
 * What a run is, whoever asks for it: the same name for equal runs.
 *
 * The key of a run is the hash of its resolved config and of the identity of the packages that make it. How a sweep calls the run, which value of its matrix
 * it is and what thresholds it has to meet make no difference to the counts, so they are no part of it: two sweeps that come upon the same run share it.
 */
import { resolvedConfig, type ResolvedRun } from '@mmulab/runner';
import { createHash } from 'node:crypto';
import { fingerprintOf, type Identity } from './identity';

const KEY_DIGITS = 40;

/** A key as it stands in file names: 40 hexadecimal digits. */
export const KEY_PATTERN = /^[0-9a-f]{40}$/;

/** Names runs. */
export class RunKeys {
  private readonly fingerprint: string;

  /** @param perVcpu whether the counters of every vCPU are kept: such results are others */
  constructor(
    identity: Identity,
    private readonly perVcpu: boolean,
  ) {
    this.fingerprint = fingerprintOf(identity);
  }

  /** The key of a run. */
  of(run: ResolvedRun): string {
    return this.ofConfig(resolvedConfig(run));
  }

  /** The key of the run a resolved config means. */
  ofConfig(config: Readonly<Record<string, unknown>>): string {
    const { name: _name, plugins: _plugins, ...rest } = config;
    return createHash('sha256')
      .update(`${this.fingerprint}\n${this.perVcpu ? 'vcpus' : 'phases'}\n${canonicalJson(rest)}`)
      .digest('hex')
      .slice(0, KEY_DIGITS);
  }
}

/** A run without what its sweep calls it: the form in which it is performed and kept. */
export function plainRun(run: ResolvedRun): ResolvedRun {
  return { ...run, name: run.workload.name, variation: '', thresholds: [], notes: [] };
}

/** JSON in which the keys of maps are in order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (isPlainMap(part) ? sorted(part) : part));
}

function isPlainMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sorted(map: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
