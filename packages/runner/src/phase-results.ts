/**
 * The phases of a run as its result shows them, made as the phases end: what a phase counted is kept by name, equal counts once.
 */
import { TOTAL_PHASE, type CounterValues, type PhaseResult } from '@mmulab/api';
import type { PhaseCounts, RunCounters } from './sim/counters';

export class PhaseResults {
  private readonly results: PhaseResult[] = [];
  private readonly total: Float64Array;
  /** Memslots that have counters of their own, with the first phase in which they had. */
  private readonly slotIds = new Set<number>();

  /** @param withVcpus whether phases have the counters of every vCPU */
  constructor(
    private readonly counters: RunCounters,
    private readonly withVcpus: boolean,
  ) {
    this.total = counters.emptyVector();
  }

  /** Adds a phase that has ended. */
  add(phase: string, { all, vcpus, slots }: PhaseCounts): void {
    const { counters } = this;
    counters.accumulate(this.total, all);
    for (const slot of slots.keys()) this.slotIds.add(slot);
    const bySlot = Object.fromEntries([...slots].map(([slot, vector]) => [String(slot), { counters: counters.toValues(vector) }]));
    this.results.push({
      phase,
      counters: counters.toValues(all),
      vcpus: this.withVcpus ? vcpus.map(vector => ({ counters: counters.toValues(vector) })) : [],
      ...(slots.size === 0 ? {} : { slots: bySlot }),
    });
  }

  /** All phases. Slots that have counters of their own anywhere have them in every phase. */
  phases(): readonly PhaseResult[] {
    const ids = [...this.slotIds].sort((a, b) => a - b);
    if (ids.length === 0) return this.results;
    const none = { counters: this.counters.toValues(this.counters.emptyVector()) };
    return this.results.map(result => {
      const slots = result.slots ?? {};
      if (ids.length === Object.keys(slots).length) return result;
      return { ...result, slots: Object.fromEntries(ids.map(id => [String(id), slots[id] ?? none])) };
    });
  }

  /** Counters of a phase that has ended, the last of that name; of all so far under `total`. */
  countersOf(phase: string): CounterValues | undefined {
    if (phase === TOTAL_PHASE) return this.totals();
    for (let at = this.results.length - 1; at >= 0; at--) if (this.results[at]?.phase === phase) return this.results[at]?.counters;
    return undefined;
  }

  /** What the whole run counted; gauges as they stand at its end. */
  totals(): CounterValues {
    return this.counters.toValues(this.total.slice());
  }
}
