import fc from 'fast-check';
import { NodeArena } from './node-arena';

/** Words of an arena's table. */
const words = (arena: NodeArena, table: number, entries: number): number[] => [...arena.words.subarray(table * entries, (table + 1) * entries)];

describe('a node arena', () => {
  it('knows at every store whether all entries are equal: 300 sequences of 60 stores into tables of 4', () => {
    const store = fc.record({ table: fc.nat(2), index: fc.nat(3), word: fc.constantFrom(0, 0, 5, 6) });
    fc.assert(
      fc.property(fc.array(store, { minLength: 60, maxLength: 60 }), stores => {
        const arena = new NodeArena(4);
        const tables = [0, 5, 6].map(word => arena.alloc(word, 1, 0, -1));
        const arrays = [0, 5, 6].map(word => [word, word, word, word]);
        for (const { table, index, word } of stores) {
          arrays[table][index] = word;
          expect(arena.set(tables[table] * 4 + index, word)).toBe(arrays[table].every(other => other === arrays[table][0]));
          expect(words(arena, tables[table], 4)).toEqual(arrays[table]);
          expect(arena.countNonEmpty(tables[table])).toBe(arrays[table].filter(other => other !== 0).length);
        }
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('grows by copying and keeps what it held: 100 tables of 512', () => {
    const arena = new NodeArena(512);
    const tables = Array.from({ length: 100 }, (_, i) => arena.alloc(i, 2, i % 16, i));
    tables.forEach((table, i) => {
      expect(words(arena, table, 512).every(word => word === i)).toBe(true);
      expect([arena.level[table], arena.tableAttr[table], arena.parent[table]]).toEqual([2, i % 16, i]);
    });
  });

  it('hands out a freed table again, cleared', () => {
    const arena = new NodeArena(4);
    const table = arena.alloc(9, 3, 2, 8);
    arena.set(table * 4, 1);
    arena.free(table);
    expect(arena.alloc(0, 1, 0, -1)).toBe(table);
    expect(words(arena, table, 4)).toEqual([0, 0, 0, 0]);
    expect([arena.differing[table], arena.tableAttr[table], arena.pins[table], arena.level[table]]).toEqual([0, 0, 0, 1]);
  });

  it('lays a wide root out in neighbouring tables', () => {
    const arena = new NodeArena(4);
    arena.free(arena.alloc(0, 1, 0, -1));
    const root = arena.allocRoot(16, 7, 3);
    expect([...arena.words.subarray(root * 4, (root + 16) * 4)]).toEqual(new Array(64).fill(7));
    expect(arena.alloc(0, 1, 0, -1)).toBe(0);
  });
});
