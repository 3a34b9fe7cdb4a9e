/**
 * Phases that are made when they are asked for: some first ones, a group for every iteration, some last ones. A test of 2^31 iterations is planned as fast as
 * one of two.
 */
import type { PhaseList, WorkloadPhase } from '@mmulab/api';

/** What a list of phases is made of. */
export interface PhaseParts {
  readonly first: readonly WorkloadPhase[];
  readonly iterations: number;
  /** Phases of each iteration, the same number in all. */
  readonly perIteration: number;
  /** The phases of an iteration, counted from 1. */
  iteration(k: number): readonly WorkloadPhase[];
  readonly last: readonly WorkloadPhase[];
}

export class LazyPhases implements PhaseList {
  readonly length: number;

  constructor(private readonly parts: PhaseParts) {
    const { first, iterations, perIteration, last } = parts;
    this.length = first.length + iterations * perIteration + last.length;
  }

  *[Symbol.iterator](): Iterator<WorkloadPhase> {
    const { first, iterations, last } = this.parts;
    yield* first;
    for (let k = 1; k <= iterations; k++) yield* this.parts.iteration(k);
    yield* last;
  }

  at(index: number): WorkloadPhase | undefined {
    const { first, iterations, perIteration, last } = this.parts;
    const place = index < 0 ? this.length + index : index;
    if (place < first.length) return first[place];
    const inner = place - first.length;
    if (inner >= iterations * perIteration) return last[inner - iterations * perIteration];
    return this.parts.iteration(Math.floor(inner / perIteration) + 1)[inner % perIteration];
  }

  map<T>(make: (phase: WorkloadPhase, index: number) => T): T[] {
    return Array.from(this, make);
  }

  find(isIt: (phase: WorkloadPhase) => boolean): WorkloadPhase | undefined {
    for (const phase of this) if (isIt(phase)) return phase;
    return undefined;
  }
}
