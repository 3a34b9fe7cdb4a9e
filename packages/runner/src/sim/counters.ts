/**
 * The counters of one run: one vector per actor (a vCPU, or the host) and scope (a memslot, or none in particular), made when first selected.
 * Vectors are never reset; a phase is the difference to what they held when it began. Hot path.
 */
import type { CounterValues, Counters, EventDef } from '@mmulab/api';
import { CounterValuePool } from './counter-values';
import { GuestWork, type GuestSum } from './guest-work';

/** Actor number of the host. */
export const HOST_ACTOR = -1;

/** What one phase counted. Vectors are indexed like the backend's events; gauges hold the value at its end. */
export interface PhaseCounts {
  readonly all: Float64Array;
  readonly vcpus: readonly Float64Array[];
  /** By memslot id, only of slots that a scope was selected for. */
  readonly slots: ReadonlyMap<number, Float64Array>;
  /** What guest programs did. */
  readonly guest: GuestSum;
}

/** A vector and what it held at some moment. */
export interface CounterSnapshot {
  readonly vector: Float64Array;
  readonly values: Float64Array;
}

/** Vectors of one scope by actor + 1, and what they held when the phase began. */
class Scope {
  readonly vectors: (Float64Array | undefined)[] = [];
  readonly bases: (Float64Array | undefined)[] = [];
  /** By actor + 1, 1 for what was selected at some time of the phase: nothing else has counted. */
  readonly touched: number[] = [];

  constructor(private readonly nevents: number) {}

  add(actor: number): Float64Array {
    const vector = new Float64Array(this.nevents);
    this.vectors[actor + 1] = vector;
    this.bases[actor + 1] = new Float64Array(this.nevents);
    this.touched[actor + 1] = 1;
    return vector;
  }
}

export class RunCounters implements Counters {
  now: Float64Array;
  /** Counted beside what backends count. */
  readonly guestWork: GuestWork;
  private readonly unscoped: Scope;
  /** The scope and actor of `now`. */
  private scope: Scope;
  private actor = HOST_ACTOR;
  /** What a memslot counts in a phase that does not touch it; what the one before counted, which most often is the same; and the sum under way. */
  private readonly nothing: Float64Array;
  private lastOfSlot: Float64Array;
  private readonly sum: Float64Array;
  /** Gauges stand at their values in phases that do not touch them, too. */
  private readonly hasGauges: boolean;
  /** Events that start anew in every phase. */
  private readonly folds: readonly number[];
  private readonly slots = new Map<number, Scope>();
  private readonly flushers: (() => void)[] = [];
  private readonly pool: CounterValuePool;

  /**
   * @param events of the backend, by counter index
   * @param vcpus number of vCPUs that results are given for
   */
  constructor(
    private readonly events: readonly EventDef[],
    private readonly vcpus: number,
  ) {
    this.guestWork = new GuestWork(events);
    this.unscoped = new Scope(events.length);
    this.pool = new CounterValuePool(events.map(event => event.name));
    this.now = this.unscoped.add(HOST_ACTOR);
    this.scope = this.unscoped;
    this.nothing = this.emptyVector();
    this.lastOfSlot = this.nothing;
    this.sum = this.emptyVector();
    this.hasGauges = events.some(event => event.gauge);
    this.folds = events.flatMap(({ fold }, i) => (fold === undefined ? [] : [i]));
  }

  select(actor: number, slot = 0): void {
    // Backends select whom the scheduler has selected already.
    if (slot === 0 && actor === this.actor && this.scope === this.unscoped) return;
    const scope = slot === 0 ? this.unscoped : this.slotScope(slot);
    this.scope = scope;
    this.actor = actor;
    scope.touched[actor + 1] = 1;
    this.now = scope.vectors[actor + 1] ?? scope.add(actor);
  }

  holdBack(flushCounts: () => void): void {
    this.flushers.push(flushCounts);
  }

  /** Ends a phase. What is counted from now on belongs to the next. */
  endPhase(): PhaseCounts {
    this.flushCounts();
    const all = this.emptyVector();
    const vcpus = Array.from({ length: this.vcpus }, () => this.emptyVector());
    const slots = new Map<number, Float64Array>();
    this.endScope(this.unscoped, all, vcpus, undefined);
    for (const [slot, scope] of this.slots) slots.set(slot, this.endSlot(scope, all, vcpus));
    this.scope.touched[this.actor + 1] = 1;
    return { all, vcpus, slots, guest: this.guestWork.endPhase(all, vcpus) };
  }

  /** A vector as a result shows it: every event by name, zero included. The vector must not change any more. */
  toValues(vector: Float64Array): CounterValues {
    return this.pool.values(vector);
  }

  /** What an actor has counted of one event so far, in all scopes; what is held back is not in it. */
  countOf(actor: number, index: number): number {
    let count = this.unscoped.vectors[actor + 1]?.[index] ?? 0;
    for (const scope of this.slots.values()) count += scope.vectors[actor + 1]?.[index] ?? 0;
    return count;
  }

  /** What all actors have counted so far, together; gauges stand at their present values. */
  total(): Float64Array {
    const total = this.emptyVector();
    for (const { values } of this.snapshot()) for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (values[i] ?? 0);
    return total;
  }

  /** A vector of zeros. */
  emptyVector(): Float64Array {
    return new Float64Array(this.events.length);
  }

  /** What all actors have counted so far. */
  snapshot(): readonly CounterSnapshot[] {
    this.flushCounts();
    return this.scopes().flatMap(scope => scope.vectors.flatMap(vector => (vector === undefined ? [] : [{ vector, values: vector.slice() }])));
  }

  /** Counts `times` times over what was counted between two snapshots. */
  repeat(from: readonly CounterSnapshot[], to: readonly CounterSnapshot[], times: number): void {
    for (const { vector, values } of to) {
      const before = from.find(snapshot => snapshot.vector === vector)?.values;
      for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] ?? 0) + ((values[i] ?? 0) - (before?.[i] ?? 0)) * times;
    }
  }

  /** Adds a later phase to running totals: gauges are replaced. */
  accumulate(totals: Float64Array, phase: Float64Array): void {
    this.events.forEach((event, i) => {
      const value = phase[i] ?? 0;
      totals[i] = event.fold === undefined ? (event.gauge ? 0 : (totals[i] ?? 0)) + value : folded(event.fold, totals[i] ?? 0, value);
    });
  }

  /** All vectors there are, but the host's of no scope, everything counted in them. */
  recorded(): readonly Float64Array[] {
    this.flushCounts();
    return [this.unscoped, ...this.slots.values()].flatMap(scope =>
      scope.vectors.flatMap((vector, index) => (vector === undefined || (scope === this.unscoped && index === 0) ? [] : [vector])),
    );
  }

  /** Adds what was held back: before vectors are read. Whoever was selected is so afterwards. */
  private flushCounts(): void {
    const { now, scope, actor } = this;
    for (const flushCounts of this.flushers) flushCounts();
    this.now = now;
    this.scope = scope;
    this.actor = actor;
  }

  private scopes(): readonly Scope[] {
    return [this.unscoped, ...this.slots.values()];
  }

  private slotScope(slot: number): Scope {
    let scope = this.slots.get(slot);
    if (scope === undefined) {
      scope = new Scope(this.events.length);
      this.slots.set(slot, scope);
    }
    return scope;
  }

  /** @returns what a memslot's scope counted; it must not be changed */
  private endSlot(scope: Scope, all: Float64Array, vcpus: readonly Float64Array[]): Float64Array {
    if (!this.hasGauges && !scope.touched.includes(1)) return this.nothing;
    const { sum, lastOfSlot } = this;
    sum.fill(0);
    this.endScope(scope, all, vcpus, sum);
    if (!sum.every((value, i) => value === lastOfSlot[i])) this.lastOfSlot = sum.slice();
    return this.lastOfSlot;
  }

  private endScope(scope: Scope, all: Float64Array, vcpus: readonly Float64Array[], ofSlot: Float64Array | undefined): void {
    const { vectors, bases, touched } = scope;
    vectors.forEach((vector, index) => {
      const base = bases[index];
      if (vector === undefined || base === undefined || (touched[index] === 0 && !this.hasGauges)) return;
      this.addPhase(vector, base, [all, vcpus[index - 1], ofSlot]);
      for (const i of this.folds) vector[i] = 0;
      base.set(vector);
      touched[index] = 0;
    });
  }

  private addPhase(vector: Float64Array, base: Float64Array, sums: readonly (Float64Array | undefined)[]): void {
    for (let i = 0; i < vector.length; i++) {
      const value = (vector[i] ?? 0) - (this.events[i]?.gauge === true ? 0 : (base[i] ?? 0));
      if (value === 0) continue;
      const fold = this.events[i]?.fold;
      for (const sum of sums) if (sum !== undefined) sum[i] = fold === undefined ? (sum[i] ?? 0) + value : folded(fold, sum[i] ?? 0, value);
    }
  }
}

/** One value of two; 0 is none. */
function folded(fold: 'min' | 'max', a: number, b: number): number {
  return fold === 'min' && a !== 0 && b !== 0 ? Math.min(a, b) : Math.max(a, b);
}
