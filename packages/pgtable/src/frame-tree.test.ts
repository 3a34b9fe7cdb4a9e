import fc from 'fast-check';
import { Geometry } from './geometry';
import { FrameTree } from './frame-tree';

/** Lets a map know the contents of its level-3 blocks of frames [start, start + npages). */
function keepContents({ tree, root, geometry }: FrameTree, start: number, npages: number): void {
  const span = geometry.pagesAt(3);
  for (let base = start - (start % span); base < start + npages; base += span) tree.canonicalWordAt(root, 3, base, true);
}

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
          // Blocks whose content is known are copied by it.
          if (other % 2 === 1) keepContents(frames, start, npages);
          if (other < 4) {
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

  it('copies 4 blocks of one content by that of the first, until something is stored in one of them', () => {
    const [frames, copy] = [new FrameTree(new Geometry(4, 4)), new FrameTree(new Geometry(4, 4))];
    const values = Array.from({ length: 64 }, (_, gfn) => (gfn % 3 === 0 || gfn % 16 === 5 ? 1 + (gfn % 16) : 0));
    values.forEach((_, gfn) => (values[gfn] = values[gfn % 16] ?? 0));
    values.forEach((value, gfn) => frames.set(gfn, value));
    const copied = (): number[] => {
      keepContents(frames, 0, 64);
      copy.copyRange(frames, 0, 64);
      return values.map((_, gfn) => copy.get(gfn));
    };
    expect(copied()).toEqual(values);
    expect([0, 16, 32, 48].map(gfn => frames.tree.knownContent(frames.tree.wordAt(frames.root, 3, gfn)) !== -1)).toEqual([true, true, true, true]);
    for (const gfn of [21, 0, 37]) {
      values[gfn] = 77;
      frames.set(gfn, 77);
      copy.copyRange(frames, 0, 64);
      expect(values.map((_, at) => copy.get(at))).toEqual(values);
    }
    expect(copied()).toEqual(values);
  });

  it('is 0 everywhere at first, at no cost', () => {
    const frames = new FrameTree(new Geometry(512, 5));
    expect([frames.get(2 ** 45 - 1), frames.isUniform(0, 2 ** 45, 0), frames.countNonZero(0, 2 ** 45)]).toEqual([0, true, 0]);
    frames.setRange(0, 2 ** 45, 3);
    expect([frames.get(2 ** 45 - 1), frames.countNonZero(0, 2 ** 45)]).toEqual([3, 2 ** 45]);
  });
});
