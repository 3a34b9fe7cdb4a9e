/**
 * Random numbers of the selftests: what a state becomes by one draw, and by many at once. Hot path.
 *
 * Models: Linux tools/testing/selftests/kvm/lib/test_util.c, guest_random_u32(), of 6.12.
 */

const MULTIPLIER = 48271;
/** 2^31 - 1, a prime. */
const MODULUS = 2147483647;
const TWO_31 = 2 ** 31;

/** The state after one draw, which is also the number drawn: state · 48271 mod 2^31 − 1. */
export function nextDraw(state: number): number {
  // 2^31 is 1 modulo 2^31 - 1: the two halves of the product just add up. All below 2^53.
  const product = state * MULTIPLIER;
  const high = Math.floor(product / TWO_31);
  const sum = high + (product - high * TWO_31);
  return sum >= MODULUS ? sum - MODULUS : sum;
}

/** The state after `draws` draws, in O(log draws). */
export function skipDraws(state: number, draws: number): number {
  let result = state;
  let factor = MULTIPLIER;
  for (let left = draws; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(result, factor);
    factor = multiply(factor, factor);
  }
  return result;
}

/** a · b mod 2^31 − 1 by two products below 2^53. */
function multiply(a: number, b: number): number {
  const high = Math.floor(b / 65536);
  return (((((a * high) % MODULUS) * 65536) % MODULUS) + ((a * (b % 65536)) % MODULUS)) % MODULUS;
}
