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
import { ACCESS_DONE, type ControlWrite, type Counters, type MmuBackend, type VcpuProgram } from '@mmulab/api';
import { schedulerLivelock, schedulerStage } from '../errors';
import { EventQueue } from './event-queue';
import type { Generators } from './generator';
import { Jitter, seedOf } from './jitter';
import { MmuLock } from './mmu-lock';
import { NOMINAL_COSTS_NS } from './nominal-costs';
import { Atom, ProgramCursor } from './program-cursor';
import { WaitingFaults } from './waiting-faults';

// Bound here: names that other modules export are looked up at each use.
const DONE: number = ACCESS_DONE;
const { Access: ACCESS, Exit: EXIT, Control: CONTROL } = Atom;

const PS_PER_NS = 1000;
const HIT_PS = NOMINAL_COSTS_NS.hit * PS_PER_NS;
const ENTRY_PS = NOMINAL_COSTS_NS.entry * PS_PER_NS;
const EXIT_PS = NOMINAL_COSTS_NS.exit * PS_PER_NS;
const CONTROL_PS = NOMINAL_COSTS_NS.control * PS_PER_NS;
const START_SPREAD_PS = NOMINAL_COSTS_NS.startSpread * PS_PER_NS;
/** vCPUs in a convoy reach the next stretch of memory about as far apart as it takes to leave the guest and come back. */
const ROUND_SPREAD_PS = NOMINAL_COSTS_NS.exit * PS_PER_NS;

/** What a vCPU's event means when it is not the end of a stage (stages count from 0). */
const READY = -1;
const NOT_ENTERED = -2;

const LockMode = { None: 0, Read: 1, Write: 2 } as const;
/** Of a vCPU that holds nothing. */
const NO_LOCK: number = LockMode.None;
const lockModes = { none: LockMode.None, read: LockMode.Read, write: LockMode.Write } as const;

/** More stages than any access takes: retries end when others have made progress. */
export const MAX_STAGES_PER_ACCESS = 10_000_000;

/** The part of a backend that accesses are interleaved through. */
export type ScheduledBackend = Pick<
  MmuBackend,
  'stages' | 'enter' | 'leave' | 'begin' | 'advance' | 'control' | 'hitsAhead' | 'losses' | 'faultWaits'
>;

/** Has vCPUs that share memory do their accesses, in an order that the seed decides. */
export interface Interleaver {
  /**
   * Runs one program per vCPU to its end; a vCPU enters the guest first, and leaves it last.
   * @param pass tells this pass of the run from others: each has randomness of its own
   * @param stays vCPUs stay in the guest: rounds follow
   * @throws SCHEDULER_STAGE, SCHEDULER_LIVELOCK: bugs of the backend
   */
  run(programs: readonly VcpuProgram[], pass: number, stays?: boolean): void;
  /** As `run`, one thing after the other: `next` takes each. */
  start(programs: readonly VcpuProgram[], pass: number, stays?: boolean): void;
  /** Handles what is next: an event, or a part of a vCPU's turn. @returns whose it was; -1 when all programs are at their end */
  next(): number;
  /**
   * Runs one program per vCPU, all of them in the guest already, and leaves them there.
   * @param round tells this round from others of the pass: each has randomness of its own
   */
  runRound(programs: readonly VcpuProgram[], pass: number, round: number): void;
}

export class Scheduler implements Interleaver {
  /** The program of each vCPU, while it runs. */
  protected readonly cursors: (ProgramCursor | undefined)[];
  private readonly queue: EventQueue;
  private readonly lock: MmuLock;
  private readonly jitter: Jitter;
  private readonly stages: Int32Array;
  private readonly stagesTaken: Int32Array;
  private readonly durations: Float64Array;
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
  /** vCPUs stay in the guest when their programs end. */
  private stays = false;

  /**
   * @param seed of the run
   * @param vcpus number of vCPUs of the VM
   * @param seesStages every stage is taken one by one, for somebody who looks on
   */
  constructor(
    protected readonly backend: ScheduledBackend,
    private readonly counters: Counters,
    private readonly generators: Generators,
    private readonly seed: number,
    vcpus: number,
    seesStages = false,
  ) {
    this.jitter = new Jitter(seed, vcpus);
    this.queue = new EventQueue(vcpus);
    this.lock = new MmuLock(vcpus);
    this.stages = new Int32Array(vcpus);
    this.stagesTaken = new Int32Array(vcpus);
    this.cursors = new Array<ProgramCursor | undefined>(vcpus).fill(undefined);
    this.durations = Float64Array.from(backend.stages, stage => stage.nominalNs * PS_PER_NS);
    this.passed = new Float64Array(vcpus);
    this.passedFrom = new Float64Array(vcpus);
    this.modes = Uint8Array.from(backend.stages, stage => lockModes[stage.lock]);
    this.firstStages = new Int32Array(vcpus);
    const waits = seesStages ? undefined : backend.faultWaits?.();
    if (waits !== undefined) this.waiting = new WaitingFaults(waits, counters, this.durations, vcpus);
  }

  run(programs: readonly VcpuProgram[], pass: number, stays = false): void {
    this.start(programs, pass, stays);
    while (this.next() >= 0);
  }

  start(programs: readonly VcpuProgram[], pass: number, stays = false): void {
    this.jitter.restart(seedOf(this.seed, pass));
    this.stays = stays;
    this.begin(programs, NOT_ENTERED, START_SPREAD_PS);
  }

  next(): number {
    if (this.queue.size === 0) this.endWaiting(-Infinity, 0);
    if (this.queue.size === 0) {
      this.cursors.fill(undefined);
      return -1;
    }
    const vcpu = this.queue.pop();
    this.handle(vcpu, this.queue.time);
    return vcpu;
  }

  runRound(programs: readonly VcpuProgram[], pass: number, round: number): void {
    this.jitter.restart(seedOf(this.seed, pass, round));
    this.stays = true;
    this.begin(programs, READY, ROUND_SPREAD_PS);
    while (this.next() >= 0);
  }

  private begin(programs: readonly VcpuProgram[], first: number, spreadPs: number): void {
    this.passed.fill(0);
    this.losses = this.backend.losses ?? 0;
    programs.forEach((program, vcpu) => {
      this.cursors[vcpu] = new ProgramCursor(program, vcpu, this.generators);
      this.stages[vcpu] = first;
      this.queue.push(this.jitter.upTo(vcpu, spreadPs), vcpu);
    });
  }

  private handle(vcpu: number, time: number): void {
    const stage = this.stages[vcpu];
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

  /** Runs the program until it needs a stage, ends, or another vCPU is due. */
  private goOn(vcpu: number, from: number): void {
    const { backend, counters } = this;
    const cursor = this.cursors[vcpu] as ProgramCursor;
    let time = from;
    for (;;) {
      if (this.queue.isBefore(time, vcpu)) {
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
    const { waiting } = this;
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
