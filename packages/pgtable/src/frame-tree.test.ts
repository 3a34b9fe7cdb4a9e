import fc from 'fast-check';
import { Geometry } from './geometry';
import { FrameTree } from './frame-tree';

describe('a frame map', () => {
  const value = fc.constantFrom(0, 1, 2, 255);
  const write = fc.record({ from: fc.nat(), npages: fc.integer({ min: 1, max: 600 }), value, other: fc.nat(9) });

  it.each([
    ['4 entries, 3 levels', new Geometry(4, 3), 0, 64, 200],
    ['4 entries, root of 4 tables, at its end', new Geometry(4, 3, 4), 192, 64, 100],
    ['512 entries', new Geometry(512, 4), 512 * 300, 2048, 25],
    ['512 entries at the end of 5 levels', new Geometry(512, 5), 2 ** 45 - 2048, 2048, 25],
    ['8192 entries at the end of 52 bits', new Geometry(8192, 4), 2 ** 52 - 10000, 10000, 6],
  ])('holds what an array holds: %s', (_name, geometry, start, npages, runs) => {
    fc.assert(
      fc.property(fc.array(write, { minLength: 12, maxLength: 12 }), writes => {
        const [frames, copy] = [new FrameTree(geometry), new FrameTree(geometry)];
        const array = new Array<number>(npages).fill(0);
        const copied = new Array<number>(npages).fill(0);
        for (const { from, npages: pages, value: one, other } of writes) {
          const first = from % npages;
          const count = Math.min(other === 0 ? npages : pages, npages - first);
          frames.setRange(start + first, count, one);
          array.fill(one, first, first + count);
          if (other < 3) {
            copy.copyRange(frames, start + first, count);
            copied.splice(first, count, ...array.slice(first, first + count));
          }
          const slice = array.slice(first, first + count);
          expect(frames.countNonZero(start + first, count)).toBe(slice.filter(v => v !== 0).length);
          expect(frames.isUniform(start + first, count, one)).toBe(true);
          const [low, high] = [Math.max(0, first - 3), Math.min(npages, first + count + 3)];
          expect(frames.isUniform(start + low, high - low, one)).toBe(array.slice(low, high).every(v => v === one));
          for (const at of [0, first, first + count - 1, first - 1, first + count, npages - 1]) {
            if (at >= 0 && at < npages) expect([frames.get(start + at), copy.get(start + at)]).toEqual([array[at], copied[at]]);
          }
        }
        const span = geometry.entries;
        for (let block = start - (start % span) + span; block + span <= start + npages; block += span) {
          const values = array.slice(block - start, block - start + span);
          expect(frames.uniformValue(2, block)).toBe(values.every(v => v === values[0]) ? values[0] : -1);
        }
      }),
      { numRuns: runs, seed: 7 },
    );
  });

  it('is 0 everywhere at first, at no cost', () => {
    const frames = new FrameTree(new Geometry(512, 5));
    expect([frames.get(2 ** 45 - 1), frames.isUniform(0, 2 ** 45, 0), frames.countNonZero(0, 2 ** 45)]).toEqual([0, true, 0]);
    frames.setRange(0, 2 ** 45, 3);
    expect([frames.get(2 ** 45 - 1), frames.countNonZero(0, 2 ** 45)]).toEqual([3, 2 ** 45]);
  });
});
