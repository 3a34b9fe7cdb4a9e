import fc from 'fast-check';
import { RunList } from './run-list';

interface Item {
  readonly level: number;
  readonly gfn: number;
}

/** Takes a list apart, oldest first. */
function drain(list: RunList): Item[] {
  const items: Item[] = [];
  for (let oldest = list.oldest(); oldest !== undefined; oldest = list.oldest()) {
    items.push({ ...oldest });
    expect(list.cut(oldest.gfn, 1, oldest.level, oldest.level)).toBeGreaterThan(0);
  }
  return items;
}

describe('a run list', () => {
  it('keeps order and cuts ranges like a plain array: 500 sequences of 20 operations', () => {
    const append = fc.record({
      cut: fc.constant(false),
      level: fc.constantFrom(2, 3),
      at: fc.nat(40),
      count: fc.integer({ min: 1, max: 6 }),
      low: fc.nat(0),
    });
    const cut = fc.record({
      cut: fc.constant(true),
      level: fc.constantFrom(2, 3, 4),
      at: fc.nat(40),
      count: fc.integer({ min: 1, max: 12 }),
      low: fc.constantFrom(0, 3),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 2, arbitrary: append }, { weight: 1, arbitrary: cut }), { maxLength: 20 }), operations => {
        const list = new RunList();
        let array: Item[] = [];
        for (const operation of operations) {
          const { level, count, low } = operation;
          const gfn = operation.at * 4;
          if (operation.cut) {
            const kept = array.filter(item => item.level > level || item.level < low || item.gfn < gfn || item.gfn >= gfn + count * 4);
            expect(list.cut(gfn, count * 4, level, low)).toBe(array.length - kept.length);
            array = kept;
          } else {
            list.append(level, gfn, 4, count);
            for (let i = 0; i < count; i++) array.push({ level, gfn: gfn + i * 4 });
          }
          expect(list.length).toBe(array.length);
          expect(list.oldest()).toEqual(array[0]);
        }
        const seen = new Set<string>();
        const distinct = array.filter(({ level, gfn }) => !seen.has(`${level}/${gfn}`) && seen.add(`${level}/${gfn}`));
        expect(drain(list)).toEqual(distinct);
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it('takes neighbours in as one run, however many', () => {
    const list = new RunList();
    for (let i = 0; i < 512; i++) list.append(2, i * 512, 512);
    expect(list.cut(512, 512 * 510, 2)).toBe(510);
    expect(drain(list)).toEqual([
      { level: 2, gfn: 0 },
      { level: 2, gfn: 511 * 512 },
    ]);
  });
});
