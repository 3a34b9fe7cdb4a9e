/**
 * The rings of fence requests: what fits, what overflows, and when overflow becomes permanent.
 */
import type { Counters } from '@mmulab/api';
import { Ev, events } from './events';
import { FenceRings } from './fence-rings';

class Vectors implements Counters {
  now = new Float64Array(events.length);
  private read: () => void = () => undefined;

  select(): void {
    // One vector for all: these tests look at sums.
  }

  holdBack(flushCounts: () => void): void {
    this.read = flushCounts;
  }

  /** Requests queued and overflowed, items served, whole-VMID fences served, interruptions. */
  get all(): readonly number[] {
    this.read();
    return [Ev.queued, Ev.overflow, Ev.local, Ev.flush, Ev.ipi].map(index => this.now[index]);
  }
}

function rings(vcpus: number): { readonly counters: Vectors; readonly rings: FenceRings } {
  const counters = new Vectors();
  return { counters, rings: new FenceRings(vcpus, counters) };
}

/** A vCPU leaves the guest, asks for a fence of one page, and goes back. */
function fault(of: FenceRings, vcpu: number): void {
  of.actor = vcpu;
  of.leave(vcpu);
  of.request(1, 1, 1);
  of.enter(vcpu);
}

describe('rings of 64 requests', () => {
  it('take 64 of 100 that the host asks for, and the next entry serves these and one fence of the whole VMID', () => {
    const { rings: one, counters } = rings(1);
    one.request(1, 1, 100);
    expect(counters.all).toEqual([64, 36, 0, 0, 0]);
    one.enter(0);
    expect(counters.all).toEqual([64, 36, 64, 1, 0]);
  });

  it('interrupt a vCPU in the guest for each of 10 requests that overflow, asked for at once, and it fences each time', () => {
    const { rings: one, counters } = rings(2);
    one.request(1, 1, 64);
    one.enter(0);
    one.request(1, 1, 10);
    expect(counters.all).toEqual([64, 10, 64, 10, 10]);
  });

  /** vCPU 0 faults `faults` times while vCPU 1 is away. */
  const alone = (faults: number): ReturnType<typeof rings> => {
    const made = rings(2);
    for (let i = 0; i < faults; i++) fault(made.rings, 0);
    return made;
  };

  it('overflow when a vCPU stays away for more, and the one that runs no longer serves its own', () => {
    expect(alone(70).counters.all).toEqual([64, 6, 64, 6, 0]);
  });

  it('are used again when it comes back in time', () => {
    const { rings: two, counters } = alone(70);
    two.enter(1);
    two.leave(1);
    fault(two, 0);
    // vCPU 0 serves the six that were left, and this one.
    expect(counters.all).toEqual([65, 6, 64 + 64 + 7, 7, 0]);
  });

  it('are never used again once both were full', () => {
    const { rings: two, counters } = alone(128);
    two.enter(1);
    two.leave(1);
    for (let i = 0; i < 10; i++) {
      fault(two, 0);
      two.enter(1);
      two.leave(1);
    }
    expect(counters.all).toEqual([64, 74, 128, 64 + 1 + 20, 0]);
  });

  it('are emptied at once by a vCPU that is in the guest, which every request interrupts', () => {
    const { rings: two, counters } = rings(2);
    two.enter(1);
    for (let i = 0; i < 100; i++) fault(two, 0);
    expect(counters.all).toEqual([100, 0, 200, 0, 100]);
  });

  it.each([1, 3])('of %i vCPUs count the same when a lifted run is played again', vcpus => {
    const [played, stepped] = [rings(vcpus), rings(vcpus)];
    const entry = (of: FenceRings): void => {
      of.leave(0);
      of.request(1, 1, 1);
      of.request(512, 512, 2);
      of.enter(0);
    };
    for (const { rings: each } of [played, stepped]) each.actor = 0;
    played.rings.open();
    entry(played.rings);
    const recording = played.rings.close();
    for (let i = 0; i < 99; i++) played.rings.replay(recording);
    for (let i = 0; i < 100; i++) entry(stepped.rings);
    expect(played.counters.all).toEqual(stepped.counters.all);
    const once = rings(vcpus);
    once.rings.actor = 0;
    entry(once.rings);
    once.rings.replay([{ ...(recording as readonly object[])[0], times: 99 }]);
    expect(once.counters.all).toEqual(stepped.counters.all);
  });
});
