import { boundSolver } from './bound';
import { desSolver } from './des';
import { mvaSolver } from './mva';
import type { Network } from '@mmulab/api';

const lockLine = (customers: number): Network => ({ customers, thinkS: 0.95, stations: [{ name: 'line', demandS: 0.19 }] });
const growing = (customers: number): Network => {
  const slowdown = Float64Array.from({ length: customers + 1 }, (_, j) => 1 + 0.3 * Math.sqrt(Math.max(0, j - 1)));
  return {
    customers,
    thinkS: 0.75,
    stations: [
      { name: 'lock', demandS: 0.3, slowdown },
      { name: 'memory', demandS: 0.05 },
    ],
  };
};
const SIZES = [2, 4, 8, 16, 32];

describe('solvers', () => {
  it('give 1.172, 1.263, 1.634, 3.04 and 6.08 for one lock line (think 0.95, service 0.19) by mean-value analysis', () => {
    const times = SIZES.map(n => mvaSolver.solve(lockLine(n)).timeS);
    [1.172, 1.263, 1.634, 3.04, 6.08].forEach((expected, i) => expect(Math.abs((times[i] ?? 0) / expected - 1)).toBeLessThan(0.002));
  });

  it('give 1.14, 1.14, 1.52, 3.04 and 6.08 as the asymptotic bound', () => {
    const times = SIZES.map(n => boundSolver.solve(lockLine(n)).timeS);
    [1.14, 1.14, 1.52, 3.04, 6.08].forEach((expected, i) => expect(times[i]).toBeCloseTo(expected, 9));
  });

  it('give the bound exactly when discrete events have constant times', () => {
    for (const n of SIZES) expect(desSolver('constant').solve(lockLine(n)).timeS / boundSolver.solve(lockLine(n)).timeS).toBeCloseTo(1, 3);
  });

  it('agree within 2.5 % between exponential discrete events and mean-value analysis, stations that slow down included', () => {
    for (const make of [lockLine, growing]) {
      for (const n of SIZES) {
        const [des, mva] = [desSolver('exponential', 400_000).solve(make(n)), mvaSolver.solve(make(n))];
        expect(Math.abs(des.timeS / mva.timeS - 1)).toBeLessThan(0.025);
        des.utilisation.forEach((busy, i) => expect(Math.abs(busy - (mva.utilisation[i] ?? 0))).toBeLessThan(0.03));
        des.residenceS.forEach((s, i) => expect(Math.abs(s - (mva.residenceS[i] ?? 0)) / mva.timeS).toBeLessThan(0.03));
      }
    }
  });

  it('give the same from normalising constants as from the recursion where no station slows down', () => {
    for (const n of [1, 2, 16, 416]) {
      const constant: Network = { ...lockLine(n), stations: [{ name: 'line', demandS: 0.19, slowdown: new Float64Array(n + 1).fill(1) }] };
      expect(mvaSolver.solve(constant).timeS / mvaSolver.solve(lockLine(n)).timeS).toBeCloseTo(1, 9);
    }
  });

  it('share the time out: think and residence add up to it', () => {
    for (const solver of [mvaSolver, boundSolver]) {
      const { timeS, residenceS } = solver.solve(growing(16));
      expect(residenceS.reduce((a, b) => a + b, 0.75)).toBeCloseTo(timeS, 9);
    }
  });
});
