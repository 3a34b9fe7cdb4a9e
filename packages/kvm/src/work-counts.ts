/**
 * Counts the events of the group `work` for whoever acts at the moment. Hot path.
 */
import type { Counters } from '@mmulab/api';
import type { WalkCounts } from '@mmulab/pgtable';
import { Work } from './work-events';

/** How mmu_lock is taken: a spinlock is always taken for writing. */
export type LockMode = 'read' | 'write';

const { lockRead, lockWrite, lockYield, leavesVisited, leavesChanged, tablesWalked, words, bits, call, callBytes } = Work;

/** Work of one VM. */
export class WorkCounts implements WalkCounts {
  /** @param first index of the group's first event; undefined where the backend has none of it */
  constructor(
    private readonly counters: Counters,
    private readonly first: number | undefined,
  ) {}

  /** @param which a place of `Work` */
  add(which: number, amount: number): void {
    const { first } = this;
    if (first === undefined) return;
    const { now } = this.counters;
    now[first + which] = now[first + which] + amount;
  }

  /** What the present actor has counted so far. @param which a place of `Work` */
  get(which: number): number {
    return this.first === undefined ? 0 : this.counters.now[this.first + which];
  }

  /** mmu_lock is taken. */
  lock(mode: LockMode): void {
    this.add(mode === 'read' ? lockRead : lockWrite, 1);
  }

  /** mmu_lock could be had by others `times` times before it is let go. */
  yields(times: number): void {
    this.add(lockYield, times);
  }

  walked(visited: number, changed: number, tables: number): void {
    this.add(leavesVisited, visited);
    this.add(leavesChanged, changed);
    this.add(tablesWalked, tables);
  }

  /** Leaves met outside range walks. */
  leaves(visited: number, changed: number): void {
    this.add(leavesVisited, visited);
    this.add(leavesChanged, changed);
  }

  /** Something done under the lock that may be had at each leaf on the way. */
  underLock<T>(mode: LockMode, work: () => T): T {
    this.lock(mode);
    return this.atLeaves(work);
  }

  /** Something done under a lock that was taken, which may be had by others at each leaf on the way. */
  atLeaves<T>(work: () => T): T {
    const before = this.get(leavesVisited);
    const result = work();
    this.yields(this.get(leavesVisited) - before);
    return result;
  }

  /** Words of a bitmap that had bits to take, and those bits. */
  words(count: number, taken: number): void {
    this.add(words, count);
    this.add(bits, taken);
  }

  /** An operation on a range of a memslot. @param perform does it */
  hostCall(rangeBytes: number, perform: () => void): void {
    const { first, counters } = this;
    if (first === undefined) return perform();
    const { now } = counters;
    const wordsBefore = now[first + words];
    const leavesBefore = now[first + leavesVisited];
    perform();
    now[first + call] = now[first + call] + 1;
    now[first + callBytes] = now[first + callBytes] + rangeBytes;
    fold(now, first + callBytes + 1, rangeBytes);
    fold(now, first + callBytes + 3, now[first + words] - wordsBefore);
    fold(now, first + callBytes + 5, now[first + leavesVisited] - leavesBefore);
  }
}

/** Takes a value into a minimum, in which 0 is none yet, and the maximum behind it. */
function fold(now: Float64Array, at: number, value: number): void {
  if (value === 0) return;
  const least = now[at];
  now[at] = least === 0 ? value : Math.min(least, value);
  now[at + 1] = Math.max(now[at + 1], value);
}
