/**
 * Agents made of walks: a vCPU's access with all its faults, an operation of the host.
 *
 * An agent is a list of phases. A phase takes the lock it needs, does one walk (or one act of its own) step by step, owes a flush when a verdict
 * asked for one at the end of the operation, and names the phase that follows its outcome. Going back to the first phase is a new attempt. An
 * agent whose whole attempt met a world in which nobody stored anything would meet the same again: it waits until somebody does.
 */
import { PageWalk } from '@mmulab/pgtable';
import type { SharedTables, WalkFrame } from '@mmulab/pgtable';
import type { Agent } from './explored-world';

/** What a phase answers when the agent is done. */
export const DONE = -1;

/** How a lock is held. */
export type LockMode = 'read' | 'write';

/** One phase of an agent. Exactly one of `walk` and `act` is there. */
export interface Phase {
  readonly name: string;
  /** mmu_lock as the phase needs it; neighbouring phases that need it alike keep it. */
  readonly lock?: LockMode;
  /** Begins the phase's walk. */
  walk?(): WalkFrame;
  /** Does the phase's one step. @returns its outcome */
  act?(): number;
  /** @param outcome of the page walk, effects of the range walk, or what `act` answered. @returns number of the next phase, or DONE */
  next(outcome: number, walk: WalkFrame | undefined): number;
}

/** A lock with readers and one writer. */
export class ReadWriteLock {
  private readers = 0;
  private hasWriter = false;

  canTake(mode: LockMode): boolean {
    return !this.hasWriter && (mode === 'read' || this.readers === 0);
  }

  take(mode: LockMode): void {
    if (mode === 'write') this.hasWriter = true;
    else this.readers++;
  }

  release(mode: LockMode): void {
    if (mode === 'write') this.hasWriter = false;
    else this.readers--;
  }
}

/** What agents do to the world they share. */
export interface AgentWorld {
  readonly lock: ReadWriteLock;
  readonly tables: SharedTables;
  /** A flush of all vCPUs' translations. */
  flushAll(): void;
}

/** Runs phases. */
export class PhaseAgent implements Agent {
  isDone = false;
  private phase = 0;
  private walk: WalkFrame | undefined;
  private held: LockMode | undefined;
  /** The walk is over; the flush its verdicts asked for is the next step. */
  private flushDue = false;
  /** Stores at the start of this attempt, and those the agent waits to see exceeded. */
  private attemptVersion: number;
  private waitVersion = -1;

  constructor(
    readonly name: string,
    private readonly world: AgentWorld,
    private readonly phases: readonly Phase[],
  ) {
    this.attemptVersion = world.tables.version;
  }

  get isReady(): boolean {
    if (this.waitVersion === this.world.tables.version || this.walk?.isBlocked === true) return false;
    return this.held === this.current.lock || this.current.lock === undefined || this.world.lock.canTake(this.current.lock);
  }

  get nextIsPrivate(): boolean {
    return this.walk?.nextIsPrivate === true && !this.flushDue;
  }

  get nextName(): string {
    if (this.isDone) return 'done';
    const { name, lock } = this.current;
    if (this.flushDue) return `${name}  flush`;
    if (this.held !== lock) return `${name}  take mmu_lock for ${lock ?? 'nothing'}`;
    if (this.walk !== undefined) return `${name}  ${this.walk.nextName}`;
    return this.current.walk === undefined ? name : `${name}  read root`;
  }

  /** The hardware's walk under way, if that is what the agent is doing: a flush interrupts it. */
  get hardwareWalk(): PageWalk<unknown> | undefined {
    return this.walk instanceof PageWalk && !this.walk.isReader ? this.walk : undefined;
  }

  /** Whether a flush is still to come for what the agent changed, and nobody can map anything there before: at the end of the operation, or under the lock. */
  get owesFlush(): boolean {
    return this.flushDue || this.walk?.owesFlushLater === true || (this.held === 'write' && this.walk?.owesFlushStep === true);
  }

  step(): void {
    if (this.flushDue) {
      this.flushDue = false;
      this.world.flushAll();
      this.walk?.flushed();
      this.follow(this.walk?.outcome ?? 0);
    } else if (this.held !== this.current.lock) {
      this.takeLock();
    } else {
      this.work();
    }
  }

  /** Appends what decides about the agent's future to a key. */
  appendKey(key: number[]): void {
    const { version } = this.world.tables;
    const flags =
      (this.isDone ? 1 : 0) | (this.flushDue ? 2 : 0) | (this.waitVersion === version ? 4 : 0) | (this.attemptVersion === version ? 8 : 0);
    key.push(this.phase, flags, this.held === undefined ? 0 : this.held === 'read' ? 1 : 2);
    if (this.walk === undefined) key.push(0);
    else this.walk.appendKey(key);
  }

  private get current(): Phase {
    return this.phases[this.phase];
  }

  private takeLock(): void {
    const { lock } = this.current;
    if (lock !== undefined) this.world.lock.take(lock);
    this.held = lock;
  }

  private work(): void {
    const walk = (this.walk ??= this.current.walk?.());
    if (walk === undefined) {
      this.follow(this.current.act?.() ?? 0);
      return;
    }
    walk.step();
    if (!walk.isDone) return;
    if (walk.owesFlushLater) this.flushDue = true;
    else this.follow(walk.outcome);
  }

  /** Goes to the phase that follows an outcome. */
  private follow(outcome: number): void {
    const { walk } = this;
    const next = this.current.next(outcome, walk);
    this.walk = undefined;
    if (next === DONE) this.isDone = true;
    else this.enter(next);
    if (this.held !== undefined && (this.isDone || this.current.lock !== this.held)) {
      this.world.lock.release(this.held);
      this.held = undefined;
    }
  }

  private enter(next: number): void {
    this.phase = next;
    if (next !== 0) return;
    const { version } = this.world.tables;
    this.waitVersion = version === this.attemptVersion ? version : -1;
    this.attemptVersion = version;
  }
}
