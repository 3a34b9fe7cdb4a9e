/**
 * The work of the phases of a run, for cost models: what vCPUs and host counted, and how many accesses the guest's programs list.
 */
import {
  AccessKind,
  type AccessCounts,
  type AccessRun,
  type CounterValues,
  type GuestTableWrites,
  type PhaseWork,
  type VcpuProgram,
  type VcpuStep,
} from '@mmulab/api';
import type { PhaseCounts, RunCounters } from './counters';

type Kinds = { -readonly [Kind in keyof AccessCounts]: number };

export class WorkLog {
  readonly phases: PhaseWork[] = [];
  private kinds: Kinds = none();
  /** vCPUs with accesses in the phase. */
  private ran = 0;

  /** @param pages frames of the memslots under test */
  constructor(
    private readonly counters: RunCounters,
    private readonly pages: number,
  ) {}

  /** Counts the accesses of a guest step. */
  count(programs: readonly VcpuProgram[]): void {
    const before = programs.map(program => countProgram(program, 1, this.kinds)).filter(accesses => accesses > 0).length;
    this.ran = Math.max(this.ran, before);
  }

  /** A phase has ended. */
  endPhase(phase: string, { all, vcpus }: PhaseCounts): void {
    const { counters, ran, kinds } = this;
    const host = all.slice();
    const sum = new Float64Array(all.length);
    for (const vector of vcpus) {
      for (let i = 0; i < sum.length; i++) {
        sum[i] = (sum[i] ?? 0) + (vector[i] ?? 0);
        host[i] = (host[i] ?? 0) - (vector[i] ?? 0);
      }
    }
    const share = 1 / Math.max(1, ran);
    this.phases.push({
      phase,
      vcpus: ran,
      vcpu: counters.toValues(sum.map(count => count * share)),
      host: counters.toValues(host),
      accesses: { reads: kinds.reads * share, writes: kinds.writes * share, executes: kinds.executes * share },
      pages: this.pages,
    });
    this.kinds = none();
    this.ran = 0;
  }
}

/** The work of N times as many equal vCPUs with memory of their own; the host's thread has as much more to do. */
export function scaledWork(phases: readonly PhaseWork[], factor: number): readonly PhaseWork[] {
  if (factor === 1) return phases;
  const scaled = (counts: CounterValues): CounterValues => Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count * factor]));
  return phases.map(work => ({
    ...work,
    vcpus: work.vcpus * factor,
    // Where no vCPU runs, what is shown for them are gauges of the whole VM.
    vcpu: work.vcpus === 0 ? scaled(work.vcpu) : work.vcpu,
    host: scaled(work.host),
    pages: work.pages * factor,
  }));
}

function none(): Kinds {
  return { reads: 0, writes: 0, executes: 0 };
}

/** @param times how often it is run @returns its accesses */
function countProgram(steps: readonly VcpuStep[], times: number, kinds: Kinds): number {
  return steps.reduce((sum, step) => sum + countStep(step, times, kinds), 0);
}

function countStep(step: VcpuStep, times: number, kinds: Kinds): number {
  if (step.op === 'repeat') return countProgram(step.steps, times * step.times, kinds);
  if (step.op === 'access') return countRun(step.run, times, kinds);
  if (step.op === 'table') return countTableWrites(step.writes, times, kinds);
  if (step.op !== 'random') return 0;
  const accesses = step.run.count * times;
  const writes = (accesses * step.run.writePercent) / 100;
  kinds.writes += writes;
  kinds.reads += accesses - writes;
  return accesses;
}

/** Each is a write; what is copied is read before. */
function countTableWrites({ count, change }: GuestTableWrites, times: number, kinds: Kinds): number {
  kinds.writes += count * times;
  if (change.kind !== 'copy') return count * times;
  kinds.reads += count * times;
  return 2 * count * times;
}

function countRun({ count, kind, writeEvery }: AccessRun, times: number, kinds: Kinds): number {
  const written = writeEvery === 0 ? 0 : Math.ceil(count / writeEvery);
  kinds.writes += written * times;
  const rest = (count - written) * times;
  if (kind === AccessKind.Write) kinds.writes += rest;
  else if (kind === AccessKind.Read) kinds.reads += rest;
  else kinds.executes += rest;
  return count * times;
}
