import fc from 'fast-check';
import { BlockCache } from './block-cache';
import type { BlockResult } from './block-cache';

const entry = (id: number): BlockResult => ({
  words: Int32Array.of(id),
  events: new Int32Array(0),
  amounts: new Float64Array(0),
  effects: undefined,
});

describe('a block cache', () => {
  it('answers like a map over 100 sequences of 300 stores and look-ups', () => {
    const key = fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.nat(2));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.boolean()), { minLength: 300, maxLength: 300 }), steps => {
        const blocks = new BlockCache(3);
        const map = new Map<string, BlockResult>();
        steps.forEach(([numbers, stores], id) => {
          const words = Int32Array.from(numbers);
          if (stores) {
            map.set(numbers.join(), entry(id));
            blocks.set(words, map.get(numbers.join()) as BlockResult);
          }
          expect(blocks.get(words)).toBe(map.get(numbers.join()));
          expect(blocks.size).toBe(map.size);
        });
      }),
      { numRuns: 100, seed: 7 },
    );
  });

  it('does not hold on to the key it was given', () => {
    const blocks = new BlockCache(1);
    const key = Int32Array.of(5);
    blocks.set(key, entry(1));
    key[0] = 6;
    expect([blocks.get(Int32Array.of(5))?.words[0], blocks.get(key)]).toEqual([1, undefined]);
  });

  it('gives everything back when it is drained, once', () => {
    const blocks = new BlockCache(2);
    for (let i = 0; i < 1000; i++) blocks.set(Int32Array.of(i, -i), entry(i));
    const seen: number[] = [];
    blocks.drain((key, value) => {
      expect([...key]).toEqual([value.words[0], -value.words[0]].map(number => number | 0));
      seen.push(key[0]);
    });
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect([blocks.size, blocks.get(Int32Array.of(1, -1))]).toEqual([0, undefined]);
  });
});
