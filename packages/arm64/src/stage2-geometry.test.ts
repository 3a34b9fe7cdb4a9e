import { archLevel, leafBytes, stage2Shape } from './stage2-geometry';

/** Start level, pages of the start level and smallest memory cache by address width, as the reference tabulates them. */
const TABLE: readonly (readonly [bits: number, granule: number, start: number, pages: number, cache: number])[] = [
  [32, 4096, 2, 4, 1],
  [34, 4096, 2, 16, 1],
  [36, 4096, 1, 1, 2],
  [40, 4096, 1, 2, 2],
  [42, 4096, 1, 8, 2],
  [43, 4096, 1, 16, 2],
  [44, 4096, 0, 1, 3],
  [48, 4096, 0, 1, 3],
  [52, 4096, 0, 16, 3],
  [32, 16384, 2, 1, 1],
  [36, 16384, 2, 1, 1],
  [40, 16384, 2, 16, 1],
  [42, 16384, 1, 1, 2],
  [44, 16384, 1, 1, 2],
  [48, 16384, 1, 2, 2],
  [52, 16384, 0, 1, 3],
  [40, 65536, 2, 1, 1],
  [43, 65536, 2, 2, 1],
  [44, 65536, 2, 4, 1],
  [48, 65536, 1, 1, 2],
  [52, 65536, 1, 1, 2],
];

const withCode = (code: string): Error => expect.objectContaining({ code }) as Error;

describe('the shape of stage-2 tables', () => {
  it.each(TABLE)('%i bits, granule %i: starts at level %i with %i pages, caches of %i', (bits, granule, start, pages, cache) => {
    const shape = stage2Shape(granule, bits);
    expect([shape.startLevel, shape.geometry.rootTables, shape.minCachePages]).toEqual([start, pages, cache]);
    expect(shape.geometry.limit).toBeGreaterThanOrEqual(2 ** bits / granule);
  });

  it('has blocks of 2 MiB and 1 GiB, 32 MiB, 512 MiB', () => {
    expect([2, 3].map(level => leafBytes(4096, level))).toEqual([2 ** 21, 2 ** 30]);
    expect([leafBytes(16384, 2), leafBytes(65536, 2)]).toEqual([2 ** 25, 2 ** 29]);
    expect([4096, 16384, 65536].map(granule => stage2Shape(granule, 40).maxLeafLevel)).toEqual([3, 2, 2]);
  });

  it('numbers levels as the architecture does, pages 3', () => {
    expect([1, 2, 3, 4].map(archLevel)).toEqual([3, 2, 1, 0]);
  });

  it('refuses granules and widths there are not', () => {
    expect(() => stage2Shape(8192, 40)).toThrow(withCode('STAGE2_GRANULE'));
    for (const bits of [31, 53, 40.5, NaN]) expect(() => stage2Shape(4096, bits)).toThrow(withCode('HOST_IPA_BITS'));
    expect(() => stage2Shape(4096, 52, 48, 'the limit without LPA2')).toThrow(/LPA2/);
  });
});
