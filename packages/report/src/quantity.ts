/**
 * How numbers are written for readers: thousands set apart, times with a fitting unit, ratios in words.
 */

/** A count with its thousands set apart by commas: 262144 becomes `262,144`. */
export function formatCount(count: number): string {
  const [whole = '', fraction] = String(count).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/**
 * What became of a count, in words: `512x fewer`, `2.5x more`, `3.1 % more`, `same`; `none left` when nothing remains of something and
 * `from none` when there was nothing before.
 */
export function formatRatio(before: number, after: number): string {
  return ratioWords(before, after, 'fewer', 'more');
}

/** What became of a time, in words: `25.9x faster`, `1.4 % slower`, `same`. */
export function formatSpeed(beforeNs: number, afterNs: number): string {
  return ratioWords(beforeNs, afterNs, 'faster', 'slower');
}

function ratioWords(before: number, after: number, lessWord: string, moreWord: string): string {
  if (before === after) return 'same';
  if (after === 0) return 'none left';
  if (before === 0) return 'from none';
  const word = after < before ? lessWord : moreWord;
  const ratio = Math.max(before, after) / Math.min(before, after);
  return ratio < 1.1 ? `${significant(percentOff(before, after))} % ${word}` : `${significant(ratio)}x ${word}`;
}

function percentOff(before: number, after: number): number {
  return (Math.abs(after - before) / before) * 100;
}

/** Three digits while they carry something: 511.99 → `512`, 25.93 → `25.9`, 2.5 → `2.5`, 0.00004 → `0.00004`. */
function significant(value: number): string {
  if (value >= 100) return formatCount(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

const TIME_UNITS = [
  ['s', 1e9],
  ['ms', 1e6],
  ['us', 1e3],
  ['ns', 1],
] as const;

/** A time with the unit that keeps it between 1 and 1000 and four digits: 296204596 becomes `296.2 ms`. */
export function formatTime(timeNs: number): string {
  for (const [unit, factorNs] of TIME_UNITS) {
    if (timeNs >= factorNs) return `${Number((timeNs / factorNs).toPrecision(4))} ${unit}`;
  }
  return `${timeNs} ns`;
}

/** A time as the selftests print it: seconds with nine decimals. 296204596 becomes `0.296204596s`. */
export function formatSelftestTime(timeNs: number): string {
  return `${(timeNs / 1e9).toFixed(9)}s`;
}

const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A byte count with a binary unit and three digits: 8409088 becomes `8.02 MiB`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${significant(value)} ${BYTE_UNITS[unit] ?? 'bytes'}`;
}
