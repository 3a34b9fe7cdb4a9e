import { AccessKind, type AccessRun, type MmuBackend, type RandomRun } from '@mmulab/api';
import { nextDraw, skipDraws } from './draws';
import { Generators } from './generator';

const run = (over: Partial<RandomRun> = {}): RandomRun => ({ vfn: 100, count: 50, randomOrder: false, writePercent: 5, ...over });

/** The accesses and runs a backend is asked for. */
function perform(generators: Generators, vcpu: number, random: RandomRun): { touches: [number, AccessKind][]; runs: AccessRun[] } {
  const touches: [number, AccessKind][] = [];
  const runs: AccessRun[] = [];
  const backend: Pick<MmuBackend, 'touch' | 'run'> = {
    touch: (_vcpu, vfn, kind) => void touches.push([vfn, kind]),
    run: (_vcpu, plain) => void runs.push(plain),
  };
  generators.run(backend as MmuBackend, vcpu, random);
  return { touches, runs };
}

/** The definition, with big integers. */
const slowDraw = (state: bigint): bigint => (state * 48271n) % 2147483647n;

describe('the generator', () => {
  it('begins 1, 48271, 182605794, 1291394886 and its 10000th draw is 399268537', () => {
    // The last figure is the check value of the minstd_rand of ISO C++ (26.6.5).
    expect([nextDraw(1), nextDraw(48271), nextDraw(182605794)]).toEqual([48271, 182605794, 1291394886]);
    let state = 1;
    for (let i = 0; i < 10000; i++) state = nextDraw(state);
    expect(state).toBe(399268537);
    expect(skipDraws(1, 10000)).toBe(399268537);
  });

  it('agrees with its definition at the ends of its range', () => {
    for (const state of [0, 1, 2, 2 ** 30, 2147483645, 2147483646]) expect(BigInt(nextDraw(state))).toBe(slowDraw(BigInt(state)));
  });

  it('draws per guest page where pages are larger or smaller than frames', () => {
    const frames = (over: Partial<RandomRun>): number[] =>
      perform(new Generators(2), 1, run({ count: 8, ...over })).touches.map(([vfn]) => vfn - 100);
    expect(frames({ pageFrames: 4 })).toEqual([0, 4, 8, 12, 16, 20, 24, 28]);
    expect(frames({ pageFrames: 0.25 })).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    const drawn = frames({ randomOrder: true });
    expect(frames({ randomOrder: true, pageFrames: 16 })).toEqual(drawn.map(page => page * 16));
    const lifted = (pageFrames: number): unknown => new Generators(1).lift(0, run({ count: 8, pageFrames, writePercent: 100 }));
    expect([lifted(4), lifted(0.25)]).toMatchObject([
      { count: 8, stride: 4 },
      { count: 2, stride: 1 },
    ]);
  });

  it('skips as far as it walks', () => {
    let state = 7;
    for (let i = 0; i <= 300; i++) {
      expect(skipDraws(7, i)).toBe(state);
      state = nextDraw(state);
    }
    // The period is 2^31 - 2.
    expect(skipDraws(7, 2 ** 31 - 2)).toBe(7);
    expect(skipDraws(7, 2 ** 40 + 3)).toBe(skipDraws(skipDraws(7, 2 ** 40), 3));
  });
});

describe('a random run', () => {
  it('in order becomes a plain run at 100 % and 0 %, and the state moves on by one draw per page', () => {
    for (const [writePercent, kind] of [
      [100, AccessKind.Write],
      [0, AccessKind.Read],
    ] as const) {
      const generators = new Generators(4);
      expect(perform(generators, 3, run({ writePercent }))).toEqual({ touches: [], runs: [{ vfn: 100, count: 50, stride: 1, kind, writeEvery: 0 }] });
      expect(generators.states[3]).toBe(skipDraws(3, 50));
    }
  });

  it('of vCPU 0 writes every page at any percentage above 0, for its state stays 0', () => {
    const generators = new Generators(1);
    expect(perform(generators, 0, run()).runs).toMatchObject([{ kind: AccessKind.Write, count: 50 }]);
    expect(generators.states[0]).toBe(0);
  });

  it('in order draws once per page and writes below the percentage', () => {
    const generators = new Generators(2);
    const { touches } = perform(generators, 1, run({ writePercent: 50 }));
    let state = 1;
    const expected = Array.from({ length: 50 }, (_, i) => {
      state = Number(slowDraw(BigInt(state)));
      return [100 + i, state % 100 < 50 ? AccessKind.Write : AccessKind.Read];
    });
    expect(touches).toEqual(expected);
    expect(generators.states[1]).toBe(state);
  });

  it('in random order draws the page first, then the kind', () => {
    const generators = new Generators(2);
    const { touches } = perform(generators, 1, run({ randomOrder: true, writePercent: 100, count: 7 }));
    let state = 1;
    const expected = Array.from({ length: 7 }, () => {
      state = nextDraw(state);
      const page = state % 7;
      state = nextDraw(state);
      return [100 + page, AccessKind.Write];
    });
    expect(touches).toEqual(expected);
    expect(generators.states[1]).toBe(skipDraws(1, 14));
  });

  it('goes on where the last one ended', () => {
    const once = new Generators(2);
    const twice = new Generators(2);
    const whole = perform(once, 1, run({ count: 20 })).touches.map(([, kind]) => kind);
    const halves = [...perform(twice, 1, run({ count: 10 })).touches, ...perform(twice, 1, run({ count: 10 })).touches].map(([, kind]) => kind);
    expect(halves).toEqual(whole);
  });
});
