/**
 * Plans of very many iterations: as small as those of two, and the same phases.
 */
import type { WorkloadPhase } from '@mmulab/api';
import { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
import { INTEL, planOf } from './fixtures/plan-of';
import { LazyPhases } from './lazy-phases';

const phase = (name: string): WorkloadPhase => ({ name, steps: [] });

function phases(iterations: number): LazyPhases {
  return new LazyPhases({
    first: [phase('a'), phase('b')],
    iterations,
    perIteration: 2,
    iteration: k => [phase(`c_${k}`), phase(`d_${k}`)],
    last: [phase('e')],
  });
}

describe('phases made when they are asked for', () => {
  it('are 7 with two iterations, in order, from the front and from the back', () => {
    const names = ['a', 'b', 'c_1', 'd_1', 'c_2', 'd_2', 'e'];
    const two = phases(2);
    expect([...two].map(({ name }) => name)).toEqual(names);
    expect(two.map(({ name }, index) => `${index}${name}`)).toEqual(names.map((name, index) => `${index}${name}`));
    expect(names.map((_, index) => two.at(index)?.name)).toEqual(names);
    expect(names.map((_, index) => two.at(index - 7)?.name)).toEqual(names);
    expect([two.length, two.at(7), two.at(-8), two.find(({ name }) => name === 'd_2')?.name]).toEqual([7, undefined, undefined, 'd_2']);
  });

  it('are 3 with none', () => {
    expect([...phases(0)].map(({ name }) => name)).toEqual(['a', 'b', 'e']);
  });

  it('are 6,442,450,945 of dirty_log_perf_test -i 2147483647, of which the last two are made at once', () => {
    const plan = planOf({ definition: dirtyLogPerfDefinition, implementation: DirtyLogPerf }, '-b 1M -i 2147483647', INTEL);
    expect(plan.phases.length).toBe(3 * 2147483647 + 4);
    expect([plan.phases.at(-3), plan.phases.at(-1)].map(one => one?.name)).toEqual(['clear_log_2147483647', 'destroy_vm']);
  });
});
