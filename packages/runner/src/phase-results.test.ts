/**
 * Phases of a result: equal counts kept once, vCPUs only where they are wanted.
 */
import { resolveRuns } from './config/validate';
import { toyRegistry } from './fixtures/registry';
import { runResolved } from './run';
import { CounterValuePool } from './sim/counter-values';

const registry = toyRegistry();
const [run] = resolveRuns({ workload: 'toy_test -v 2 -b 16K' }, registry);
if (run === undefined) throw new Error('no run');

describe('counter values', () => {
  it('are one object for equal vectors, and two for others', () => {
    const pool = new CounterValuePool(['a', 'b']);
    const one = pool.values(Float64Array.of(1, 2));
    expect(one).toEqual({ a: 1, b: 2 });
    expect(pool.values(Float64Array.of(1, 2))).toBe(one);
    expect(pool.values(Float64Array.of(2, 1))).toEqual({ a: 2, b: 1 });
    expect(pool.values(Float64Array.of(-0.5, 2 ** 53))).toEqual({ a: -0.5, b: 2 ** 53 });
  });

  it('are told apart 10,000 times', () => {
    const pool = new CounterValuePool(['a', 'b']);
    const made = Array.from({ length: 10_000 }, (_, i) => pool.values(Float64Array.of(i % 100, Math.floor(i / 100))));
    expect(new Set(made).size).toBe(10_000);
    expect(made.every(({ a, b }, i) => a === i % 100 && b === Math.floor(i / 100))).toBe(true);
  });

  it('keep names that are numbers or strange', () => {
    expect(new CounterValuePool(['10', 'a"b', '__proto__x']).values(Float64Array.of(1, 2, 3))).toEqual({ 10: 1, 'a"b': 2, __proto__x: 3 });
  });
});

describe('the phases of a run', () => {
  it('have no vCPUs where nobody wants them, and the same counts', () => {
    const [whole, lean] = [runResolved(run, registry), runResolved(run, registry, { vcpuCounters: false })];
    expect(lean.phases.map(({ vcpus }) => vcpus.length)).toEqual(whole.phases.map(() => 0));
    expect(lean.phases.map(({ counters }) => counters)).toEqual(whole.phases.map(({ counters }) => counters));
    expect([lean.totals, whole.phases[0]?.vcpus.length]).toEqual([whole.totals, 2]);
  });

  it('keep equal counts of two vCPUs once', () => {
    const [first] = runResolved(run, registry).phases;
    expect(first?.vcpus[0]?.counters).toBe(first?.vcpus[1]?.counters);
  });
});
