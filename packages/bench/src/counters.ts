/**
 * Counters of a bench: one vector per actor, as a run has them. Hot path.
 */
import type { Counters, EventDef } from '@mmulab/api';

/** Counts by event name; events that did not happen are left out. */
export type Counts = Readonly<Record<string, number>>;

/** One vector per vCPU and one for the host. */
export class BenchCounters implements Counters {
  now: Float64Array;
  private readonly vectors: readonly Float64Array[];
  private readonly flushers: (() => void)[] = [];

  constructor(
    private readonly events: readonly EventDef[],
    vcpus: number,
  ) {
    this.vectors = Array.from({ length: vcpus + 1 }, () => new Float64Array(events.length));
    this.now = this.vectors[0];
  }

  select(actor: number): void {
    this.now = this.vectors[actor + 1];
  }

  holdBack(flushCounts: () => void): void {
    this.flushers.push(flushCounts);
  }

  /** Sums over all actors. */
  sum(): Float64Array {
    for (const flushCounts of this.flushers) flushCounts();
    const sums = new Float64Array(this.events.length);
    for (const vector of this.vectors) for (let i = 0; i < sums.length; i++) sums[i] = sums[i] + vector[i];
    return sums;
  }

  /** What was counted since `before` was summed. Counters of work are left out: the baseline counts what comes of it alone. */
  since(before: Float64Array): Counts {
    const now = this.sum();
    const counts: Record<string, number> = {};
    this.events.forEach(({ name, group }, i) => {
      const amount = now[i] - before[i];
      if (amount !== 0 && group === undefined) counts[name] = amount;
    });
    return counts;
  }
}
