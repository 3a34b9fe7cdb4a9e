import { MmulabError } from '@mmulab/api';
import { Geometry } from './geometry';

const codeOf = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    return error instanceof MmulabError ? error.code : String(error);
  }
  return 'nothing thrown';
};

describe('a geometry', () => {
  it('of 512 entries maps 1, 512, 512² pages per entry', () => {
    const geometry = new Geometry(512, 4);
    expect([1, 2, 3, 4].map(level => geometry.pagesAt(level))).toEqual([1, 512, 262144, 134217728]);
    expect([geometry.limit, geometry.bits, geometry.mask]).toEqual([2 ** 36, 9, 511]);
  });

  it.each([
    [4, 3, 1, 64],
    [4, 3, 4, 256],
    [512, 5, 1, 2 ** 45],
    [512, 5, 16, 2 ** 49],
    [2048, 4, 2, 2 ** 45],
    [8192, 4, 1, 2 ** 52],
  ])('of %d entries, %d levels and a root of %d tables ends at frame %d', (entries, levels, rootTables, limit) => {
    expect(new Geometry(entries, levels, rootTables).limit).toBe(limit);
  });

  it.each([4, 512, 2048, 8192])('of %d entries splits frame numbers without rounding up to its end', entries => {
    const { limit, split, inverseSplit } = new Geometry(entries, 4);
    for (const gfn of [0, split - 1, split, limit / 2 - 1, limit - split, limit - 1]) {
      const high = Math.floor(gfn * inverseSplit);
      expect(BigInt(high)).toBe(BigInt(gfn) / BigInt(split));
      expect(gfn - high * split).toBe(Number(BigInt(gfn) % BigInt(split)));
    }
  });

  it.each([
    ['GEOMETRY_ENTRIES', () => new Geometry(64, 3)],
    ['GEOMETRY_LEVELS', () => new Geometry(512, 1)],
    ['GEOMETRY_LEVELS', () => new Geometry(512, 6)],
    ['GEOMETRY_LEVELS', () => new Geometry(512, 3.5)],
    ['GEOMETRY_ROOT', () => new Geometry(512, 4, 0)],
    ['GEOMETRY_ROOT', () => new Geometry(512, 4, 17)],
    ['GEOMETRY_LIMIT', () => new Geometry(8192, 5)],
    ['GEOMETRY_LIMIT', () => new Geometry(8192, 4, 2)],
  ])('is refused with %s where it makes no sense', (code, make) => {
    expect(codeOf(make)).toBe(code);
  });
});
