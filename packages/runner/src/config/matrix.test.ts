import { codeOf, toyRegistry } from '../fixtures/registry';
import { readMatrix, type Matrix } from './matrix';
import { readAxisValues } from './ranges';
import { SeededOrder } from './sample';
import type { RawConfig } from './types';
import { openMatrix, resolveRuns } from './validate';

const registry = toyRegistry();
const workload = 'toy_test';
const matrix = (config: RawConfig): Matrix => readMatrix({ workload, ...config }, registry);
const list = (values: readonly unknown[] | string): unknown[] => {
  const axis = readAxisValues(values, 'vary.x');
  return Array.from({ length: axis.length }, (_, i) => axis.at(i));
};
const settings = (config: RawConfig): unknown[] => {
  const { size, varied, positions } = matrix(config);
  return Array.from({ length: size }, (_, run) => varied(positions(run)));
};

describe('values along an axis', () => {
  it.each<[readonly unknown[] | string, unknown[]]>([
    ['1..5', [1, 2, 3, 4, 5]],
    ['0..100 by 25', [0, 25, 50, 75, 100]],
    ['1..7 by 3', [1, 4, 7]],
    ['1..8 by 3', [1, 4, 7]],
    ['-1..1 by 0.5', [-1, -0.5, 0, 0.5, 1]],
    ['0..0.3 by 0.1', [0, 0.1, 0.2, 0.3]],
    ['1..16 by doubling', [1, 2, 4, 8, 16]],
    ['3..100 by doubling', [3, 6, 12, 24, 48, 96]],
    ['4K..1M by x4', ['4K', '16K', '64K', '256K', '1M']],
    ['1M..3M by 1M', ['1M', '2M', '3M']],
    ['7..7', [7]],
    [
      ['Y', 'N'],
      ['Y', 'N'],
    ],
    [
      [1, '2..6 by 2', 99],
      [1, 2, 4, 6, 99],
    ],
  ])('%j are %j', (values, expected) => {
    expect(list(values)).toEqual(expected);
  });

  it('are 10 powers of two from 1 to 512', () => {
    expect(list('1..512 by doubling')).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
  });

  it.each(['5..1', '1..', 'a..b', '1..4 by 0', '1..4 by -1', '0..8 by doubling', '1..8 by x1', '1..4 by two', 'Y'])('%s is no range', text => {
    expect(codeOf(() => readAxisValues(text, 'vary.x'))).toBe('CONFIG_RANGE');
  });
});

describe('a matrix with ranges', () => {
  it('combines them with lists, and with what is zipped', () => {
    expect(settings({ vary: { vcpus: '1..4 by doubling' }, zip: { bytes: '4K..8K by doubling', cmo: ['abort', 'walker'] } })).toEqual([
      { vcpus: 1, bytes: '4K', cmo: 'abort' },
      { vcpus: 1, bytes: '8K', cmo: 'walker' },
      { vcpus: 2, bytes: '4K', cmo: 'abort' },
      { vcpus: 2, bytes: '8K', cmo: 'walker' },
      { vcpus: 4, bytes: '4K', cmo: 'abort' },
      { vcpus: 4, bytes: '8K', cmo: 'walker' },
    ]);
    expect(codeOf(() => matrix({ zip: { vcpus: '1..4', cmo: ['abort', 'walker'] } }))).toBe('CONFIG_ZIP_LENGTHS');
  });

  it('of 10^12 combinations is there at once, and its last run can be resolved', () => {
    const runs = openMatrix({ workload, vary: { seed: '1..1000000', 'backend.options.period': '0..999999' } }, registry);
    expect(runs.size).toBe(1e12);
    expect(runs.resolve(1e12 - 1)).toMatchObject({ seed: 1e6, backend: { options: { period: 999999 } } });
  });

  it('of more than 10000 runs is refused where all of them are prepared together', () => {
    expect(codeOf(() => resolveRuns({ workload, vary: { seed: '1..10001' } }, registry))).toBe('CONFIG_TOO_MANY_RUNS');
    expect(codeOf(() => matrix({ vary: { seed: '1..1000000000', ratio: '1..1000000000' } }))).toBe('CONFIG_TOO_MANY_RUNS');
  });
});

describe('a sample', () => {
  const vary = { seed: '0..99', vcpus: [1, 2, 3, 4] };
  const values = (config: RawConfig, key: string): number[] => settings(config).map(set => (set as Record<string, number>)[key] ?? NaN);
  const counts = (numbers: number[]): number[] => [...new Set(numbers)].map(value => numbers.filter(other => other === value).length);

  it('of a Latin hypercube takes each value of each axis equally often', () => {
    const config = { vary, sample: { method: 'lhs', n: 200 } };
    expect(counts(values(config, 'seed'))).toEqual(Array(100).fill(2));
    expect(counts(values(config, 'vcpus'))).toEqual([50, 50, 50, 50]);
  });

  it('of fewer runs than values takes one from each stratum', () => {
    const seeds = values({ vary, sample: { n: 10 } }, 'seed').sort((a, b) => a - b);
    expect(seeds.map(seed => Math.floor(seed / 10))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('at random takes no combination twice, and all of them when it is as large as the matrix', () => {
    const all = settings({ vary, sample: { method: 'random', n: 400 } }).map(set => JSON.stringify(set));
    expect(new Set(all).size).toBe(400);
  });

  it('is the same for the same seed and another for another', () => {
    const of = (seed: number): string => JSON.stringify(settings({ vary, seed, sample: { method: 'random', n: 20 } }));
    expect(of(7)).toBe(of(7));
    expect(of(7)).not.toBe(of(8));
  });

  it.each<[string, unknown, string]>([
    ['an unknown method', { method: 'lsh', n: 2 }, 'CONFIG_WRONG_TYPE'],
    ['no size', { method: 'lhs' }, 'CONFIG_MISSING'],
    ['more runs than combinations', { n: 401 }, 'CONFIG_OUT_OF_RANGE'],
    ['no runs', { n: 0 }, 'CONFIG_OUT_OF_RANGE'],
    ['an unknown key', { m: 3 }, 'CONFIG_UNKNOWN_KEY'],
  ])('with %s is refused', (_what, sample, code) => {
    expect(codeOf(() => matrix({ vary, sample } as RawConfig))).toBe(code);
  });
});

describe('a seeded order', () => {
  it.each([1, 2, 3, 64, 65, 1000])('of %d holds each number once', size => {
    const order = new SeededOrder(size, 1);
    const numbers = Array.from({ length: size }, (_, i) => order.at(i));
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
  });

  it('of 2^50 stays inside', () => {
    const order = new SeededOrder(2 ** 50, 3);
    for (let i = 0; i < 100; i++) expect(order.at(i * 1e12)).toBeLessThan(2 ** 50);
  });
});
