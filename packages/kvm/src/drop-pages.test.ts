import type { HostBacking, MemslotSpec } from '@mmulab/api';
import { Geometry, FrameTree } from '@mmulab/pgtable';
import { dropPages } from './drop-pages';

/** 0 none, 1 small, 2 huge, 3 small and gone. */
const backing = (over: Partial<HostBacking> = {}): HostBacking => ({
  name: 'huge',
  doc: '',
  pageLevel: 2,
  hugetlb: false,
  states: [],
  populated: 2,
  faults: [],
  dropped: { block: [0, 3, 0, 3], page: [0, 3, 3, 3], kept: [0, 1, 1, 3] },
  ...over,
});
const spec = (baseGfn: number, npages: number, of = backing()): MemslotSpec => {
  return { id: 1, baseGfn, npages, hvf: baseGfn, backing: of, readonly: false, populated: [] };
};
/** Tables of four entries. */
const geometry = new Geometry(4, 3);

function planeOf(states: readonly number[], baseGfn = 0): FrameTree {
  const frames = new FrameTree(geometry);
  states.forEach((state, i) => {
    frames.set(baseGfn + i, state);
  });
  return frames;
}

const read = (frames: FrameTree, npages: number, baseGfn = 0): string => Array.from({ length: npages }, (_, i) => frames.get(baseGfn + i)).join('');

describe('host memory that is dropped', () => {
  it('changes block by block, by what the first page was', () => {
    const frames = planeOf([2, 2, 2, 2, 1, 3, 1, 1, 0, 0, 0, 0, 3, 3, 3, 3]);
    expect(dropPages(frames, geometry, spec(0, 16), { start: 0, end: 16 })).toEqual([]);
    expect(read(frames, 16)).toBe('0000333300003333');
  });

  it('in part breaks up the huge pages at both ends and tells which', () => {
    const frames = planeOf([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    const broken = dropPages(frames, geometry, spec(0, 12), { start: 3, end: 9 });
    expect(broken).toEqual([
      { start: 0, end: 4 },
      { start: 8, end: 12 },
    ]);
    expect(read(frames, 12)).toBe('111300003111');
  });

  it('in the middle of a block breaks that one up once, and small pages not at all', () => {
    const frames = planeOf([2, 2, 2, 2, 1, 1, 1, 1]);
    expect(dropPages(frames, geometry, spec(0, 8), { start: 1, end: 3 })).toEqual([{ start: 0, end: 4 }]);
    expect(dropPages(frames, geometry, spec(0, 8), { start: 5, end: 6 })).toEqual([]);
    expect(read(frames, 8)).toBe('13311311');
  });

  it('stays inside the slot where its edges cut a block', () => {
    const frames = planeOf([2, 1, 1, 2, 2, 2, 2, 2]);
    expect(dropPages(frames, geometry, spec(1, 5), { start: 1, end: 6 })).toEqual([]);
    expect(read(frames, 8)).toBe('23333322');
  });

  it('goes by whole uniform stretches: 2^40 pages at once', () => {
    const large = new Geometry(512, 5);
    const frames = new FrameTree(large);
    frames.setRange(0, 2 ** 40, 1);
    dropPages(frames, large, spec(0, 2 ** 40), { start: 0, end: 2 ** 40 });
    expect(frames.isUniform(0, 2 ** 40, 3)).toBe(true);
  });

  it('is untouched again where the backing says nothing', () => {
    const frames = planeOf([1, 2, 3, 1]);
    const { dropped: _dropped, ...plain } = backing();
    expect(dropPages(frames, geometry, spec(0, 4, plain), { start: 1, end: 3 })).toEqual([]);
    expect(read(frames, 4)).toBe('1001');
  });
});
