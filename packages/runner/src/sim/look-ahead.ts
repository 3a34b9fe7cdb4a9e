/**
 * Faults of vCPUs that share memory, taken ahead of time by memory of what their stages do (FaultMemory).
 *
 * On first touch nearly all vCPUs fault on each page, but only two stages of all their faults change anything that others see: the one that makes the host's page, and the one that
 * maps it. All other stages look, and what they find is what is there now, unless somebody changes it before their time. So a vCPU goes ahead, stage after stage, each with its time
 * and its draw, until the next thing it would do changes a page, is not known, or is no fault. That is its event. The earliest event of all is handled; if it changes a page,
 * those who have looked at that page at a later time are taken back to there, draws and counts included, and go ahead anew. The outcome is that of taking all stages one by one.
 *
 * There is no queue: after a change all vCPUs are gone through anyway, and the earliest event is found on the way. Only for kernels whose stages never hold mmu_lock for writing:
 * readers do not wait. Hot path.
 */
import { ACCESS_DONE, BEGINS as BEGINS_CODE, LOOK_BITS as LOOK_BITS_OF_PAGE, type FaultMemory } from '@mmulab/api';
import { schedulerLivelock } from '../errors';
import { drawn as drawnState, durationOf as durationOfDraw, type Jitter } from './jitter';
import { LookAheadCredit } from './look-ahead-credit';
import { NOMINAL_COSTS_PS } from './nominal-costs';
import type { ProgramCursor } from './program-cursor';
import { MAX_STAGES_PER_ACCESS as MAX_STAGES } from './program-interleaver';
import { DEPTH as DEPTH_OF_WAYS, Ways } from './ways';

// Bound here: names that other modules export are looked up at each use.
const BEGINS: number = BEGINS_CODE;
const DONE: number = ACCESS_DONE;
const LOOK_BITS: number = LOOK_BITS_OF_PAGE;
const DEPTH: number = DEPTH_OF_WAYS;
const MAX_STAGES_PER_ACCESS: number = MAX_STAGES;
const drawn = drawnState;
const durationOf = durationOfDraw;
const { hit: HIT_PS } = NOMINAL_COSTS_PS;

/** No situation: the vCPU goes on with its program. */
const PROGRAM = 0;
/** No outcome is known. */
const UNKNOWN = 0;
const NOBODY = -1;
/** No stage is due. */
export const NO_STAGE = -1;

export class LookAhead {
  /** vCPUs that are here. */
  count = 0;
  /** The earliest event, ties to the lower vCPU: its time, and whose it is. */
  time = Infinity;
  vcpu = NOBODY;
  /** vCPUs that memory says nothing of any more: to be taken over, each with `release`. */
  readonly leaving: number[] = [];
  /** The time of what was handled last. */
  private now = 0;
  private readonly ways: Ways;
  // By vCPU.
  /** Time of its event; Infinity for who is not here. */
  private readonly events: Float64Array;
  private readonly blocks: Float64Array;
  private readonly strides: Int32Array;
  /** The page it was at when it came, and the last one it may go on to. */
  private readonly firsts: Int32Array;
  private readonly lasts: Int32Array;
  /** The page it stood at when its steps were last forgotten, and how many it has taken there. */
  private readonly stoodAt: Int32Array;
  private readonly taken: Int32Array;
  /** Of who has left: the stage that is due. */
  private readonly due: Int32Array;
  // What somebody is going to change: nobody looks at it at a later time before that has happened. Only a guess: who waits in vain goes on at its own time.
  private soonBlock = -1;
  private soonPage = -1;
  private soonTime = 0;
  private soonChanges = 0;
  private readonly credit: LookAheadCredit;
  /** Stamp of the memory when everybody last looked. */
  private stamp = 0;

  /** @param durations by stage, in picoseconds */
  constructor(
    private readonly memory: FaultMemory,
    private readonly jitter: Jitter,
    private readonly durations: Float64Array,
    private readonly vcpus: number,
  ) {
    this.ways = new Ways(vcpus);
    this.credit = new LookAheadCredit(vcpus);
    this.events = new Float64Array(vcpus).fill(Infinity);
    this.blocks = new Float64Array(vcpus).fill(-1);
    this.strides = new Int32Array(vcpus);
    this.firsts = new Int32Array(vcpus);
    this.lasts = new Int32Array(vcpus);
    this.stoodAt = new Int32Array(vcpus).fill(-1);
    this.taken = new Int32Array(vcpus);
    this.due = new Int32Array(vcpus);
  }

  /** Whether the earliest event comes before one of `vcpu` at `time`. */
  isBefore(time: number, vcpu: number): boolean {
    return this.time < time || (this.time === time && this.vcpu < vcpu);
  }

  /** A vCPU has begun an access at a time, and its fault's first stage is due: from now on it is here. @returns false where memory is not to be asked */
  enter(vcpu: number, cursor: ProgramCursor, time: number): boolean {
    const { memory } = this;
    if (this.credit.refuses()) return false;
    this.now = time;
    const situation = memory.enter(vcpu, cursor.vfn, cursor.kind);
    if (situation === PROGRAM) return false;
    if (this.count++ === 0) this.stamp = memory.stamp;
    const page = cursor.vfn - memory.first(vcpu);
    const stride = Math.max(1, cursor.stride);
    const more = cursor.stride > 0 ? Math.min(cursor.following, Math.floor((memory.last(vcpu) - page) / stride)) : 0;
    this.blocks[vcpu] = memory.block(vcpu);
    this.strides[vcpu] = stride;
    this.firsts[vcpu] = page;
    this.lasts[vcpu] = page + more * stride;
    this.start(vcpu, situation, page, this.stageEnd(vcpu, memory.stages[situation], time));
    this.goAhead(vcpu, UNKNOWN);
    if (this.isBefore(this.events[vcpu], vcpu)) return true;
    this.vcpu = vcpu;
    this.time = this.events[vcpu];
    return true;
  }

  /** Whether the earliest event is a fault's: else the vCPU is to go on with its program. */
  get isFault(): boolean {
    return this.ways.situations[this.ways.last(this.vcpu)] !== PROGRAM;
  }

  /** Handles the earliest event by memory, if that knows it. @returns false when it is to be performed: nothing was done */
  bring(): boolean {
    const { vcpu, memory, ways, time } = this;
    const at = ways.last(vcpu);
    const page = ways.page[vcpu];
    const situation = ways.situations[at];
    const answer = memory.outcomes[(situation << LOOK_BITS) | memory.lookOf(vcpu, page)];
    const outcome = Math.abs(answer);
    const changes = memory.changes[outcome];
    if (answer === UNKNOWN || (changes !== 0 && !memory.bring(vcpu, outcome, page))) return false;
    this.now = time;
    this.start(vcpu, situation, page, time);
    // It has happened.
    if (changes !== 0) this.soonPage = NOBODY;
    this.goAhead(vcpu, outcome);
    if (changes !== 0) this.lookAgain(vcpu, page, changes);
    else this.findEarliest();
    if (this.credit.isSpent) this.giveUp(vcpu);
    return true;
  }

  /** Has the backend perform the earliest event, which is a fault's, and goes on from there. The vCPU is selected. */
  perform(): void {
    const { vcpu, memory, ways, time } = this;
    this.now = time;
    const [situation, page] = [ways.situations[ways.last(vcpu)], ways.page[vcpu]];
    memory.restore(vcpu, situation, page);
    const next = memory.perform(vcpu, situation, page);
    const { reached, isMore, changed } = memory;
    if (next === DONE) {
      this.startNext(vcpu, page, memory.stages[situation] === BEGINS ? time + HIT_PS : time);
    } else {
      this.start(vcpu, Math.max(reached, PROGRAM), page, this.stageEnd(vcpu, next, time));
      // The backend's fault goes on, but not as one that memory can follow.
      if (reached < 0) this.leave(vcpu, next);
    }
    if (isMore) {
      this.credit.spendOnBackend();
      this.settle(vcpu, time);
    } else {
      this.stamp = memory.stamp;
    }
    if (reached >= 0) this.lookOn(vcpu);
    this.lookAgain(vcpu, page, changed);
    if (this.credit.isSpent) this.giveUp(vcpu);
  }

  /** Something was done at a time by a vCPU, and not by memory: those who have looked ahead of that look again. */
  settle(by: number, time: number): void {
    const { memory, events } = this;
    const { stamp } = memory;
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    this.now = time;
    this.credit.spend(this.vcpus, this.count);
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      if (events[vcpu] === Infinity || vcpu === by) continue;
      this.takeBack(vcpu, this.ways.firstAfter(vcpu, time, by));
      this.lookOn(vcpu);
    }
    this.findEarliest();
  }

  /** Looking ahead is not worth it: all go on by events, each from where it is now. */
  private giveUp(by: number): void {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      if (this.events[vcpu] === Infinity) continue;
      this.takeBack(vcpu, this.ways.firstAfter(vcpu, this.now, by));
      this.leave(vcpu, this.stageOf(vcpu));
    }
    this.findEarliest();
  }

  /** What a vCPU did at a time has failed, and ends everything: nobody has got any further than to there. */
  abandon(by: number, time: number): void {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      if (this.events[vcpu] === Infinity) continue;
      this.takeBack(vcpu, this.ways.firstAfter(vcpu, time, by));
      this.events[vcpu] = Infinity;
    }
    this.count = 0;
    this.leaving.length = 0;
    this.findEarliest();
  }

  /** The vCPU of the earliest event goes on with its program. */
  leaveForProgram(): void {
    this.leave(this.vcpu, NO_STAGE);
    this.leaving.pop();
    this.findEarliest();
  }

  /** Puts the cursor of a vCPU that has left where it has got to. @returns the stage due at `endOf`; NO_STAGE: the program is to go on then */
  release(vcpu: number, cursor: ProgramCursor): number {
    const stage = this.due[vcpu];
    const accesses = (this.ways.page[vcpu] - this.firsts[vcpu]) / this.strides[vcpu];
    cursor.skip(stage === NO_STAGE ? accesses - 1 : accesses);
    return stage;
  }

  /** When what is due of a vCPU that has left ends. */
  endOf(vcpu: number): number {
    return this.ways.times[this.ways.last(vcpu)];
  }

  /** The only step of a vCPU: those before it are made for good. */
  private start(vcpu: number, situation: number, page: number, time: number): void {
    this.credit.save(this.ways.length[vcpu]);
    this.countSteps(vcpu, page, this.ways.length[vcpu] + 1);
    this.ways.start(vcpu, situation, page, time);
    this.events[vcpu] = time;
  }

  /** The step after an access that is made. */
  private startNext(vcpu: number, page: number, time: number): void {
    const next = page + this.strides[vcpu];
    this.start(vcpu, next <= this.lasts[vcpu] ? this.memory.beginning(vcpu) : PROGRAM, next, time);
  }

  private stageEnd(vcpu: number, stage: number, time: number): number {
    return time + this.jitter.duration(vcpu, this.durations[stage]);
  }

  /** Goes ahead, if memory still is to be asked. */
  private lookOn(vcpu: number): void {
    if (this.memory.renew(vcpu, this.memory.first(vcpu) + this.firsts[vcpu])) return this.goAhead(vcpu, UNKNOWN);
    this.credit.spendOnBackend();
    this.leave(vcpu, this.stageOf(vcpu));
  }

  /** Goes ahead from a vCPU's last step. @param outcome of that step; UNKNOWN: as memory says, if it changes nothing */
  private goAhead(vcpu: number, outcome: number): void {
    const { memory, durations, vcpus, soonPage } = this;
    const { situations, times, outcomes } = this.ways;
    const { stages, after, counts, outcomes: known } = memory;
    const full = vcpu * DEPTH + DEPTH - 1;
    let at = this.ways.last(vcpu);
    let situation = situations[at];
    let page = this.ways.page[vcpu];
    let time = times[at];
    let draw = this.jitter.stateOf(vcpu);
    let look = situation === PROGRAM ? 0 : memory.lookOf(vcpu, page);
    let next = outcome;
    while (situation !== PROGRAM) {
      if (next === UNKNOWN) {
        if (at === full) at -= this.forget(vcpu, page);
        if (at === full || (page === soonPage && this.isSoonChanged(vcpu, situation, time))) break;
        next = known[(situation << LOOK_BITS) | look];
        if (next <= UNKNOWN) break;
      }
      const counted = next * vcpus + vcpu;
      counts[counted] = counts[counted] + 1;
      outcomes[at] = next;
      const reached = after[next];
      if (reached !== PROGRAM) {
        situation = reached;
        draw = drawn(draw);
        time += durationOf(draw, durations[stages[reached]]);
      } else {
        if (stages[situation] === BEGINS) time += HIT_PS;
        page += this.strides[vcpu];
        situation = page > this.lasts[vcpu] ? PROGRAM : memory.beginning(vcpu);
        if (situation !== PROGRAM) look = memory.lookOf(vcpu, page);
      }
      next = UNKNOWN;
      at++;
      situations[at] = situation;
      times[at] = time;
    }
    if (next < UNKNOWN) this.expect(vcpu, page, time, memory.changes[-next]);
    this.jitter.setState(vcpu, draw);
    this.end(vcpu, at, page);
  }

  /** A vCPU has gone ahead as far as to a step. */
  private end(vcpu: number, at: number, page: number): void {
    this.ways.length[vcpu] = at - vcpu * DEPTH;
    this.ways.page[vcpu] = page;
    this.events[vcpu] = this.ways.times[at];
  }

  /** Whether what a step looks at is going to be changed before. Its page is the one that is. */
  private isSoonChanged(vcpu: number, situation: number, time: number): boolean {
    return time > this.soonTime && (this.memory.looks[situation] & this.soonChanges) !== 0 && this.blocks[vcpu] === this.soonBlock;
  }

  /** A vCPU is going to change a page: who would look at it later waits to see what comes of it. */
  private expect(vcpu: number, page: number, time: number, changes: number): void {
    if (page === this.soonPage && changes === this.soonChanges && time > this.soonTime && this.blocks[vcpu] === this.soonBlock) return;
    this.soonBlock = this.blocks[vcpu];
    this.soonPage = page;
    this.soonTime = time;
    this.soonChanges = changes;
  }

  /** Makes room for more steps. @returns by how many places those that are left have moved */
  private forget(vcpu: number, page: number): number {
    const forgotten = this.ways.forgetBefore(vcpu, this.now);
    this.credit.save(forgotten);
    this.countSteps(vcpu, page, forgotten);
    return forgotten;
  }

  /** Steps of a vCPU are made for good, and it stands at a page. @throws SCHEDULER_LIVELOCK */
  private countSteps(vcpu: number, page: number, steps: number): void {
    const taken = this.stoodAt[vcpu] === page ? this.taken[vcpu] + steps : 0;
    this.stoodAt[vcpu] = page;
    this.taken[vcpu] = taken;
    if (taken > MAX_STAGES_PER_ACCESS) throw schedulerLivelock(vcpu, MAX_STAGES_PER_ACCESS);
  }

  /** A vCPU has changed a page now: whoever has looked at it later is taken back to there, and goes ahead anew. */
  private lookAgain(by: number, page: number, changes: number): void {
    const { events, blocks } = this;
    const block = blocks[by];
    let earliest = NOBODY;
    let earliestTime = Infinity;
    let looks = 0;
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      if (events[vcpu] === Infinity) continue;
      if (blocks[vcpu] === block && vcpu !== by) looks += this.lookAgainAt(vcpu, by, page, changes);
      if (events[vcpu] < earliestTime) {
        earliestTime = events[vcpu];
        earliest = vcpu;
      }
    }
    this.credit.spend(this.vcpus, looks);
    this.vcpu = earliest;
    this.time = earliestTime;
  }

  /** @returns how often it has looked again: once, or not at all */
  private lookAgainAt(vcpu: number, by: number, page: number, changes: number): number {
    const { now } = this;
    const { situations, times, outcomes } = this.ways;
    const { looks, after } = this.memory;
    const first = vcpu * DEPTH;
    const last = this.ways.last(vcpu);
    const stride = this.strides[vcpu];
    let at = this.ways.page[vcpu];
    let again = NOBODY;
    if (at === page && (looks[situations[last]] & changes) !== 0) again = last;
    for (let step = last - 1; step >= first && (times[step] > now || (times[step] === now && vcpu > by)); step--) {
      if (after[outcomes[step]] === PROGRAM) at -= stride;
      if (at === page && (looks[situations[step]] & changes) !== 0) again = step;
    }
    if (again === NOBODY) return 0;
    if (again !== last) this.takeBack(vcpu, again);
    this.goAhead(vcpu, UNKNOWN);
    return 1;
  }

  /** Takes a vCPU back to one of its steps, which has not been made then: with what the steps from there on have counted and drawn. */
  private takeBack(vcpu: number, step: number): void {
    const { counts, after } = this.memory;
    const { outcomes } = this.ways;
    let page = this.ways.page[vcpu];
    let draws = 0;
    for (let at = step; at < this.ways.last(vcpu); at++) {
      const outcome = outcomes[at];
      const counted = outcome * this.vcpus + vcpu;
      counts[counted] = counts[counted] - 1;
      if (after[outcome] === PROGRAM) page -= this.strides[vcpu];
      else draws++;
    }
    this.jitter.takeBack(vcpu, draws);
    this.end(vcpu, step, page);
  }

  /** The stage that is due of a vCPU, with which the backend can go on then. */
  private stageOf(vcpu: number): number {
    const at = this.ways.last(vcpu);
    const situation = this.ways.situations[at];
    if (situation === PROGRAM || this.memory.stages[situation] === BEGINS) return NO_STAGE;
    this.memory.restore(vcpu, situation, this.ways.page[vcpu]);
    return this.memory.stages[situation];
  }

  private leave(vcpu: number, stage: number): void {
    this.due[vcpu] = stage;
    this.events[vcpu] = Infinity;
    this.count--;
    this.leaving.push(vcpu);
  }

  private findEarliest(): void {
    const { events } = this;
    this.vcpu = NOBODY;
    this.time = Infinity;
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      if (events[vcpu] >= this.time) continue;
      this.time = events[vcpu];
      this.vcpu = vcpu;
    }
  }
}
