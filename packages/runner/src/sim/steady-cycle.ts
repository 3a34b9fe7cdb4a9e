/**
 * Finds that a loop of a vCPU's program has become steady: its turns, or cycles of them, repeat each other.
 *
 * After each of its first turns the backend is asked for a key of its state. When a key returns, everything from its first appearance on will happen again: what was
 * counted between the two is counted once more for each cycle that is left, and only the rest is run. Counts are the same as if all had been run.
 */
import type { MmuBackend, VcpuStep } from '@mmulab/api';
import type { CounterSnapshot, RunCounters } from './counters';

type RepeatStep = Extract<VcpuStep, { op: 'repeat' }>;

/** Shorter loops are run. */
const MIN_TIMES = 256;
/** Turns after which a loop that has not become steady is run to its end. */
const MAX_PROBES = 64;

/** One loop under way. */
export class SteadyCycle {
  private readonly seen = new Map<string, { readonly turn: number; readonly counts: readonly CounterSnapshot[] }>();
  private isProbing: boolean;

  constructor(
    private readonly backend: MmuBackend,
    private readonly counters: RunCounters,
    private readonly step: RepeatStep,
  ) {
    this.isProbing = backend.stateKey !== undefined && step.times >= MIN_TIMES && (step.shift ?? 0) === 0 && isRegular(step.steps);
  }

  /** A turn is over. @param turns turns done so far; @returns turns that need not be run: they have been counted */
  skip(turns: number): number {
    if (!this.isProbing) return 0;
    const key = this.backend.stateKey?.();
    if (key === undefined || turns > MAX_PROBES) return this.stop();
    const counts = this.counters.snapshot();
    const before = this.seen.get(key);
    if (before === undefined) {
      this.seen.set(key, { turn: turns, counts });
      return 0;
    }
    const length = turns - before.turn;
    const cycles = Math.floor((this.step.times - turns) / length);
    this.counters.repeat(before.counts, counts, cycles);
    this.stop();
    return cycles * length;
  }

  private stop(): number {
    this.isProbing = false;
    this.seen.clear();
    return 0;
  }
}

/** Whether steps draw nothing from a generator. */
function isRegular(steps: readonly VcpuStep[]): boolean {
  return steps.every(step => step.op !== 'random' && (step.op !== 'repeat' || isRegular(step.steps)));
}
