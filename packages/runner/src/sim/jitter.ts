/**
 * The scheduler's randomness: one stream per vCPU, all of them from the seed of the run. Hot path.
 *
 * Durations have a long tail, as those of kernel code have (a missed cache, an interrupt): half of the nominal time is certain, the other half exponential. With durations
 * of narrow spread vCPUs would move in lock step, and whoever was first once would be first for ever. What one vCPU draws depends on no other's draws.
 *
 * The generator is splitmix32 (a Weyl sequence and a mixing function), which has no bad seeds.
 */
const WEYL = 0x9e3779b9;

/** Quantiles of the distribution: a draw takes one of them. Multiples of 1/1024, so that every machine has the same. */
const QUANTILES = 4096;
const QUANTILE_SHIFT = 20;
const SCALE = 1024;
/** The quantiles times 1024, in as little memory as may be: draws come from all over it. */
const factors = Uint16Array.from({ length: QUANTILES }, (_, i) => Math.round((SCALE / 2) * (1 - Math.log((i + 0.5) / QUANTILES))));
const INVERSE_SCALE = 1 / SCALE;

/** The mixing function. @returns a whole number from −2^31 to 2^31 − 1 */
function mixed(state: number): number {
  let z = state;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

/**
 * A seed for a part of a run.
 * @param seed of the whole
 * @param parts numbers that tell the part from others: whole, from 0 to 2^53 − 1
 */
export function seedOf(seed: number, ...parts: readonly number[]): number {
  return parts.reduce((from, part) => mixed(mixed((from + WEYL) ^ Math.floor(part / 2 ** 32)) ^ part), seed | 0);
}

/** The state of a stream after the next draw. */
export function drawn(state: number): number {
  return (state + WEYL) | 0;
}

/** The duration that a stream's last draw means: at least `ps` / 2 and `ps` in the mean, whole picoseconds. @param state of the stream after the draw */
export function durationOf(state: number, ps: number): number {
  return Math.floor(ps * (factors[mixed(state) >>> QUANTILE_SHIFT] * INVERSE_SCALE));
}

export class Jitter {
  private readonly states: Int32Array;

  /**
   * @param seed whole number from 0 to 2^32 − 1
   * @param vcpus number of streams
   */
  constructor(seed: number, vcpus: number) {
    this.states = new Int32Array(vcpus);
    this.restart(seed);
  }

  /** Starts all streams again from a seed. */
  restart(seed: number): void {
    const { states } = this;
    for (let vcpu = 0; vcpu < states.length; vcpu++) states[vcpu] = seedOf(seed, vcpu);
  }

  /** A vCPU's next number: whole, from 0 to 2^32 − 1. */
  next(vcpu: number): number {
    const state = drawn(this.states[vcpu]);
    this.states[vcpu] = state;
    return mixed(state) >>> 0;
  }

  /** Where a vCPU's stream stands. */
  stateOf(vcpu: number): number {
    return this.states[vcpu];
  }

  /** A vCPU's stream stands there from now on. */
  setState(vcpu: number, state: number): void {
    this.states[vcpu] = state;
  }

  /** Takes a vCPU's stream back by so many draws. */
  takeBack(vcpu: number, draws: number): void {
    this.states[vcpu] = (this.states[vcpu] - Math.imul(draws, WEYL)) | 0;
  }

  /** See `durationOf`: with the next draw. */
  duration(vcpu: number, ps: number): number {
    const state = drawn(this.states[vcpu]);
    this.states[vcpu] = state;
    return durationOf(state, ps);
  }

  /** A duration from 0 to `ps`, whole picoseconds. */
  upTo(vcpu: number, ps: number): number {
    return Math.floor((ps * this.next(vcpu)) / 2 ** 32);
  }
}
