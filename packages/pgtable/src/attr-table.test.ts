import { MmulabError } from '@mmulab/api';
import { AttrTable } from './attr-table';

describe('an attribute table', () => {
  it('gives equal bits equal ids, in order of first use from 1 on', () => {
    const attrs = new AttrTable();
    expect([7, 9, 7, 1024, 9].map(bits => attrs.intern(bits))).toEqual([1, 2, 1, 3, 2]);
    expect([attrs.bits[1], attrs.bits[2], attrs.bits[3], attrs.count]).toEqual([7, 9, 1024, 4]);
  });

  it('keeps what is special apart', () => {
    const attrs = new AttrTable();
    const [frozen, leaf] = [attrs.intern(512, true), attrs.intern(3)];
    expect([attrs.special[0], attrs.special[frozen], attrs.special[leaf]]).toEqual([0, 1, 0]);
  });

  it('holds 255 combinations and refuses the next', () => {
    const attrs = new AttrTable();
    for (let bits = 1; bits <= 255; bits++) expect(attrs.intern(bits)).toBe(bits);
    expect(attrs.intern(255)).toBe(255);
    expect(() => attrs.intern(256)).toThrow(MmulabError);
    expect(() => attrs.intern(256)).toThrow('ATTR_TABLE_FULL');
  });
});
