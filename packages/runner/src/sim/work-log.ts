/**
 * The work of the phases of a run, for cost models: what vCPUs and host counted, and how many accesses the guest's programs list.
 */
import type { CounterValues, PhaseWork } from '@mmulab/api';
import type { PhaseCounts, RunCounters } from './counters';

export class WorkLog {
  readonly phases: PhaseWork[] = [];

  /** @param pages frames of the memslots under test */
  constructor(
    private readonly counters: RunCounters,
    private readonly pages: number,
  ) {}

  /** A phase has ended. */
  endPhase(phase: string, { all, vcpus, guest }: PhaseCounts): void {
    const { counters } = this;
    const host = all.slice();
    const sum = new Float64Array(all.length);
    for (const vector of vcpus) {
      for (let i = 0; i < sum.length; i++) {
        sum[i] = (sum[i] ?? 0) + (vector[i] ?? 0);
        host[i] = (host[i] ?? 0) - (vector[i] ?? 0);
      }
    }
    const share = 1 / Math.max(1, guest.vcpus);
    this.phases.push({
      phase,
      vcpus: guest.vcpus,
      vcpu: counters.toValues(sum.map(count => count * share)),
      host: counters.toValues(host),
      accesses: { reads: guest.reads * share, writes: guest.writes * share, executes: guest.executes * share },
      pages: this.pages,
    });
  }
}

/** What a host operation has once, however much memory it is about. */
const PER_CALL = /^(host_call(\.\w+\.min)?|dirty_log\.(get|clear)_calls)$/;

/** The work of N times as many equal vCPUs with memory of their own; the host's thread has as much more to do. */
export function scaledWork(phases: readonly PhaseWork[], factor: number): readonly PhaseWork[] {
  if (factor === 1) return phases;
  const scaled = (counts: CounterValues): CounterValues =>
    Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, PER_CALL.test(name) ? count : count * factor]));
  return phases.map(work => ({
    ...work,
    vcpus: work.vcpus * factor,
    // Where no vCPU runs, what is shown for them are gauges of the whole VM.
    vcpu: work.vcpus === 0 ? scaled(work.vcpu) : work.vcpu,
    host: scaled(work.host),
    pages: work.pages * factor,
  }));
}
