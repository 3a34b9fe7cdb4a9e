import { AccessKind } from '@mmulab/api';
import { Pte, Stage2Attrs } from './descriptor';

describe('stage-2 descriptors', () => {
  const attrs = new Stage2Attrs();
  const word = (attr: number, level: number, pfn: number, shift = 12, fwb = false, lpa2 = false): string =>
    attrs.descriptor(attr, level, pfn, shift, fwb, lpa2);

  it('of a writable page: valid, page, Normal, S2AP, inner shareable, AF, XN', () => {
    expect(word(attrs.leaf(true, false, false), 1, 0x12345)).toBe('0x00400000123457ff');
  });

  it('of a block: bit 1 is 0; executable: XN is 0; read-only: S2AP_W is 0', () => {
    expect(word(attrs.leaf(true, true, false), 2, 0x40000)).toBe('0x00000000400007fd');
    expect(word(attrs.leaf(false, true, false), 3, 0x40000)).toBe('0x000000004000077d');
  });

  it('of Normal memory with FWB: MEMATTR 6; of a device: 1', () => {
    expect(word(attrs.leaf(true, true, false), 1, 0, 12, true)).toBe('0x00000000000007db');
    expect(word(attrs.leaf(true, false, true), 1, 0)).toBe('0x00400000000007c7');
  });

  it('hold address bits 51:48 in 15:12 with 64 KiB pages, 51:50 in SH with LPA2', () => {
    expect(word(attrs.leaf(false, true, false), 1, 2 ** 34, 16)).toBe('0x000000000000477f');
    expect(word(attrs.leaf(false, true, false), 1, 2 ** 38, 12, false, true)).toBe('0x000000000000057f');
  });

  it('of an empty and of a locked entry', () => {
    expect(word(0, 1, 0)).toBe('0x0000000000000000');
    expect(word(attrs.locked, 1, 0)).toBe('0x0000000000000400');
    expect(attrs.table.special[attrs.locked]).toBe(1);
  });

  it('rights are added and taken back without touching the rest', () => {
    const page = attrs.leaf(false, false, false);
    const relaxed = attrs.relaxed(page, true, true);
    expect([AccessKind.Read, AccessKind.Write, AccessKind.Exec].map(kind => attrs.allows(relaxed, kind))).toEqual([true, true, true]);
    expect(attrs.writeProtected(relaxed)).toBe(attrs.relaxed(page, false, true));
    expect(attrs.accessed(attrs.aged(relaxed))).toBe(relaxed);
    expect(attrs.isYoung(attrs.aged(relaxed))).toBe(false);
    expect(attrs.bits(attrs.leaf(true, false, true)) & Pte.Device).not.toBe(0);
  });
});
