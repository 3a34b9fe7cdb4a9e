/**
 * Counts that hang on state which differs from block to block, such as how full a buffer is: they must not be part of what is remembered of a lifted block. So they are
 * kept apart, and added to the counters when somebody reads these.
 */
import type { Counters } from '@mmulab/api';

/** Held counts of one VM, by actor and memslot. */
export class HeldCounts {
  private readonly held: Float64Array[][] = [];

  /** @param events indices of the counters held back */
  constructor(
    private readonly counters: Counters,
    private readonly events: readonly number[],
  ) {
    counters.holdBack?.(() => this.release());
  }

  /** @param actor vCPU, or -1 for the host; `which` is the counter's place among those held back */
  add(actor: number, slot: number, which: number, amount: number): void {
    const vector = this.of(actor, slot);
    vector[which] += amount;
  }

  /** What is held for an actor and a memslot: to be changed at will. */
  of(actor: number, slot: number): Float64Array {
    return ((this.held[slot] ??= [])[actor + 1] ??= new Float64Array(this.events.length));
  }

  private release(): void {
    const { counters, events } = this;
    const { now } = counters;
    this.held.forEach((actors, slot) =>
      actors.forEach((vector, index) => {
        if (vector.every(value => value === 0)) return;
        counters.select(index - 1, slot);
        events.forEach((event, i) => (counters.now[event] += vector[i]));
        vector.fill(0);
      }),
    );
    counters.now = now;
  }
}
