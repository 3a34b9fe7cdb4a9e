/**
 * Which scheduler a run has.
 */
import type { Counters } from '@mmulab/api';
import type { ResolvedRun } from '../config/types';
import type { Generators } from './generator';
import type { Interleaver, ScheduledBackend } from './program-interleaver';
import { Scheduler } from './scheduler';
import { SlicedScheduler } from './sliced-scheduler';
import { isSliced } from './vcpu-scheduling';

/** What an interleaver drives. */
export interface InterleaverParts {
  readonly backend: ScheduledBackend;
  readonly counters: Counters;
  readonly generators: Generators;
  readonly vcpus: number;
}

/** The interleaver of a run. */
export function interleaver({ backend, counters, generators, vcpus }: InterleaverParts, { host, seed }: ResolvedRun): Interleaver {
  const Kind = isSliced(host) ? SlicedScheduler : Scheduler;
  return new Kind(backend, counters, generators, seed, vcpus);
}
