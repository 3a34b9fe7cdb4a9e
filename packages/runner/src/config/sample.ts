/**
 * Which combinations of a matrix are run when only some of them are wanted: `sample: { method: lhs, n: 1000 }`.
 *
 * `random` draws combinations, none of them twice. `lhs`, a Latin hypercube, cuts every axis into n strata and uses each of them once, so that each value of
 * an axis comes equally often whatever the other axes do. Both come from the config's seed, and both answer for one run at a time: nothing is kept per run.
 */

/** An order of 0 to size-1 that a seed decides: a Feistel network over the next power of 4, walked until it lands inside. */
export class SeededOrder {
  private readonly half: number;
  private readonly keys: readonly number[];

  /** @param size at most 2^52 */
  constructor(
    private readonly size: number,
    seed: number,
  ) {
    let bits = 1;
    while (4 ** bits < size) bits++;
    this.half = 2 ** bits;
    this.keys = Array.from({ length: ROUNDS }, (_, round) => mix(seed ^ Math.imul(round + 1, 0x9e3779b1)));
  }

  /** The number at a place of the order. */
  at(index: number): number {
    let value = index;
    do value = this.permute(value);
    while (value >= this.size);
    return value;
  }

  private permute(value: number): number {
    let left = Math.floor(value / this.half);
    let right = value % this.half;
    for (const key of this.keys) [left, right] = [right, ((left ^ mix(right ^ key)) >>> 0) % this.half];
    return left * this.half + right;
  }
}

const ROUNDS = 6;

/** Scatters the bits of a 32-bit integer (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let h = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Positions along the axes of each run of a sample. */
export type SamplePoints = (run: number) => readonly number[];

/**
 * Points drawn without repetition.
 * @param lengths of the axes; their product is at most 2^52
 */
export function randomPoints(lengths: readonly number[], seed: number): SamplePoints {
  const size = lengths.reduce((product, length) => product * length, 1);
  const order = new SeededOrder(size, seed);
  return run => positionsOf(order.at(run), lengths);
}

/** Points of a Latin hypercube. @param n how many there are */
export function latinPoints(lengths: readonly number[], n: number, seed: number): SamplePoints {
  const orders = lengths.map((_, axis) => new SeededOrder(n, mix(seed + Math.imul(axis + 1, 0x01000193))));
  // Inside a stratum that spans several values, one of them is drawn.
  const within = (axis: number, run: number): number => mix(mix(seed + axis) ^ run) / 2 ** 32;
  return run => lengths.map((length, axis) => Math.floor((((orders[axis]?.at(run) ?? 0) + within(axis, run)) * length) / n));
}

/** Positions along axes of a combination, by its number; the last axis changes fastest. */
export function positionsOf(index: number, lengths: readonly number[]): readonly number[] {
  const positions = new Array<number>(lengths.length);
  let rest = index;
  for (let axis = lengths.length - 1; axis >= 0; axis--) {
    const length = lengths[axis] ?? 1;
    positions[axis] = rest % length;
    rest = Math.floor(rest / length);
  }
  return positions;
}
