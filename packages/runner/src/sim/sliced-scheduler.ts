/**
 * vCPUs that take turns on one CPU, as the CPUs of a machine emulated by a single thread do (QEMU with -icount).
 *
 * A vCPU runs for a slice, whatever it is doing, and the others stand still meanwhile: one that has fallen behind catches up within its slice, over pages it finds mapped,
 * and only what was under way when a slice ended is done twice. Who waits for mmu_lock gives its slice up. A spinlock is handed to the first in its queue, which so keeps
 * all vCPUs in step, each turn one fault long; a reader-writer lock is free for whoever runs, as those of 6.1 were measured to be.
 *
 * The same stages, durations and counters as in scheduler.ts. Hot path.
 */
import { ACCESS_DONE, type Counters, type VcpuProgram } from '@mmulab/api';
import { schedulerLivelock, schedulerStage } from '../errors';
import type { Generators } from './generator';
import { NOMINAL_COSTS_PS } from './nominal-costs';
import { Atom, type ProgramCursor } from './program-cursor';
import { MAX_STAGES_PER_ACCESS, ProgramInterleaver, READY, type ScheduledBackend } from './program-interleaver';

const { hit: HIT_PS, entry: ENTRY_PS, exit: EXIT_PS, control: CONTROL_PS, slice: SLICE_PS } = NOMINAL_COSTS_PS;

/** Why a slice is over early: the program is at its end, or the vCPU waits. */
const ENDED = -1;
const YIELDED = -2;

/** What a vCPU has of the lock. */
const Held = { No: 0, Yes: 1, Queued: 2 } as const;

export class SlicedScheduler extends ProgramInterleaver {
  /** No stage takes the lock for reading: the kernel has a spinlock. */
  private readonly isSpinlock: boolean;
  private readonly locks: readonly string[];
  /** What is left of the stage a vCPU is in. */
  private readonly leftPs: Float64Array;
  private readonly held: Uint8Array;
  /** vCPUs whose programs are not at their end, in the order of their turns; whose turn it is, and what is left of the slice. */
  private running: number[] = [];
  private turn = 0;
  private slicePs = 0;

  /**
   * @param seed of the run
   * @param vcpus number of vCPUs of the VM
   */
  constructor(backend: ScheduledBackend, counters: Counters, generators: Generators, seed: number, vcpus: number) {
    super(backend, counters, generators, seed, vcpus);
    this.locks = backend.stages.map(stage => stage.lock);
    this.isSpinlock = !this.locks.includes('read');
    this.leftPs = new Float64Array(vcpus);
    this.held = new Uint8Array(vcpus);
  }

  next(): number {
    const { running } = this;
    if (running.length === 0) {
      this.cursors.fill(undefined);
      return -1;
    }
    const vcpu = running[this.turn];
    if (this.slicePs <= 0) this.slicePs = this.jitter.duration(vcpu, SLICE_PS);
    const spent = this.act(vcpu);
    this.slicePs = spent < 0 ? 0 : this.slicePs - spent;
    if (spent === ENDED) running.splice(this.turn, 1);
    else if (this.slicePs <= 0) this.turn++;
    if (this.turn >= running.length) this.turn = 0;
    return vcpu;
  }

  protected override begin(programs: readonly VcpuProgram[], first: number): void {
    super.begin(programs, first);
    this.running = programs.map((_, vcpu) => vcpu);
    this.turn = 0;
    this.slicePs = 0;
  }

  /** What a vCPU does next within its slice. @returns its duration, ENDED or YIELDED */
  private act(vcpu: number): number {
    const stage = this.stages[vcpu];
    if (stage >= 0) return this.mayRun(vcpu, stage) ? this.goOn(vcpu, stage) : YIELDED;
    if (stage === READY) return this.step(vcpu);
    this.backend.enter(vcpu);
    this.stages[vcpu] = READY;
    return ENTRY_PS;
  }

  /** One atom of the program. @returns its duration, or ENDED */
  private step(vcpu: number): number {
    const cursor = this.cursors[vcpu] as ProgramCursor;
    const atom = cursor.next();
    this.counters.select(vcpu);
    switch (atom) {
      case Atom.Access: {
        const stage = this.backend.begin(vcpu, cursor.vfn, cursor.kind);
        if (stage === ACCESS_DONE) return HIT_PS;
        this.stagesTaken[vcpu] = 0;
        this.startStage(vcpu, stage);
        return 0;
      }
      case Atom.Exit:
        this.backend.leave?.(vcpu);
        this.backend.enter(vcpu);
        return EXIT_PS;
      case Atom.Control:
        if (cursor.write !== undefined) this.backend.control(vcpu, cursor.write);
        return CONTROL_PS;
      case Atom.Table:
        if (cursor.tableWrites === undefined) return 0;
        this.backend.writeTables?.(vcpu, cursor.tableWrites);
        return cursor.tableWrites.count * HIT_PS;
      default:
        if (!this.stays) this.backend.leave?.(vcpu);
        return ENDED;
    }
  }

  private startStage(vcpu: number, stage: number): void {
    const { durations } = this;
    if (stage < 0 || stage >= durations.length) throw schedulerStage(vcpu, stage, durations.length);
    this.stages[vcpu] = stage;
    this.leftPs[vcpu] = this.jitter.duration(vcpu, durations[stage]);
  }

  /** Whether the vCPU has what the stage needs. */
  private mayRun(vcpu: number, stage: number): boolean {
    const mode = this.locks[stage];
    if (mode === 'none' || this.held[vcpu] === Held.Yes) return true;
    if (this.held[vcpu] === Held.Queued) return false;
    const write = mode === 'write';
    const has = this.isSpinlock ? this.lock.acquire(vcpu, write) : this.lock.tryAcquire(write);
    this.held[vcpu] = has ? Held.Yes : this.isSpinlock ? Held.Queued : Held.No;
    return has;
  }

  /** The vCPU is in a stage, which ends if the slice is long enough. @returns what that took */
  private goOn(vcpu: number, stage: number): number {
    const needed = this.leftPs[vcpu];
    if (needed > this.slicePs) {
      this.leftPs[vcpu] = needed - this.slicePs;
      return this.slicePs;
    }
    this.counters.select(vcpu);
    const next = this.backend.advance(vcpu);
    const mode = this.locks[stage];
    if (mode !== 'none' && (next < 0 || this.locks[next] !== mode)) this.release(vcpu, mode === 'write');
    if (next === ACCESS_DONE) {
      this.stages[vcpu] = READY;
    } else {
      this.startStage(vcpu, next);
      if (++this.stagesTaken[vcpu] > MAX_STAGES_PER_ACCESS) throw schedulerLivelock(vcpu, MAX_STAGES_PER_ACCESS);
    }
    return needed;
  }

  private release(vcpu: number, write: boolean): void {
    this.held[vcpu] = Held.No;
    const admitted = this.lock.release(write);
    for (let i = 0; i < admitted; i++) this.held[this.lock.granted[i]] = Held.Yes;
  }
}
