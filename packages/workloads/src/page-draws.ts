/**
 * Random pages of tests that draw them in the host, from a seed: the multiplicative generator of Lehmer, modulo 2^31 - 1. Any place in the sequence is reached at once.
 */

const MULTIPLIER = 48271n;
const MODULUS = 2147483647n;

/** Whole numbers from 1 to 2^31 - 2. */
export class PageDraws {
  private state: number;

  /** @param skipped draws that lie before the first */
  constructor(seed: number, skipped = 0) {
    this.state = Number((BigInt(seed) * power(MULTIPLIER, skipped)) % MODULUS);
  }

  next(): number {
    // Below 2^47: exact.
    this.state = (this.state * Number(MULTIPLIER)) % Number(MODULUS);
    return this.state;
  }
}

function power(base: bigint, exponent: number): bigint {
  let [result, factor] = [1n, base];
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = (result * factor) % MODULUS;
    factor = (factor * factor) % MODULUS;
  }
  return result;
}
