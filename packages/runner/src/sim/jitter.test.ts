import { Jitter, seedOf } from './jitter';

const DRAWS = 100_000;
const drawn = (jitter: Jitter, vcpu: number, count = DRAWS): readonly number[] =>
  Array.from({ length: count }, () => jitter.duration(vcpu, 1_000_000));

describe('durations', () => {
  it('are never below half, the nominal one in the mean, and twice it or more in exp(-3) = 5 % of the cases', () => {
    const durations = drawn(new Jitter(1, 1), 0);
    expect(Math.min(...durations.slice(0, 1000))).toBeGreaterThanOrEqual(500_000);
    const mean = durations.reduce((sum, duration) => sum + duration, 0) / DRAWS;
    expect(Math.abs(mean / 1_000_000 - 1)).toBeLessThan(0.01);
    const long = durations.filter(duration => duration >= 2_000_000).length / DRAWS;
    expect(Math.abs(long - Math.exp(-3))).toBeLessThan(0.003);
  });

  it('of a vCPU hang on the seed and on nobody else: not on what others have drawn, nor on how many there are', () => {
    const alone = drawn(new Jitter(7, 1), 0, 100);
    const among = new Jitter(7, 3);
    drawn(among, 2, 55);
    expect(drawn(among, 0, 100)).toEqual(alone);
    expect(drawn(new Jitter(7, 3), 1, 100)).not.toEqual(alone);
    among.restart(8);
    expect(drawn(among, 0, 100)).not.toEqual(alone);
    among.restart(7);
    expect(drawn(among, 0, 100)).toEqual(alone);
  });

  it('spread evenly from 0 where nothing is certain', () => {
    const jitter = new Jitter(0, 1);
    const drawnUpTo = Array.from({ length: 1000 }, () => jitter.upTo(0, 10));
    expect(new Set(drawnUpTo)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  });
});

describe('seeds of parts of a run', () => {
  it('differ for 10,000 rounds of each of ten passes, and from seed to seed', () => {
    const seeds = [1, 2].flatMap(seed =>
      Array.from({ length: 10 }, (_, pass) => Array.from({ length: 1000 }, (_unused, i) => seedOf(seed, pass, i * 512))),
    );
    expect(new Set(seeds.flat()).size).toBe(20_000);
    expect(seedOf(1, 0, 2 ** 40)).not.toBe(seedOf(1, 0, 0));
  });
});
