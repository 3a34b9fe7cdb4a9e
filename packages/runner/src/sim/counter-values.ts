/**
 * Counter vectors as results show them, equal ones once: a run of 1,000 iterations mostly counts the same thing over and over.
 */
import type { CounterValues } from '@mmulab/api';

interface Known {
  readonly vector: Float64Array;
  readonly values: CounterValues;
}

/** FNV-1a, over 32 bits at a time. */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class CounterValuePool {
  /** Vectors by their hash; those of one hash in a list. */
  private readonly known = new Map<number, Known[]>();
  /** What was asked for last: phases ask for the vector of nothing again and again. */
  private last: Known | undefined;
  /**
   * All counters without a value. Copies of it have their fields in the order and the compact form of a literal. Were they numbers, V8 would take them for constants, and
   * unlearn that field by field, with a look at all others for each.
   */
  private readonly template: Readonly<Record<string, unknown>>;

  /** @param names of the counters, by index */
  constructor(private readonly names: readonly string[]) {
    this.template = JSON.parse(`{${names.map(name => `${JSON.stringify(name)}:null`).join(',')}}`) as Readonly<Record<string, unknown>>;
  }

  /** A vector as a result shows it: every event by name, zero included. Equal vectors give the same object; the vector is kept and must not change. */
  values(vector: Float64Array): CounterValues {
    if (vector === this.last?.vector) return this.last.values;
    this.last = { vector, values: this.find(vector) };
    return this.last.values;
  }

  private find(vector: Float64Array): CounterValues {
    const hash = hashOf(vector);
    const alike = this.known.get(hash);
    const found = alike?.find(known => known.vector.every((value, i) => value === vector[i]));
    if (found !== undefined) return found.values;
    const values = { ...this.template } as Record<string, number>;
    this.names.forEach((name, i) => (values[name] = vector[i] ?? 0));
    if (alike === undefined) this.known.set(hash, [{ vector, values }]);
    else alike.push({ vector, values });
    return values;
  }
}

function hashOf(vector: Float64Array): number {
  const words = new Uint32Array(vector.buffer, vector.byteOffset, vector.length * 2);
  let hash = FNV_OFFSET;
  for (const word of words) hash = Math.imul(hash ^ word, FNV_PRIME);
  // The last bits of small whole numbers are zero.
  return (hash ^ (hash >>> 15)) >>> 0;
}
