import * as fc from 'fast-check';
import { EventQueue } from './event-queue';

function drain(queue: EventQueue): [number, number][] {
  const popped: [number, number][] = [];
  while (queue.size > 0) {
    const vcpu = queue.pop();
    popped.push([queue.time, vcpu]);
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

  it('takes events, pushes others and brings some forward as a sorted list does', () => {
    const step = fc.record({ again: fc.boolean(), delay: fc.nat(9), other: fc.nat(7), forward: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), steps => {
        const queue = new EventQueue(8);
        const list = Array.from({ length: 8 }, (_, vcpu): [number, number] => [vcpu % 3, vcpu]);
        for (const [time, vcpu] of list) queue.push(time, vcpu);
        for (const { again, delay, other, forward } of steps) {
          list.sort(([ta, va], [tb, vb]) => ta - tb || va - vb);
          const first = list.shift();
          expect(queue.size).toBe(list.length + (first === undefined ? 0 : 1));
          if (first === undefined) return;
          expect([queue.pop(), queue.time]).toEqual([first[1], first[0]]);
          const now = first[0];
          const next = list[0];
          expect(queue.isBefore(now + delay, first[1])).toBe(
            next !== undefined && (next[0] < now + delay || (next[0] === now + delay && next[1] < first[1])),
          );
          const moved = list.find(([time, vcpu]) => vcpu === other && time > now + forward);
          if (moved !== undefined) {
            moved[0] = now + forward;
            queue.bringForward(moved[0], other);
          }
          if (!again) continue;
          list.push([now + delay, first[1]]);
          queue.push(now + delay, first[1]);
        }
      }),
    );
  });
});
