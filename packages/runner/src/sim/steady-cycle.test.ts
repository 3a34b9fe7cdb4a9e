import type { EventDef, MmuBackend, VcpuStep } from '@mmulab/api';
import { RunCounters } from './counters';
import { SteadyCycle } from './steady-cycle';

const EVENTS: readonly EventDef[] = [
  { name: 'turns', unit: 'events', gauge: false, doc: 'Turns.' },
  { name: 'odd', unit: 'events', gauge: false, doc: 'Turns with an odd state.' },
  { name: 'host', unit: 'events', gauge: false, doc: 'What the host does in a turn.' },
];
const STEPS: readonly VcpuStep[] = [{ op: 'exit' }];
type RepeatStep = Extract<VcpuStep, { op: 'repeat' }>;

/** A machine that warms up for some turns and then goes round a cycle. */
function perform(step: RepeatStep, warm: number, cycle: number, hasKey = true): { counts: number[]; run: number } {
  const counters = new RunCounters(EVENTS, 1);
  let turn = 0;
  const state = (): number => (turn < warm ? turn : warm + ((turn - warm) % cycle));
  const backend: Pick<MmuBackend, 'stateKey'> = hasKey ? { stateKey: () => String(state()) } : {};
  const steady = new SteadyCycle(backend as MmuBackend, counters, step);
  let run = 0;
  for (let i = 0; i < step.times; i++) {
    run++;
    turn++;
    counters.select(0);
    counters.now[0]++;
    if (state() % 2 === 1) counters.now[1] += state();
    counters.select(-1);
    counters.now[2] += 3;
    i += steady.skip(i + 1);
  }
  return { counts: Array.from(counters.endPhase().all), run };
}

describe('a loop that becomes steady', () => {
  it.each([
    [300, 0, 1],
    [1000, 5, 2],
    [999, 7, 3],
    [12345, 20, 31],
    [256, 3, 60],
  ])('of %i turns, %i to warm up, in cycles of %i, counts as if all had been run', (times, warm, cycle) => {
    const step: RepeatStep = { op: 'repeat', times, steps: STEPS };
    const skipped = perform(step, warm, cycle);
    expect(skipped.counts).toEqual(perform(step, warm, cycle, false).counts);
    expect(skipped.run).toBeLessThanOrEqual(warm + 2 * cycle + 2);
  });

  it.each([
    ['is short', { op: 'repeat', times: 255, steps: STEPS }, 1, 255],
    ['moves on with each turn', { op: 'repeat', times: 500, shift: 1, steps: STEPS }, 1, 500],
    [
      'draws random numbers',
      { op: 'repeat', times: 500, steps: [{ op: 'random', run: { vfn: 0, count: 1, randomOrder: true, writePercent: 5 } }] },
      1,
      500,
    ],
    ['has no cycle of up to 64 turns', { op: 'repeat', times: 500, steps: STEPS }, 100, 500],
  ] as const)('is run to its end when it %s', (_why, step, cycle, run) => {
    expect(perform(step, 0, cycle).run).toBe(run);
  });
});
