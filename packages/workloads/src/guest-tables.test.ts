import * as fc from 'fast-check';
import type { GuestRun } from '@mmulab/api';
import { walk } from './fixtures/naive-vm';
import { GuestTableBuilder } from './guest-tables';

const RIGHTS = { writable: true, user: false, executable: true, accessed: false, dirty: false };

/** Runs that do not overlap, in any order. */
const runs = fc.uniqueArray(fc.record({ place: fc.nat(4000), npages: fc.integer({ min: 1, max: 2000 }) }), {
  selector: ({ place }) => place,
  minLength: 1,
  maxLength: 12,
});

function build(list: readonly GuestRun[]): ReturnType<GuestTableBuilder['build']> {
  let next = 1;
  const builder = new GuestTableBuilder('test', 4, 0, count => (next += count) - count);
  for (const run of list) builder.map(run);
  return builder.build();
}

describe('guest tables built from any runs in any order', () => {
  it('translate every page through one table per level, all in frames of their own', () => {
    fc.assert(
      fc.property(runs, drawn => {
        const list = drawn.map(({ place, npages }, index) => ({ vfn: place * 100003, gfn: index * 100000, npages, level: 1, ...RIGHTS }));
        const tables = build(list);
        for (const { vfn, gfn, npages } of list) {
          for (const page of [0, Math.floor(npages / 2), npages - 1]) {
            const walked = walk(tables, vfn + page);
            expect(walked.gfn).toBe(gfn + page);
            expect(walked.tables).toHaveLength(4);
          }
        }
        const frames = tables.tables.flatMap(({ gfn, count }) => Array.from({ length: count }, (_, index) => gfn + index));
        expect(new Set(frames).size).toBe(frames.length);
        expect([...frames].sort((a, b) => a - b)).toEqual(frames.map((_, index) => index + 1));
      }),
      { numRuns: 50 },
    );
  });

  it('share tables: two runs in one 2 MiB need 3 tables, a third one 2 MiB on needs 1 more', () => {
    const run = (vfn: number): GuestRun => ({ vfn, gfn: vfn, npages: 2, level: 1, ...RIGHTS });
    expect(build([run(0), run(100)]).tables).toEqual([
      { level: 3, first: 0, count: 1, gfn: 1 },
      { level: 2, first: 0, count: 1, gfn: 2 },
      { level: 1, first: 0, count: 1, gfn: 3 },
    ]);
    expect(build([run(0), run(100), run(512)]).tables).toHaveLength(4);
  });

  it('fill in what is missing between tables that exist', () => {
    const run = (vfn: number, npages: number): GuestRun => ({ vfn, gfn: vfn, npages, level: 1, ...RIGHTS });
    const tables = build([run(1024, 1), run(0, 512), run(2048, 1), run(512, 1)]).tables.filter(({ level }) => level === 1);
    expect(tables.map(({ first, count, gfn }) => [first, count, gfn])).toEqual([
      [0, 1, 4],
      [1, 1, 6],
      [2, 1, 3],
      [4, 1, 5],
    ]);
  });

  it('have no level-1 tables below runs of 2 MiB entries', () => {
    const tables = build([{ vfn: 0, gfn: 0, npages: 1024, level: 2, ...RIGHTS }]);
    expect(tables.tables.map(({ level }) => level)).toEqual([3, 2]);
  });
});
