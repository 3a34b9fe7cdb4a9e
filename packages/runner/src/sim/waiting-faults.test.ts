import { ACCESS_DONE, AccessKind, type FaultWaits, type VcpuProgram } from '@mmulab/api';
import { RunCounters } from './counters';
import { Generators } from './generator';
import type { ScheduledBackend } from './program-interleaver';
import { Scheduler } from './scheduler';

/** Of 3 vCPUs the first locks the entry for 1 ms, 250 times as long as a turn of the others takes. */
class LockedEntry implements ScheduledBackend, FaultWaits {
  readonly stages = [
    { name: 'exit', nominalNs: 600, lock: 'none' as const },
    { name: 'map', nominalNs: 1000, lock: 'read' as const },
    { name: 'work', nominalNs: 1e6, lock: 'read' as const },
    { name: 'resume', nominalNs: 900, lock: 'none' as const },
  ];
  version = 0;
  calls = 0;
  private owner = -1;
  private isMapped = false;
  private readonly due = [ACCESS_DONE, ACCESS_DONE, ACCESS_DONE] as number[];

  constructor(private readonly counters: RunCounters) {}

  enter(): void {
    // Nothing to do.
  }

  control(): void {
    // No register matters.
  }

  begin(vcpu: number): number {
    return this.isMapped ? ACCESS_DONE : (this.due[vcpu] = 0);
  }

  advance(vcpu: number): number {
    const stage = this.due[vcpu] ?? 0;
    const now = this.counters.now;
    now[stage] = (now[stage] ?? 0) + 1;
    this.calls++;
    return (this.due[vcpu] = this.after(vcpu, stage));
  }

  faultWaits(): FaultWaits {
    return this;
  }

  isWaiting(vcpu: number): boolean {
    return this.owner >= 0 && this.owner !== vcpu && !this.isMapped;
  }

  resumeAt(vcpu: number, stage: number): void {
    this.due[vcpu] = stage;
  }

  private after(vcpu: number, stage: number): number {
    if (stage === 0) return 1;
    if (stage === 3) return this.isMapped ? ACCESS_DONE : 0;
    if (stage === 1 && (this.owner >= 0 || this.isMapped)) return 3;
    this.version++;
    if (stage === 1) {
      this.owner = vcpu;
      return 2;
    }
    this.isMapped = true;
    return 3;
  }
}

/** Stages by kind, and how often the backend was called for them. */
function performed(seesStages: boolean): { readonly counts: readonly number[]; readonly calls: number } {
  const events = ['exit', 'map', 'work', 'resume'].map(name => ({ name, unit: 'events' as const, gauge: false, doc: '' }));
  const counters = new RunCounters(events, 3);
  const backend = new LockedEntry(counters);
  const program: VcpuProgram = [{ op: 'access', run: { vfn: 0, count: 1, stride: 1, kind: AccessKind.Read, writeEvery: 0 } }];
  new Scheduler(backend, counters, new Generators(3), 1, 3, seesStages).run([program, program, program], 0);
  const { vcpus } = counters.endPhase();
  return { counts: vcpus.flatMap(vector => [...vector]), calls: backend.calls };
}

describe('faults of 2 vCPUs that wait for a third', () => {
  it('count the same stages when their turns are left out of the queue, and take less than a tenth of the calls', () => {
    const [seen, left] = [performed(true), performed(false)];
    expect(left.counts).toEqual(seen.counts);
    expect(seen.calls).toBeGreaterThan(1000);
    expect(left.calls).toBeLessThan(seen.calls / 10);
  });
});
