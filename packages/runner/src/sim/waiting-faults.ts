/**
 * Faults that go round because another vCPU is in the way, left out of the queue of events.
 *
 * A vCPU that meets an entry somebody else has locked faults again and again, for as long as that takes: tens of thousands of turns while a huge page is cleaned. As long as
 * nothing changes that it meets, each turn takes the same stages and counts the same; only its durations are drawn anew. So once a turn has been learnt, stage by stage,
 * the vCPU needs no events: when something changes, it is brought to where it stands by then, with the same draws, and what its turns counted is added.
 * The outcome is that of taking them one by one. Hot path.
 */
import type { Counters, FaultWaits } from '@mmulab/api';
import type { Jitter } from './jitter';

/** Turns with nothing changing, before one is learnt. */
const CALM_TURNS = 8;

/** What one stage of a turn counts. */
interface StageCounts {
  readonly indices: readonly number[];
  readonly amounts: readonly number[];
}

const NOTHING: StageCounts = { indices: [], amounts: [] };

/** Waiting vCPUs of one VM. */
export class WaitingFaults {
  /** vCPUs that wait. */
  readonly vcpus: number[] = [];
  /** By vCPU: the stage under way, and when it ends. */
  readonly stages: Int32Array;
  readonly ends: Float64Array;
  /** By vCPU: stages taken since it began to wait. */
  readonly taken: Float64Array;
  private readonly calm: Uint8Array;
  private readonly versions: Float64Array;
  private readonly isLearning: Uint8Array;
  /** By vCPU and stage: the one that follows, how often it ended while waiting, and what it counts. */
  private readonly following: Int8Array;
  private readonly times: Float64Array;
  private readonly counts: StageCounts[];
  /** By vCPU: the vector its turns count in. */
  private readonly vectors: Float64Array[];
  private before: Float64Array;
  /** Version at which those that wait began to. */
  private version = 0;

  constructor(
    private readonly waits: FaultWaits,
    private readonly counters: Counters,
    private readonly durations: Float64Array,
    vcpus: number,
  ) {
    const places = vcpus * durations.length;
    this.stages = new Int32Array(vcpus);
    this.ends = new Float64Array(vcpus);
    this.taken = new Float64Array(vcpus);
    this.calm = new Uint8Array(vcpus);
    this.versions = new Float64Array(vcpus);
    this.isLearning = new Uint8Array(vcpus);
    this.following = new Int8Array(places);
    this.times = new Float64Array(places);
    this.counts = new Array<StageCounts>(places).fill(NOTHING);
    this.vectors = Array.from({ length: vcpus }, () => counters.now);
    this.before = counters.now.slice();
  }

  /** Whether something has changed since the vCPUs began to wait. */
  get isOver(): boolean {
    return this.waits.version !== this.version;
  }

  /** Whether the vCPU's stages are to be learnt. */
  learns(vcpu: number): boolean {
    return this.isLearning[vcpu] === 1;
  }

  /** A stage that is learnt is about to end. */
  stageEnds(vcpu: number): void {
    this.before.set(this.vectors[vcpu]);
  }

  /** It has ended. @param next the stage that follows */
  stageEnded(vcpu: number, stage: number, next: number): void {
    const vector = this.vectors[vcpu];
    const indices: number[] = [];
    const amounts: number[] = [];
    for (let i = 0; i < vector.length; i++) {
      if (vector[i] === this.before[i]) continue;
      indices.push(i);
      amounts.push(vector[i] - this.before[i]);
    }
    const place = vcpu * this.durations.length + stage;
    this.counts[place] = { indices, amounts };
    this.following[place] = next;
  }

  /** A fault begins again. @returns whether its turns are known, so that it may wait */
  turnEnded(vcpu: number): boolean {
    const { waits, versions, calm, isLearning } = this;
    const known = isLearning[vcpu] === 1;
    isLearning[vcpu] = 0;
    if (!waits.isWaiting(vcpu) || waits.version !== versions[vcpu]) {
      versions[vcpu] = waits.version;
      calm[vcpu] = 0;
      return false;
    }
    if (known) return true;
    if (++calm[vcpu] < CALM_TURNS) return false;
    isLearning[vcpu] = 1;
    this.vectors[vcpu] = this.counters.now;
    return false;
  }

  /** The vCPU waits from now on. @param end when its stage ends */
  add(vcpu: number, stage: number, end: number): void {
    const first = vcpu * this.durations.length;
    if (this.vcpus.length === 0) this.version = this.waits.version;
    this.vcpus.push(vcpu);
    this.stages[vcpu] = stage;
    this.ends[vcpu] = end;
    this.taken[vcpu] = 0;
    this.times.fill(0, first, first + this.durations.length);
  }

  /** Brings a vCPU to where it stands when an event of another at a time is handled, and adds what its turns counted. */
  advance(vcpu: number, time: number, other: number, jitter: Jitter): void {
    const { durations, following, times } = this;
    const first = vcpu * durations.length;
    let stage = this.stages[vcpu];
    let end = this.ends[vcpu];
    let taken = 0;
    while (end < time || (end === time && vcpu < other)) {
      times[first + stage]++;
      stage = following[first + stage];
      end += jitter.duration(vcpu, durations[stage]);
      taken++;
    }
    this.stages[vcpu] = stage;
    this.ends[vcpu] = end;
    this.taken[vcpu] = taken;
    this.addCounts(vcpu);
    this.calm[vcpu] = 0;
    this.waits.resumeAt(vcpu, stage);
  }

  private addCounts(vcpu: number): void {
    const vector = this.vectors[vcpu];
    const first = vcpu * this.durations.length;
    for (let stage = 0; stage < this.durations.length; stage++) {
      const times = this.times[first + stage];
      if (times === 0) continue;
      const { indices, amounts } = this.counts[first + stage];
      for (let i = 0; i < indices.length; i++) vector[indices[i]] += amounts[i] * times;
    }
  }
}
