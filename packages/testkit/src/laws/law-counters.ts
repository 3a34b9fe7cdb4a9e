/**
 * Counters of one backend whose laws are tried: one vector per actor, whatever memslot is concerned, up to date whenever they are read.
 */
import type { BackendDefinition, Counters } from '@mmulab/api';

export class LawCounters implements Counters {
  now: Float64Array;
  private readonly vectors: Float64Array[] = [];
  private readonly indices: ReadonlyMap<string, number>;
  private readonly holders: (() => void)[] = [];

  constructor(private readonly definition: BackendDefinition) {
    this.indices = new Map(definition.events.map(({ name }, i) => [name, i]));
    this.now = this.vectorOf(-1);
  }

  select(actor: number): void {
    this.now = this.vectorOf(actor);
  }

  holdBack(flushCounts: () => void): void {
    this.holders.push(flushCounts);
  }

  /** What was counted of some events so far. @param actor a vCPU, -1 for the host; all together without one */
  of(names: readonly string[], actor?: number): number {
    for (const flushCounts of this.holders) flushCounts();
    const vectors = actor === undefined ? this.vectors : [this.vectorOf(actor)];
    return names.reduce((sum, name) => sum + vectors.reduce((inner, vector) => inner + (vector[this.indices.get(name) ?? -1] ?? 0), 0), 0);
  }

  private vectorOf(actor: number): Float64Array {
    return (this.vectors[actor + 1] ??= new Float64Array(this.definition.events.length));
  }
}
