import fc from 'fast-check';
import { DESCRIPTOR_ENTRIES, PteLists } from './pte-list';
import { Rmap } from './rmap';

describe('lists of shadow entries', () => {
  it('hold what was added and not removed, whatever the order', () => {
    const step = fc.record({ list: fc.integer({ min: 0, max: 2 }), value: fc.integer({ min: 0, max: 39 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const lists = new PteLists();
        const heads = [0, 0, 0];
        const model = [new Set<number>(), new Set<number>(), new Set<number>()];
        for (const { list, value } of steps) {
          const set = model[list];
          const head = heads[list] ?? 0;
          heads[list] = set.has(value) ? lists.remove(head, value) : lists.add(head, value);
          if (!set.delete(value)) set.add(value);
          const entries: number[] = [];
          expect(lists.collect(heads[list] ?? 0, entries)).toBe(set.size);
          expect(entries.sort((a, b) => a - b)).toEqual([...set].sort((a, b) => a - b));
          expect(lists.count(heads[list] ?? 0)).toBe(set.size);
        }
      }),
    );
  });

  it('take a descriptor for the second entry, and another for each fourteen more', () => {
    const lists = new PteLists();
    let head = 0;
    const taken = [];
    for (let i = 0; i < 2 * DESCRIPTOR_ENTRIES + 1; i++) {
      head = lists.add(head, i);
      taken.push(lists.taken);
    }
    expect([taken[0], taken[1], taken[13], taken[14], taken[27], taken[28]]).toEqual([0, 1, 1, 2, 2, 3]);
  });

  it('give descriptors back', () => {
    const lists = new PteLists();
    for (let round = 0; round < 1000; round++) {
      let head = 0;
      for (let i = 0; i < 40; i++) head = lists.add(head, i);
      for (let i = 0; i < 40; i++) head = lists.remove(head, i);
      expect(head).toBe(0);
    }
  });
});

describe('the reverse map', () => {
  it('finds the next mapped block of a level, over gaps, up to the top of a 52-bit space', () => {
    const rmap = new Rmap(new PteLists());
    const top = 2 ** 40 - 512;
    rmap.add(5, 1, 7);
    rmap.add(top, 2, 9);
    expect(rmap.next(0, 2 ** 40, 1)).toBe(5);
    expect(rmap.next(6, 4096, 1)).toBe(-1);
    expect(rmap.next(top + 3, 2 ** 40, 2)).toBe(top + 3);
    rmap.remove(5, 1, 7);
    expect(rmap.next(0, 512, 1)).toBe(-1);
  });
});
