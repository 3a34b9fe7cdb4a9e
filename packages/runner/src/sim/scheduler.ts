/**
 * Orders the accesses of vCPUs that share memory, in virtual time.
 *
 * Every vCPU has one event pending: the time at which it goes on with its program, or at which the stage of a fault it is in ends. Events are
 * taken by time, ties by the lower vCPU. A stage takes its nominal duration, varied by the vCPU's randomness; what it does becomes visible at its end. A stage
 * that needs mmu_lock first waits for it, first come first served; between neighbouring stages of the same lock mode the lock is kept.
 * Accesses that need no stage run on in a batch until the next event of another vCPU is due; faults that go round because of another vCPU need no events
 * (waiting-faults.ts).
 *
 * Hits are no events: where the backend says how many accesses from here on hit without any effect (`hitsAhead`), the vCPU's next event is the one behind them. Should an
 * entry lose rights meanwhile (`losses`), vCPUs that passed over accesses at later times are set back to the first of those. What is counted is the same.
 *
 * Counters: the vCPU is selected, in the scope of no slot, before every call of the backend. Hot path.
 */
import { ACCESS_DONE, type ControlWrite, type Counters, type GuestTableWrites, type VcpuProgram } from '@mmulab/api';
import { schedulerLivelock, schedulerStage } from '../errors';
import { EventQueue } from './event-queue';
import type { Generators } from './generator';
import { NOMINAL_COSTS_PS } from './nominal-costs';
import { Atom, type ProgramCursor } from './program-cursor';
import {
  MAX_STAGES_PER_ACCESS,
  NOT_ENTERED as NOT_ENTERED_CODE,
  READY as READY_CODE,
  ProgramInterleaver,
  type ScheduledBackend,
} from './program-interleaver';
import { LookAhead, NO_STAGE } from './look-ahead';
import { WaitingFaults } from './waiting-faults';

// Bound here: names that other modules export are looked up at each use.
const DONE: number = ACCESS_DONE;
const { Access: ACCESS, Exit: EXIT, Control: CONTROL, Table: TABLE } = Atom;

const READY: number = READY_CODE;
const NOT_ENTERED: number = NOT_ENTERED_CODE;

const { hit: HIT_PS, entry: ENTRY_PS, exit: EXIT_PS, control: CONTROL_PS, startSpread: START_SPREAD_PS } = NOMINAL_COSTS_PS;
/** vCPUs in a convoy reach the next stretch of memory about as far apart as it takes to leave the guest and come back. */
const ROUND_SPREAD_PS = EXIT_PS;

const LockMode = { None: 0, Read: 1, Write: 2 } as const;
/** Of a vCPU that holds nothing. */
const NO_LOCK: number = LockMode.None;
const lockModes = { none: LockMode.None, read: LockMode.Read, write: LockMode.Write } as const;

export class Scheduler extends ProgramInterleaver {
  private readonly queue: EventQueue;
  private readonly modes: Uint8Array;
  /** Accesses a waiting vCPU has passed over, and the time of the first. */
  private readonly passed: Float64Array;
  private readonly passedFrom: Float64Array;
  /** `losses` of the backend when vCPUs were last looked after. */
  private losses = 0;
  /** Stage that the fault of each vCPU begins with. */
  private readonly firstStages: Int32Array;
  /** vCPUs whose faults go round without events; undefined where the backend does not tell, or every stage is to be seen. */
  private readonly waiting: WaitingFaults | undefined;
  /** Whose event is handled, and its time. */
  private actor = 0;
  private now = 0;
  /** Faults that are taken ahead of time; undefined where the backend has no memory of them, or every stage is to be seen. */
  private readonly ahead: LookAhead | undefined;

  /**
   * @param seed of the run
   * @param vcpus number of vCPUs of the VM
   * @param seesStages every stage is taken one by one, for somebody who looks on
   */
  constructor(backend: ScheduledBackend, counters: Counters, generators: Generators, seed: number, vcpus: number, seesStages = false) {
    super(backend, counters, generators, seed, vcpus);
    this.queue = new EventQueue(vcpus);
    this.passed = new Float64Array(vcpus);
    this.passedFrom = new Float64Array(vcpus);
    this.modes = Uint8Array.from(backend.stages, stage => lockModes[stage.lock]);
    this.firstStages = new Int32Array(vcpus);
    const memory = seesStages || this.modes.includes(LockMode.Write) ? undefined : backend.faultMemory?.();
    if (memory !== undefined) this.ahead = new LookAhead(memory, this.jitter, this.durations, vcpus);
    const waits = seesStages ? undefined : backend.faultWaits?.();
    if (waits !== undefined) this.waiting = new WaitingFaults(waits, counters, this.durations, vcpus);
  }

  next(): number {
    const { ahead } = this;
    if (ahead !== undefined && ahead.count > 0 && !this.queue.isBefore(ahead.time, ahead.vcpu)) return this.handleAhead(ahead);
    if (this.queue.size === 0) this.endWaiting(-Infinity, 0);
    if (this.queue.size === 0) {
      this.cursors.fill(undefined);
      return -1;
    }
    const vcpu = this.queue.pop();
    this.handle(vcpu, this.queue.time);
    return vcpu;
  }

  protected override toEnd(): void {
    try {
      super.toEnd();
    } catch (error) {
      this.ahead?.abandon(this.actor, this.now);
      throw error;
    }
  }

  protected override begin(programs: readonly VcpuProgram[], first: number): void {
    super.begin(programs, first);
    this.passed.fill(0);
    this.losses = this.backend.losses ?? 0;
    const spreadPs = first === NOT_ENTERED ? START_SPREAD_PS : ROUND_SPREAD_PS;
    programs.forEach((_, vcpu) => this.queue.push(this.jitter.upTo(vcpu, spreadPs), vcpu));
  }

  private handle(vcpu: number, time: number): void {
    const stage = this.stages[vcpu];
    this.actor = vcpu;
    this.now = time;
    this.passed[vcpu] = 0;
    if (stage === NOT_ENTERED) {
      this.enter(vcpu, time, time + ENTRY_PS);
      this.noteChanges(vcpu, time);
      this.goOn(vcpu, time + ENTRY_PS);
    } else if (stage === READY) {
      this.goOn(vcpu, time);
    } else {
      this.endStage(vcpu, stage, time);
    }
  }

  /** Handles the earliest event of those whose faults are taken ahead. @returns whose it was */
  private handleAhead(ahead: LookAhead): number {
    const { vcpu, time } = ahead;
    this.actor = vcpu;
    this.now = time;
    if (!ahead.isFault) {
      ahead.leaveForProgram();
      ahead.release(vcpu, this.cursors[vcpu] as ProgramCursor);
      this.passed[vcpu] = 0;
      this.goOn(vcpu, time);
    } else if (!ahead.bring()) {
      this.counters.select(vcpu);
      ahead.perform();
      this.noteChanges(vcpu, time);
    } else if (ahead.leaving.length > 0) {
      this.takeOver(ahead.leaving);
    }
    return vcpu;
  }

  /** Those whose faults memory says nothing of any more go on by events. */
  private takeOver(leaving: number[]): void {
    const ahead = this.ahead as LookAhead;
    for (let vcpu = leaving.pop(); vcpu !== undefined; vcpu = leaving.pop()) {
      const stage = ahead.release(vcpu, this.cursors[vcpu] as ProgramCursor);
      this.stages[vcpu] = stage === NO_STAGE ? READY : stage;
      this.passed[vcpu] = 0;
      if (stage !== NO_STAGE && this.modes[stage] === LockMode.Read) this.lock.acquire(vcpu, false);
      this.queue.push(ahead.endOf(vcpu), vcpu);
    }
  }

  /** Runs the program until it needs a stage, ends, or another vCPU is due. */
  private goOn(vcpu: number, from: number): void {
    const { backend, counters } = this;
    const cursor = this.cursors[vcpu] as ProgramCursor;
    let time = from;
    for (;;) {
      if (this.queue.isBefore(time, vcpu) || this.ahead?.isBefore(time, vcpu) === true) {
        this.stages[vcpu] = READY;
        this.queue.push(time, vcpu);
        return;
      }
      const atom = cursor.next();
      counters.select(vcpu);
      if (atom === ACCESS) {
        const next = backend.begin(vcpu, cursor.vfn, cursor.kind);
        this.noteChanges(vcpu, time);
        if (next !== DONE) {
          if (this.ahead?.enter(vcpu, cursor, time) === true) return;
          this.stagesTaken[vcpu] = 0;
          this.firstStages[vcpu] = next;
          this.startStage(vcpu, next, time, NO_LOCK);
          return;
        }
        time += HIT_PS;
        time = this.passOver(vcpu, cursor, time);
      } else if (atom === EXIT) {
        backend.leave?.(vcpu);
        this.enter(vcpu, time, time + EXIT_PS);
        this.noteChanges(vcpu, time);
        time += EXIT_PS;
      } else if (atom === CONTROL) {
        if (cursor.write !== undefined) this.control(vcpu, cursor.write, time, time + CONTROL_PS);
        this.noteChanges(vcpu, time);
        time += CONTROL_PS;
      } else if (atom === TABLE) {
        if (cursor.tableWrites !== undefined) time = this.writeTables(vcpu, cursor.tableWrites, time);
        this.noteChanges(vcpu, time);
      } else {
        this.ended(vcpu, time);
        return;
      }
    }
  }

  /** Passes over the accesses that hit without any effect. @param time of the next access; @returns that of the one behind them */
  private passOver(vcpu: number, cursor: ProgramCursor, time: number): number {
    const { following } = cursor;
    if (following === 0 || this.backend.hitsAhead === undefined) return time;
    const hits = this.backend.hitsAhead(vcpu, cursor.vfn + cursor.stride, cursor.kind, cursor.stride, following);
    if (hits === 0) return time;
    cursor.skip(hits);
    this.passed[vcpu] = hits;
    this.passedFrom[vcpu] = time;
    return time + hits * HIT_PS;
  }

  /** Something was done at a time by a vCPU: when an entry has lost rights by it, the others have not yet made the accesses they passed over from then on. */
  private settleLosses(vcpu: number, time: number): void {
    const losses = this.backend.losses ?? 0;
    if (losses === this.losses) return;
    this.losses = losses;
    for (let other = 0; other < this.passed.length; other++) {
      if (this.passed[other] > 0 && other !== vcpu) this.setBack(other, vcpu, time);
    }
  }

  private setBack(vcpu: number, by: number, time: number): void {
    const from = this.passedFrom[vcpu];
    let made = Math.max(0, Math.ceil((time - from) / HIT_PS));
    if (from + made * HIT_PS === time && vcpu < by) made++;
    const excess = this.passed[vcpu] - made;
    if (excess <= 0) return;
    (this.cursors[vcpu] as ProgramCursor).skip(-excess);
    this.passed[vcpu] = made;
    this.queue.bringForward(from + made * HIT_PS, vcpu);
  }

  /** The vCPU enters the guest, for the first time or after an exit to user space, between two times. */
  protected enter(vcpu: number, _from: number, _to: number): void {
    this.backend.enter(vcpu);
  }

  /** The guest writes a register. */
  protected control(vcpu: number, write: ControlWrite, _from: number, _to: number): void {
    this.backend.control(vcpu, write);
  }

  /** The guest writes its tables: all of a step at once, with the faults. @returns when that is done */
  protected writeTables(vcpu: number, writes: GuestTableWrites, from: number): number {
    this.backend.writeTables?.(vcpu, writes);
    return from + writes.count * HIT_PS;
  }

  /** The vCPU's program is over. */
  protected ended(vcpu: number, _time: number): void {
    if (!this.stays) this.backend.leave?.(vcpu);
  }

  /** Runs the vCPU's pending stage, which ends now. @returns the next one */
  protected advance(vcpu: number, _time: number): number {
    return this.backend.advance(vcpu);
  }

  protected startStage(vcpu: number, stage: number, time: number, held: number): void {
    if (stage < 0 || stage >= this.durations.length) throw schedulerStage(vcpu, stage, this.durations.length);
    this.stages[vcpu] = stage;
    const mode = this.modes[stage];
    // Who waits holds the lock for reading now and then.
    if (mode === LockMode.Write) this.endWaiting(time, vcpu);
    if (mode === LockMode.None || mode === held || this.lock.acquire(vcpu, mode === LockMode.Write)) this.schedule(vcpu, stage, time);
  }

  /** The vCPU has what the stage needs, and begins it. */
  protected schedule(vcpu: number, stage: number, time: number): void {
    this.queue.push(time + this.jitter.duration(vcpu, this.durations[stage]), vcpu);
  }

  private endStage(vcpu: number, stage: number, time: number): void {
    this.counters.select(vcpu);
    const next = this.endOf(vcpu, stage, time);
    this.noteChanges(vcpu, time);
    const held = this.modes[stage];
    const isKept = next >= 0 && this.modes[next] === held;
    if (held !== LockMode.None && !isKept) this.release(held, time);
    if (next === DONE) {
      this.goOn(vcpu, time);
      return;
    }
    this.countStages(vcpu, 1);
    if (next === this.firstStages[vcpu] && this.waits(vcpu, next, time)) return;
    this.startStage(vcpu, next, time, isKept ? held : NO_LOCK);
  }

  /** Has the stage do what it does. @returns the next one */
  private endOf(vcpu: number, stage: number, time: number): number {
    const { waiting } = this;
    if (waiting?.learns(vcpu) !== true) return this.advance(vcpu, time);
    waiting.stageEnds(vcpu);
    const next = this.advance(vcpu, time);
    waiting.stageEnded(vcpu, stage, next);
    return next;
  }

  /** A fault begins again. @returns whether the vCPU goes round without events from now on */
  private waits(vcpu: number, stage: number, time: number): boolean {
    const { waiting } = this;
    if (waiting?.turnEnded(vcpu) !== true || this.modes[stage] !== LockMode.None || this.lock.isWanted) return false;
    this.stages[vcpu] = stage;
    waiting.add(vcpu, stage, time + this.jitter.duration(vcpu, this.durations[stage]));
    return true;
  }

  /** A vCPU has done something at a time: others may have passed over hits that are none now, or wait for just that. */
  private noteChanges(vcpu: number, time: number): void {
    this.settleLosses(vcpu, time);
    const { waiting, ahead } = this;
    if (ahead !== undefined && ahead.count > 0) ahead.settle(vcpu, time);
    if (ahead !== undefined && ahead.leaving.length > 0) this.takeOver(ahead.leaving);
    if (waiting !== undefined && waiting.vcpus.length > 0 && waiting.isOver) this.endWaiting(time, vcpu);
  }

  /** Those that wait go on by events, from where they are when an event of `vcpu` at `time` is handled. */
  private endWaiting(time: number, vcpu: number): void {
    const { waiting } = this;
    if (waiting === undefined) return;
    for (let other = waiting.vcpus.pop(); other !== undefined; other = waiting.vcpus.pop()) {
      waiting.advance(other, time, vcpu, this.jitter);
      const stage = waiting.stages[other];
      this.stages[other] = stage;
      this.countStages(other, waiting.taken[other]);
      if (this.modes[stage] === LockMode.Read) this.lock.acquire(other, false);
      this.queue.push(waiting.ends[other], other);
    }
  }

  private release(mode: number, time: number): void {
    const admitted = this.lock.release(mode === LockMode.Write);
    for (let i = 0; i < admitted; i++) {
      const vcpu = this.lock.granted[i];
      this.schedule(vcpu, this.stages[vcpu], time);
    }
  }

  private countStages(vcpu: number, count: number): void {
    const taken = this.stagesTaken[vcpu] + count;
    this.stagesTaken[vcpu] = taken;
    if (taken > MAX_STAGES_PER_ACCESS) throw schedulerLivelock(vcpu, MAX_STAGES_PER_ACCESS);
  }
}
