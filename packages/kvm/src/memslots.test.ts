import type { Counters, HostBacking } from '@mmulab/api';
import { Geometry, tableEngines } from '@mmulab/pgtable';
import type { Memslot } from './memslot';
import { Memslots } from './memslots';

const backing = (name: string): HostBacking => ({ name, doc: '', pageLevel: 1, hugetlb: false, states: [], populated: 0, faults: [] });

/** Adds a memslot of 16 pages. */
function add(slots: Memslots, id: number, behind: HostBacking, readonly = false): Memslot {
  return slots.add({ id, baseGfn: id * 16, npages: 16, hvf: id * 16, backing: behind, readonly, populated: [] }, false, 2 ** 30);
}

function makeSlots(): Memslots {
  const counters: Counters = { now: new Float64Array(2), select: () => undefined };
  return new Memslots({ engines: tableEngines, geometry: new Geometry(512, 4), counters, maxLeafLevel: 3, markPageDirty: 0, dirtyBitmapSet: 1 });
}

describe('memslots', () => {
  it('are alike where the same memory lies behind them and rights are the same: 16,384 may be one kind', () => {
    const slots = makeSlots();
    const [one, other] = [backing('one'), backing('other')];
    const [first, same, only, another] = [add(slots, 0, one), add(slots, 1, one), add(slots, 2, one, true), add(slots, 3, other)];
    expect([same.likeness, new Set([first.likeness, only.likeness, another.likeness]).size]).toEqual([first.likeness, 3]);
  });

  it('alike let equal blocks be remembered once where their pages are small and go to bitmaps', () => {
    const slots = makeSlots();
    const [small, large] = [backing('small'), { ...backing('large'), edgeFaults: [] }];
    const texts = (from: number, behind: HostBacking): number =>
      new Set([add(slots, from, behind), add(slots, from + 1, behind)].map(slot => slots.likenessOf(slot))).size;
    expect([texts(0, small), texts(2, large)]).toEqual([1, 2]);
    slots.rings = { push: () => undefined, log: () => undefined, act: () => undefined, roomFor: () => 0 };
    expect(texts(4, small)).toBe(2);
  });
});
