import fc from 'fast-check';
import { LeafTables } from './leaf-table';

type Operation =
  | { readonly do: 'set'; readonly table: number; readonly index: number; readonly attr: number }
  | { readonly do: 'fill'; readonly table: number; readonly from: number; readonly to: number; readonly attr: number }
  | { readonly do: 'map'; readonly table: number; readonly from: number; readonly to: number }
  | { readonly do: 'intern' | 'copy' | 'drop'; readonly table: number }
  | { readonly do: 'table-attr'; readonly table: number; readonly attr: number };

/** Leaf tables beside plain arrays that hold the same. */
class Beside {
  readonly tables: LeafTables;
  readonly records: number[] = [];
  readonly arrays: number[][] = [];
  readonly attrs: number[] = [];

  constructor(private readonly entries: number) {
    this.tables = new LeafTables(entries);
    this.add(0);
  }

  perform(operation: Operation): void {
    const i = operation.table % this.records.length;
    switch (operation.do) {
      case 'set':
        return this.set(i, operation.index % this.entries, operation.attr);
      case 'fill':
        for (let at = operation.from % this.entries; at < Math.min(operation.to, this.entries); at++) this.set(i, at, operation.attr);
        return;
      case 'map': {
        const map = Uint8Array.from({ length: 256 }, (_, attr) => (attr === operation.from ? operation.to : attr));
        const record = this.own(i);
        this.arrays[i] = this.arrays[i].map(attr => map[attr]);
        expect(this.tables.mapAttrs(record, map)).toBe(this.isUniform(i));
        return;
      }
      case 'intern':
        this.records[i] = this.tables.intern(this.records[i]);
        return;
      case 'copy':
        this.tables.share(this.records[i]);
        this.records.push(this.records[i]);
        this.arrays.push([...this.arrays[i]]);
        this.attrs.push(this.attrs[i]);
        return;
      case 'drop':
        this.tables.release(this.records[i]);
        for (const list of [this.records, this.arrays, this.attrs]) list.splice(i, 1);
        if (this.records.length === 0) this.add(operation.table % 5);
        return;
      case 'table-attr':
        this.tables.setTableAttr(this.own(i), operation.attr);
        this.attrs[i] = operation.attr;
    }
  }

  check(): void {
    this.records.forEach((record, i) => {
      const array = this.arrays[i];
      expect(array.every((attr, index) => this.tables.get(record, index) === attr)).toBe(true);
      expect(this.tables.uniformAttr(record)).toBe(this.isUniform(i) ? array[0] : -1);
      expect(this.tables.countNonEmpty(record)).toBe(array.filter(attr => attr !== 0).length);
      expect(this.tables.tableAttr(record)).toBe(this.attrs[i]);
      const counts = new Int32Array(256);
      this.tables.histogram(record, counts);
      expect([0, 1, 2, 3, 255].map(attr => counts[attr])).toEqual([0, 1, 2, 3, 255].map(attr => array.filter(one => one === attr).length));
    });
  }

  private set(i: number, index: number, attr: number): void {
    const record = this.own(i);
    this.arrays[i][index] = attr;
    expect(this.tables.set(record, index, attr)).toBe(this.isUniform(i));
  }

  private own(i: number): number {
    this.records[i] = this.tables.own(this.records[i]);
    return this.records[i];
  }

  private isUniform(i: number): boolean {
    return this.arrays[i].every(attr => attr === this.arrays[i][0]);
  }

  private add(attr: number): void {
    this.records.push(this.tables.alloc(attr, 0));
    this.arrays.push(Array.from({ length: this.entries }, () => attr));
    this.attrs.push(0);
  }
}

const table = fc.nat(5);
const attr = fc.constantFrom(0, 1, 2, 3, 255);
const operation: fc.Arbitrary<Operation> = fc.noBias(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), table, index: fc.nat(511), attr }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('fill' as const), table, from: fc.nat(511), to: fc.constantFrom(4, 64, 512), attr }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('map' as const), table, from: attr, to: attr }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('intern' as const, 'copy' as const, 'drop' as const), table }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('table-attr' as const), table, attr: fc.nat(15) }) },
  ),
);

describe('leaf tables', () => {
  it.each([
    [4, 150],
    [512, 40],
  ])('of %d entries hold what plain arrays hold, over %d sequences of 30 operations', (entries, runs) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 30, maxLength: 30 }), operations => {
        const beside = new Beside(entries);
        for (const one of operations) {
          beside.perform(one);
          beside.check();
        }
      }),
      { numRuns: runs, seed: 7 },
    );
  });

  it('count attributes, two of them or more', () => {
    const tables = new LeafTables(512);
    const record = tables.alloc(1, 0);
    for (let i = 0; i < 100; i++) tables.set(record, i, 2);
    const counts = new Int32Array(256);
    tables.histogram(record, counts);
    expect([counts[1], counts[2]]).toEqual([412, 100]);
    tables.set(record, 511, 9);
    counts.fill(0);
    tables.histogram(record, counts);
    expect([counts[1], counts[2], counts[9]]).toEqual([411, 100, 1]);
  });

  it('of equal content become one record, whichever attribute came first', () => {
    const tables = new LeafTables(512);
    const one = tables.alloc(1, 3);
    for (let i = 0; i < 512; i += 20) tables.set(one, i, 2);
    const other = tables.alloc(2, 3);
    for (let i = 0; i < 512; i++) if (i % 20 !== 0) tables.set(other, i, 1);
    expect(tables.intern(one)).toBe(tables.intern(other));
  });

  it('that differ in their table attribute alone stay two', () => {
    const tables = new LeafTables(512);
    expect(tables.intern(tables.alloc(1, 3))).not.toBe(tables.intern(tables.alloc(1, 2)));
  });

  it('are copied before a shared one is written', () => {
    const tables = new LeafTables(4);
    const record = tables.alloc(1, 0);
    tables.share(record);
    const mine = tables.own(record);
    tables.set(mine, 2, 7);
    expect([tables.get(record, 2), tables.get(mine, 2)]).toEqual([1, 7]);
  });

  it('are recycled: a thousand in turn take no more than one', () => {
    const tables = new LeafTables(512);
    const before = tables.bytes;
    for (let i = 0; i < 1000; i++) {
      const record = tables.alloc(i % 200, 0);
      for (let index = 0; index < 8; index++) tables.set(record, index, index);
      tables.release(record);
    }
    expect(tables.bytes).toBe(before);
  });
});

describe('a table whose entry is locked for a moment', () => {
  it('is one of two attributes again once the entry takes one of them, and is not after another entry was written', () => {
    const tables = new LeafTables(512);
    const record = tables.alloc(0, 0);
    const isPlain = (): boolean => tables.firstAttr(record) >= 0;
    for (const index of [3, 5]) tables.set(record, index, 1);
    tables.set(record, 7, 9);
    const locked = isPlain();
    tables.set(record, 7, 1);
    expect([locked, isPlain(), tables.firstAttr(record), tables.secondAttr(record), tables.countNonEmpty(record)]).toEqual([false, true, 0, 1, 3]);
    tables.set(record, 8, 9);
    tables.set(record, 9, 1);
    tables.set(record, 8, 1);
    expect([isPlain(), tables.countNonEmpty(record), tables.get(record, 9), tables.get(record, 10)]).toEqual([false, 5, 1, 0]);
  });
});

describe('an entry with a third attribute', () => {
  const read = (tables: LeafTables, record: number): number[] => Array.from({ length: 64 }, (_, i) => tables.get(record, i));
  const expected = Array.from({ length: 64 }, (_, i) => (i === 5 ? 3 : i % 2 === 0 ? 1 : 2));

  function alternating(tables: LeafTables): number {
    const record = tables.alloc(1, 0);
    for (let i = 1; i < 64; i += 2) tables.set(record, i, 2);
    tables.set(record, 5, 3);
    return record;
  }

  it('is read, counted, copied, shared and compared as if each entry had a byte', () => {
    const tables = new LeafTables(64);
    const record = alternating(tables);
    expect(read(tables, record)).toEqual(expected);
    expect([tables.uniformAttr(record), tables.countNonEmpty(record)]).toEqual([-1, 64]);
    const counts = new Int32Array(256);
    tables.histogram(record, counts);
    expect([...counts.subarray(0, 4)]).toEqual([0, 32, 31, 1]);
    const other = new LeafTables(64);
    expect(read(other, other.copyOf(tables, record))).toEqual(expected);
    tables.share(record);
    const own = tables.own(record);
    expect([own === record, read(tables, own)]).toEqual([false, expected]);
    expect(tables.intern(alternating(tables))).toBe(tables.intern(own));
  });

  it('that takes one of the two others leaves a table of two; a second one, or a map, one of bytes', () => {
    const tables = new LeafTables(64);
    const passed = alternating(tables);
    tables.set(passed, 5, 2);
    expect([tables.firstAttr(passed), tables.secondAttr(passed), tables.get(passed, 5)]).toEqual([1, 2, 2]);
    const second = alternating(tables);
    tables.set(second, 8, 4);
    expect(read(tables, second)).toEqual(expected.map((attr, i) => (i === 8 ? 4 : attr)));
    const mapped = alternating(tables);
    tables.mapAttrs(
      mapped,
      Uint8Array.from({ length: 256 }, (_, attr) => attr + 10),
    );
    expect(read(tables, mapped)).toEqual(expected.map(attr => attr + 10));
  });
});
