import * as fc from 'fast-check';
import { EventQueue } from './event-queue';

function drain(queue: EventQueue): [number, number][] {
  const popped: [number, number][] = [];
  while (queue.size > 0) {
    const time = queue.headTime;
    popped.push([time, queue.pop()]);
  }
  return popped;
}

describe('the event queue', () => {
  it('gives events by time, ties to the lower vCPU', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 64 }), times => {
        const queue = new EventQueue(times.length);
        const order = times.map((time, vcpu): [number, number] => [time, vcpu]);
        for (const [time, vcpu] of [...order].reverse()) queue.push(time, vcpu);
        expect(drain(queue)).toEqual([...order].sort(([ta, va], [tb, vb]) => ta - tb || va - vb));
      }),
    );
  });

  it('tells whether its first event is due before another', () => {
    const queue = new EventQueue(2);
    expect(queue.isBefore(5, 0)).toBe(false);
    queue.push(5, 1);
    expect([queue.isBefore(5, 0), queue.isBefore(5, 2), queue.isBefore(6, 0), queue.isBefore(4, 2)]).toEqual([false, true, true, false]);
  });
});
