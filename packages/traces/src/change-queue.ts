/**
 * Simulated changes whose events are still to come, first in first out. A walk of the host may put hundreds of thousands in at once.
 */
import type { SimChange } from './sim-log';

/** Taken changes are let go of in stretches of this many. */
const STRETCH = 1024;

export class ChangeQueue {
  private items: SimChange[] = [];
  private first = 0;

  get length(): number {
    return this.items.length - this.first;
  }

  /** The change whose event is next. */
  get head(): SimChange | undefined {
    return this.items[this.first];
  }

  add(changes: readonly SimChange[]): void {
    if (this.length === 0) {
      this.items = [...changes];
      this.first = 0;
    } else for (const change of changes) this.items.push(change);
  }

  /** Takes `count` changes off the front. */
  drop(count = 1): void {
    this.first += count;
    if (this.first < STRETCH || this.first * 2 < this.items.length) return;
    this.items = this.items.slice(this.first);
    this.first = 0;
  }

  /** How many changes stand before the first that fits, or -1. */
  find(fits: (change: SimChange) => boolean): number {
    for (let at = this.first; at < this.items.length; at++) if (fits(this.items[at])) return at - this.first;
    return -1;
  }

  at(index: number): SimChange | undefined {
    return this.items[this.first + index];
  }

  clear(): void {
    this.items = [];
    this.first = 0;
  }
}
