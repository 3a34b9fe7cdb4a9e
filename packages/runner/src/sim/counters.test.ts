import type { EventDef } from '@mmulab/api';
import { RunCounters } from './counters';

const events: readonly EventDef[] = [
  { name: 'fault', unit: 'events', gauge: false, doc: 'Faults.' },
  { name: 'pages', unit: 'pages', gauge: true, doc: 'Pages.' },
];

function add(counters: RunCounters, fault: number, pages: number): void {
  counters.now[0] = (counters.now[0] ?? 0) + fault;
  counters.now[1] = (counters.now[1] ?? 0) + pages;
}

describe('the counters of a run', () => {
  const counters = new RunCounters(events, 2);
  counters.select(0);
  add(counters, 3, 3);
  counters.select(1, 1);
  add(counters, 2, 2);
  const first = counters.endPhase();
  counters.select(-1);
  add(counters, 0, -4);
  counters.select(1);
  add(counters, 1, 0);
  const second = counters.endPhase();

  it('give what a phase counted, over all actors and scopes', () => {
    expect(counters.toValues(first.all)).toEqual({ fault: 5, pages: 5 });
    expect(first.vcpus.map(vcpu => counters.toValues(vcpu))).toEqual([
      { fault: 3, pages: 3 },
      { fault: 2, pages: 2 },
    ]);
    expect([...first.slots].map(([slot, vector]) => [slot, counters.toValues(vector)])).toEqual([[1, { fault: 2, pages: 2 }]]);
  });

  it('start a phase at zero, but let a gauge stand', () => {
    expect(counters.toValues(second.all)).toEqual({ fault: 1, pages: 1 });
    expect(counters.toValues(second.slots.get(1) ?? new Float64Array())).toEqual({ fault: 0, pages: 2 });
  });

  it('add up to totals, gauges at their last value', () => {
    const totals = counters.emptyVector();
    counters.accumulate(totals, first.all);
    counters.accumulate(totals, second.all);
    expect(counters.toValues(totals)).toEqual({ fault: 6, pages: 1 });
  });

  it('call in what is held back before a phase ends', () => {
    const waiting = new RunCounters(events, 1);
    waiting.select(0);
    const { now } = waiting;
    waiting.holdBack(() => (now[0] = 7));
    expect(waiting.toValues(waiting.endPhase().all)).toEqual({ fault: 7, pages: 0 });
  });

  it('call in what is held back before a snapshot: what repeats is the whole difference', () => {
    const waiting = new RunCounters(events, 1);
    waiting.select(0);
    const { now } = waiting;
    let held = 0;
    waiting.holdBack(() => {
      now[0] += held;
      held = 0;
    });
    const before = waiting.snapshot();
    held = 5;
    waiting.repeat(before, waiting.snapshot(), 3);
    expect(waiting.toValues(waiting.endPhase().all)).toEqual({ fault: 20, pages: 0 });
  });

  it('count for whoever is selected next, whoever what was held back was for', () => {
    const [plain] = events;
    const waiting = new RunCounters([plain], 1);
    waiting.holdBack(() => {
      const { now } = waiting;
      waiting.select(0);
      waiting.now = now;
    });
    waiting.select(0, 3);
    waiting.endPhase();
    waiting.select(0);
    waiting.now[0] += 4;
    const { all, vcpus, slots } = waiting.endPhase();
    expect([all, vcpus[0], slots.get(3)].map(vector => vector?.[0])).toEqual([4, 4, 0]);
  });

  it('keep the vector of an actor', () => {
    counters.select(0);
    const vector = counters.now;
    counters.select(1);
    counters.select(0);
    expect(counters.now).toBe(vector);
  });
});
