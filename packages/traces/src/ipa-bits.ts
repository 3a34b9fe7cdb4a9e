/**
 * Width of guest physical addresses on arm64, from what a trace shows: the level at which walks start, and the highest address.
 *
 * Models: Linux arch/arm64/include/asm/stage2_pgtable.h stage2_pgtable_levels().
 */

const DEFAULT_BITS = 40;
const WIDTHS = [DEFAULT_BITS, 48, 36, 34, 32, 42, 44, 46, 52];

/** @param startLevel arm64 numbering, 3 when no walk was seen; @param topAddress highest address touched */
export function ipaBits(startLevel: number, topAddress: number, pageBytes: number): number {
  const wide = (bits: number): boolean => topAddress < 2 ** bits;
  const starts = (bits: number): number => 4 - Math.max(2, Math.floor((bits - 8) / (Math.log2(pageBytes) - 3)));
  const fits = WIDTHS.filter(wide);
  return (startLevel === 3 ? undefined : fits.find(bits => starts(bits) === startLevel)) ?? fits[0] ?? DEFAULT_BITS;
}
