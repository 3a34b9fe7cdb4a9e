/**
 * The scheduler's randomness: durations vary by an eighth either way, by the seed of the run. Hot path.
 *
 * The generator is splitmix32 (a Weyl sequence and a mixing function), which has no bad seeds.
 */
const WEYL = 0x9e3779b9;

export class Jitter {
  private state: number;

  /** @param seed whole number from 0 to 2^32 − 1 */
  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** Starts again from a seed. */
  restart(seed: number): void {
    this.state = seed | 0;
  }

  /** A whole number from 0 to 2^32 − 1. */
  next(): number {
    this.state = (this.state + WEYL) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** A duration between 7/8 and 9/8 of `ps`, whole picoseconds. */
  around(ps: number): number {
    return Math.floor((ps * (896 + (this.next() >>> 24))) / 1024);
  }

  /** A duration from 0 to `ps`, whole picoseconds. */
  upTo(ps: number): number {
    return Math.floor((ps * this.next()) / 2 ** 32);
  }
}
