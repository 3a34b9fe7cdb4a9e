/**
 * Numbers as readers see them.
 */
import { formatBytes, formatCount, formatRatio, formatSelftestTime, formatSpeed, formatTime } from './quantity';

describe('counts', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [262144, '262,144'],
    [3221225472, '3,221,225,472'],
    [-4096, '-4,096'],
    [0.5, '0.5'],
  ])('%d is written %s', (count, text) => {
    expect(formatCount(count)).toBe(text);
  });
});

describe('ratios', () => {
  it.each([
    [262144, 512, '512x fewer'],
    [523776, 1025, '511x fewer'],
    [2, 5, '2.5x more'],
    [1000, 969, '3.1 % fewer'],
    [1000, 1031, '3.1 % more'],
    [7, 7, 'same'],
    [0, 0, 'same'],
    [8, 0, 'none left'],
    [0, 8, 'from none'],
    [1, 4000000, '4,000,000x more'],
  ])('%d → %d is %s', (before, after, words) => {
    expect(formatRatio(before, after)).toBe(words);
  });

  it('calls a shorter time faster and a longer one slower', () => {
    expect(formatSpeed(2_899_670_885, 111_965_688)).toBe('25.9x faster');
    expect(formatSpeed(100, 250)).toBe('2.5x slower');
  });
});

describe('times and sizes', () => {
  it.each([
    [296_204_596, '296.2 ms'],
    [2_748_378_795, '2.748 s'],
    [910, '910 ns'],
    [1250, '1.25 us'],
    [0, '0 ns'],
  ])('%d ns is %s', (timeNs, text) => {
    expect(formatTime(timeNs)).toBe(text);
  });

  it('prints seconds with nine decimals as the selftests do', () => {
    expect(formatSelftestTime(296_204_596)).toBe('0.296204596s');
  });

  it.each([
    [512, '512 bytes'],
    [8409088, '8.02 MiB'],
    [2 ** 40 * 12, '12 TiB'],
    [2 ** 40 * 5000, '5,000 TiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
