/**
 * The scheduler with an onlooker: it does the same in the same order, and tells of it. Its times go on from step to step, where the plain one begins each step at 0.
 */
import {
  ACCESS_DONE,
  type ControlWrite,
  type Counters,
  type GuestTableWrites,
  type MmuBackend,
  type RunTimeline,
  type VcpuProgram,
} from '@mmulab/api';
import type { FlushCounts } from './flush-counts';
import type { Generators } from './generator';
import { Scheduler } from './scheduler';

/** What an observed run is made of. */
export interface ObservedParts {
  readonly backend: MmuBackend;
  readonly counters: Counters;
  readonly generators: Generators;
  readonly seed: number;
  readonly vcpus: number;
  readonly timeline: RunTimeline;
  readonly flushes: FlushCounts;
}

export class ObservedScheduler extends Scheduler {
  private readonly timeline: RunTimeline;
  private readonly flushes: FlushCounts;
  /** 1 while a vCPU is in a fault. */
  private readonly isFaulting: Uint8Array;
  /** When the pending stage of a vCPU was asked for. */
  private readonly askedPs: Float64Array;
  /** When the present step began, and when the last vCPU ended it. */
  private startPs = 0;
  private endPs = 0;
  /** vCPUs in the guest, and those in a stage. */
  private readonly isIn: Uint8Array;
  private readonly isStaged: Uint8Array;
  /** When the last stage ended. */
  private lastPs = 0;

  constructor({ backend, counters, generators, seed, vcpus, timeline, flushes }: ObservedParts) {
    super(backend, counters, generators, seed, vcpus, true);
    this.timeline = timeline;
    this.flushes = flushes;
    this.isFaulting = new Uint8Array(vcpus);
    this.askedPs = new Float64Array(vcpus);
    this.isIn = new Uint8Array(vcpus);
    this.isStaged = new Uint8Array(vcpus);
  }

  /** Runs the programs of a pass from a time on. @returns when the last vCPU is done */
  runFrom(programs: readonly VcpuProgram[], pass: number, timePs: number): number {
    this.startPs = timePs;
    this.endPs = timePs;
    this.lastPs = timePs;
    programs.forEach((_, vcpu) => {
      this.isIn[vcpu] = 1;
      this.timeline.guestBegins(vcpu, timePs);
    });
    this.run(programs, pass);
    return this.endPs;
  }

  protected override enter(vcpu: number, from: number, to: number): void {
    this.telling(vcpu, 'enter', from, to, () => super.enter(vcpu, from, to));
  }

  protected override control(vcpu: number, write: ControlWrite, from: number, to: number): void {
    this.telling(vcpu, `write ${write.register}`, from, to, () => super.control(vcpu, write, from, to));
  }

  protected override writeTables(vcpu: number, writes: GuestTableWrites, from: number): number {
    this.flushes.begin(vcpu);
    const to = super.writeTables(vcpu, writes, from);
    this.timeline.acts(vcpu, 'write guest tables', this.startPs + from, this.startPs + to);
    this.flushes.tell(vcpu, this.startPs + to);
    return to;
  }

  protected override ended(vcpu: number, time: number): void {
    super.ended(vcpu, time);
    const timePs = this.startPs + time;
    this.endPs = Math.max(this.endPs, timePs);
    this.isIn[vcpu] = 0;
    this.timeline.guestEnds(vcpu, timePs);
  }

  /** A KVM_RUN has failed: whatever has begun ends now. @returns when that is */
  abandon(): number {
    this.isIn.forEach((isIn, vcpu) => {
      if (this.isStaged[vcpu] === 1) this.timeline.stageEnds(vcpu, this.lastPs);
      if (this.isFaulting[vcpu] === 1) this.timeline.faultEnds(vcpu, this.lastPs);
      if (isIn === 1) this.timeline.guestEnds(vcpu, this.lastPs);
    });
    return this.lastPs;
  }

  protected override startStage(vcpu: number, stage: number, time: number, held: number): void {
    const cursor = this.cursors[vcpu];
    if (this.isFaulting[vcpu] === 0 && cursor !== undefined) {
      this.isFaulting[vcpu] = 1;
      this.timeline.faultBegins(vcpu, this.startPs + time, cursor.vfn, cursor.kind);
    }
    this.askedPs[vcpu] = time;
    super.startStage(vcpu, stage, time, held);
  }

  protected override schedule(vcpu: number, stage: number, time: number): void {
    const askedPs = this.askedPs[vcpu] ?? time;
    if (time > askedPs) this.timeline.waited(vcpu, this.startPs + askedPs, this.startPs + time);
    this.isStaged[vcpu] = 1;
    this.timeline.stageBegins(vcpu, stage, this.startPs + time);
    super.schedule(vcpu, stage, time);
  }

  protected override advance(vcpu: number, time: number): number {
    const timePs = this.startPs + time;
    this.lastPs = Math.max(this.lastPs, timePs);
    this.flushes.begin(vcpu);
    const next = super.advance(vcpu, time);
    this.flushes.tell(vcpu, timePs);
    this.isStaged[vcpu] = 0;
    this.timeline.stageEnds(vcpu, timePs);
    if (next === ACCESS_DONE) {
      this.isFaulting[vcpu] = 0;
      this.timeline.faultEnds(vcpu, timePs);
    }
    return next;
  }

  private telling(vcpu: number, what: string, from: number, to: number, act: () => void): void {
    this.flushes.begin(vcpu);
    act();
    this.timeline.acts(vcpu, what, this.startPs + from, this.startPs + to);
    this.flushes.tell(vcpu, this.startPs + to);
  }
}
