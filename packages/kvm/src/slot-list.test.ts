/**
 * Memslots by number and by frame, few and many.
 */
import type { MemslotSpec } from '@mmulab/api';
import { SlotList, type ListedSlot } from './slot-list';

function slot(id: number, baseGfn: number, npages: number): ListedSlot {
  return { spec: { id, baseGfn, npages } as MemslotSpec, end: baseGfn + npages };
}

describe('a list of memslots', () => {
  const list = new SlotList<ListedSlot>();
  for (const one of [slot(7, 100, 10), slot(0, 0, 50), slot(3, 50, 20)]) list.add(one);

  it('has them in order of their frames, and 80 frames in all', () => {
    expect(list.all.map(({ spec }) => spec.id)).toEqual([0, 3, 7]);
    expect(list.npages).toBe(80);
  });

  it.each([
    [0, 0],
    [49, 0],
    [50, 3],
    [69, 3],
    [70, undefined],
    [99, undefined],
    [100, 7],
    [109, 7],
    [110, undefined],
  ])('finds at frame %i slot %s', (gfn, id) => {
    expect(list.find(gfn)?.spec.id).toBe(id);
  });

  it.each([
    ['the number is taken', slot(7, 500, 1)],
    ['overlaps memslot 3', slot(9, 69, 1)],
    ['overlaps memslot 7', slot(9, 70, 31)],
    ['overlaps memslot 0', slot(9, 10, 1)],
    [undefined, slot(9, 70, 30)],
    [undefined, slot(9, 110, 1)],
  ])('says of what cannot be added: %s', (obstacle, { spec }) => {
    expect(list.obstacle(spec)).toBe(obstacle);
  });

  it('forgets what is removed', () => {
    const [first] = list.all;
    if (first !== undefined) list.remove(first);
    expect([list.find(0), list.get(0), list.get(3)?.spec.baseGfn, list.npages, list.all.length]).toEqual([undefined, undefined, 50, 30, 2]);
  });

  it('finds each of 32,764 by its first frame and its last', () => {
    const many = new SlotList<ListedSlot>();
    for (let id = 0; id < 32764; id++) many.add(slot(id, id * 4, 4));
    const lost = many.all.filter(({ spec: { id } }) => many.find(id * 4) !== many.get(id) || many.find(id * 4 + 3) !== many.get(id));
    expect(lost).toEqual([]);
  });
});
