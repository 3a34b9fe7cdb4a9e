/**
 * The retry test of a fault against invalidations, in each order of the two.
 */
import { InvalidateSequence } from './mmu-notifier';

describe('a page resolved', () => {
  const sequence = (): { readonly invalidations: InvalidateSequence; readonly sampled: number } => {
    const invalidations = new InvalidateSequence();
    invalidations.begin();
    invalidations.end();
    return { invalidations, sampled: invalidations.ended };
  };

  it('with no invalidation since may be mapped', () => {
    const { invalidations, sampled } = sequence();
    expect(invalidations.mustRetry(sampled)).toBe(false);
  });

  it('before one that began and has not ended must not be mapped, though as many have ended as before', () => {
    const { invalidations, sampled } = sequence();
    invalidations.begin();
    expect([invalidations.ended, invalidations.mustRetry(sampled)]).toEqual([sampled, true]);
  });

  it('before one that began and ended must not be mapped, though none is in progress', () => {
    const { invalidations, sampled } = sequence();
    invalidations.begin();
    invalidations.end();
    expect([invalidations.inProgress, invalidations.mustRetry(sampled)]).toEqual([0, true]);
  });

  it('while two overlap must not be mapped until both have ended, and then only when resolved anew', () => {
    const { invalidations } = sequence();
    invalidations.begin();
    invalidations.begin();
    invalidations.end();
    const between = invalidations.ended;
    expect(invalidations.mustRetry(between)).toBe(true);
    invalidations.end();
    expect([invalidations.mustRetry(between), invalidations.mustRetry(invalidations.ended)]).toEqual([true, false]);
  });
});
