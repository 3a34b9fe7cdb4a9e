/**
 * Different pages of runs, against a set of them.
 */
import { PageSet } from './page-set';

type Run = readonly [vfn: number, count: number, stride: number];

function counted(runs: readonly Run[]): number {
  const set = new PageSet();
  for (const [vfn, count, stride] of runs) set.add(vfn, count, stride);
  return set.size;
}

describe('a set of pages', () => {
  it.each<{ readonly runs: readonly Run[]; readonly pages: number }>([
    { runs: [[0, 10, 1]], pages: 10 },
    {
      runs: [
        [0, 10, 1],
        [10, 5, 1],
        [3, 4, 1],
      ],
      pages: 15,
    },
    {
      runs: [
        [0, 10, 20],
        [0, 200, 1],
      ],
      pages: 200,
    },
    {
      runs: [
        [0, 200, 1],
        [5, 20, 20],
      ],
      pages: 210,
    },
    {
      runs: [
        [0, 10, 2],
        [1, 10, 2],
      ],
      pages: 20,
    },
    {
      runs: [
        [0, 10, 6],
        [0, 10, 4],
      ],
      pages: 16,
    },
    {
      runs: [
        [7, 1, 1],
        [7, 1, 512],
        [8, 1, 1],
      ],
      pages: 2,
    },
    {
      runs: [
        [0, 2 ** 30, 1],
        [2 ** 29, 2 ** 30, 1],
      ],
      pages: 1.5 * 2 ** 30,
    },
  ])('has $pages for $runs', ({ runs, pages }) => {
    expect(counted(runs)).toBe(pages);
  });

  it('has what a list of pages has, for 200 runs of any kind', () => {
    let state = 1;
    const draw = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let turn = 0; turn < 50; turn++) {
      const runs = Array.from({ length: 4 }, (): Run => [draw(40), 1 + draw(30), 1 + draw(4)]);
      const listed = new Set(runs.flatMap(([vfn, count, stride]) => Array.from({ length: count }, (_, i) => vfn + i * stride)));
      expect([runs, counted(runs)]).toEqual([runs, listed.size]);
    }
  });

  it('has what a list of pages has, for single pages here and there with runs over some of them', () => {
    let state = 1;
    const draw = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let turn = 0; turn < 50; turn++) {
      const runs = Array.from({ length: 30 }, (): Run => [draw(60), draw(5) === 0 ? 2 + draw(20) : 1, 1 + draw(3)]);
      const listed = new Set(runs.flatMap(([vfn, count, stride]) => Array.from({ length: count }, (_, i) => vfn + i * stride)));
      expect([runs, counted(runs)]).toEqual([runs, listed.size]);
    }
  });

  it('has what a list of pages has, for runs over several blocks with short ones between', () => {
    let state = 7;
    const draw = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let turn = 0; turn < 10; turn++) {
      const runs = Array.from({ length: 12 }, (): Run => [draw(9000), 1 + draw(draw(2) === 0 ? 9000 : 300), 1 + draw(3)]);
      const listed = new Set(runs.flatMap(([vfn, count, stride]) => Array.from({ length: count }, (_, i) => vfn + i * stride)));
      expect([runs, counted(runs)]).toEqual([runs, listed.size]);
    }
  });

  it('takes 20,000 short runs with a page before each without looking through all before', () => {
    expect(
      counted(
        Array.from({ length: 20_000 }, (_, i): Run[] => [
          [i * 512, 1, 1],
          [i * 512 + 256, 256, 1],
        ]).flat(),
      ),
    ).toBe(20_000 * 257);
  });

  it('takes 200,000 single pages in any order without looking through all before', () => {
    expect(counted(Array.from({ length: 200_000 }, (_, i): Run => [(i * 7919) % 1_000_003, 1, 1]))).toBe(200_000);
  });
});
