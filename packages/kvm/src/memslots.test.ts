import type { Counters, HostBacking } from '@mmulab/api';
import { Geometry, tableEngines } from '@mmulab/pgtable';
import { Memslots } from './memslots';

const backing = (name: string): HostBacking => ({ name, doc: '', pageLevel: 1, hugetlb: false, states: [], populated: 0, faults: [] });

describe('memslots', () => {
  it('are alike where the same memory lies behind them and rights are the same: 16,384 may be one kind', () => {
    const counters: Counters = { now: new Float64Array(2), select: () => undefined };
    const slots = new Memslots({
      engines: tableEngines,
      geometry: new Geometry(512, 4),
      counters,
      maxLeafLevel: 3,
      markPageDirty: 0,
      dirtyBitmapSet: 1,
    });
    const [one, other] = [backing('one'), backing('other')];
    const add = (id: number, behind: HostBacking, readonly = false): number =>
      slots.add({ id, baseGfn: id * 16, npages: 16, hvf: id * 16, backing: behind, readonly, populated: [] }, false, 2 ** 30).likeness;
    const [first, same, only, another] = [add(0, one), add(1, one), add(2, one, true), add(3, other)];
    expect([same, new Set([first, only, another]).size]).toEqual([first, 3]);
  });
});
