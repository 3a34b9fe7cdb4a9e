import { simulateBeside, type BesideRequest } from './simulation';

const REQUEST: BesideRequest = {
  ...{ vcpus: 8, pages: 4096, accessNs: 12, faultNs: 900, holdNs: 200, isShared: true, refaultShare: 1, seed: 1 },
  host: { totalNs: 4e6, holds: 64, isShared: true },
};

describe('a host operation beside running vCPUs', () => {
  it('makes every page that it takes fault once: 8 x 4096 refaults, half of them when it takes half', () => {
    expect(simulateBeside(REQUEST).stalls.count).toBe(8 * 4096);
    expect(simulateBeside({ ...REQUEST, refaultShare: 0.5 }).stalls.count).toBe(4 * 4096);
    expect(simulateBeside({ ...REQUEST, refaultShare: 0 }).stalls).toEqual({ count: 0, p50Ns: 0, p99Ns: 0, maxNs: 0 });
  });

  it('stalls an access for as long as one hold at most when it yields, and for as long as all of it when it does not', () => {
    const host = { totalNs: 4e6, isShared: false };
    const yielding = simulateBeside({ ...REQUEST, host: { ...host, holds: 400 } }).stalls;
    // One hold that takes the pages away at its end stalls nobody who needs them afterwards; of two the second stalls those who met the pages of the first.
    const whole = simulateBeside({ ...REQUEST, host: { ...host, holds: 2 } }).stalls;
    expect(yielding.maxNs).toBeLessThan(100_000);
    expect(whole.maxNs).toBeGreaterThan(1.5e6);
    expect(whole.maxNs).toBeLessThan(2.1e6);
  });

  it('stalls one vCPU for the fault and the hold alone: 1100 ns on average', () => {
    const { p50Ns, p99Ns, maxNs } = simulateBeside({ ...REQUEST, vcpus: 1 }).stalls;
    expect(p50Ns).toBeGreaterThan(800);
    expect(p50Ns).toBeLessThan(1200);
    expect(p99Ns).toBeGreaterThan(2 * p50Ns);
    expect(maxNs).toBeGreaterThanOrEqual(p99Ns);
  });

  it('is the same every time, and another with another seed', () => {
    expect(simulateBeside(REQUEST)).toEqual(simulateBeside(REQUEST));
    expect(simulateBeside({ ...REQUEST, seed: 2 })).not.toEqual(simulateBeside(REQUEST));
  });
});
