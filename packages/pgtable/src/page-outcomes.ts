/**
 * What an access of one kind does to one page, by what it finds there: the page's entry, and the value of one frame map.
 *
 * Outcomes belong to constants: whoever makes them answers for it that under these nothing else decides. Hot path.
 */

import type { BlockView } from './block-view';

/** An access that is performed page by page, and says what it looked at. */
export interface PageProgram {
  /**
   * Performs an access to a page through the step engine.
   * @param kind what the outcomes were made for
   * @returns the frame maps that had a say (PageCache.bitOf), and MORE when more was done, or to more pages, than the page's entry, the maps and the counters show
   */
  perform(vcpu: number, gfn: number, kind: number): number;
  /** An outcome's events, held back, have been added to a vCPU's counters, for so many times: adds what it comes to for others. May select counters. Absent: nothing. */
  released?(outcomes: PageOutcomes, outcome: number, vcpu: number, times: number): void;
}

/** Set in a program's answer when what it did must not be remembered. */
export const MORE = 1 << 30;

/** Values of a frame map that are remembered lie below this one. */
export const MAP_VALUES = 64;
export const MAX_OUTCOMES = 64;
const MAX_EVENTS = 32;
const MAX_AMOUNT = 2 ** 30;
/** Flags of a result. */
export const NEW_ENTRY = 1 << 16;
export const NEW_VALUE = 1 << 17;

/** Who has a say for an attribute of the entry: not known yet; no map; map number n as `MAP + n`; several. */
export const Say = { Unknown: 0, Nobody: 1, Map: 2, Many: 255 } as const;

/** Who has a say. @param bits of the maps that had one */
export function sayOf(bits: number): number {
  if (bits === 0) return Say.Nobody;
  return (bits & (bits - 1)) === 0 ? Say.Map + 31 - Math.clz32(bits) : Say.Many;
}

/** Outcomes of one kind of access under one set of constants. */
export class PageOutcomes {
  /** By attribute of the entry: a Say. */
  readonly say = new Uint8Array(256);
  /** Outcome by attribute and, from bit 8 on, value of the map that has a say; 0 not known, negative not to be remembered. */
  readonly bySituation = new Int8Array(256 * MAP_VALUES);
  /** By outcome: attribute of the entry after it (bits 0-7), value of the map (8-15), and which of them are new. */
  readonly results = new Int32Array(MAX_OUTCOMES);
  /** Events of outcome n: from n * MAX_EVENTS to `eventsEnd`, each with how often it happened. */
  readonly events = new Int32Array(MAX_OUTCOMES * MAX_EVENTS);
  private readonly amounts = new Int32Array(MAX_OUTCOMES * MAX_EVENTS);
  readonly eventsEnd = new Int32Array(MAX_OUTCOMES);
  size = 1;
  /** What accesses do to blocks as they mostly look, and how many have looked otherwise since. */
  usual: BlockView | undefined = undefined;
  surprises = 0;
  /** Counts held back: how often each outcome was met, by vCPU number * MAX_OUTCOMES + outcome. */
  held = new Float64Array(0);

  /** @param kind handed to the program; @param scope what counts are selected for beside the vCPU */
  constructor(
    readonly program: PageProgram,
    readonly kind: number,
    readonly scope = 0,
  ) {}

  /** Adds an outcome's events, `times` times. */
  countInto(now: Float64Array, outcome: number, times: number): void {
    const { events, amounts } = this;
    const end = this.eventsEnd[outcome];
    for (let i = outcome * MAX_EVENTS; i < end; i++) {
      const event = events[i];
      now[event] = now[event] + times * amounts[i];
    }
  }

  /** How often an event happens in an outcome. */
  amountOf(outcome: number, event: number): number {
    const first = outcome * MAX_EVENTS;
    const at = this.events.subarray(first, this.eventsEnd[outcome]).indexOf(event);
    return at < 0 ? 0 : this.amounts[first + at];
  }

  /** Stores the events of the outcome that is to be the next: what `now` has more than `before`. @returns false when that is no short list of events */
  storeEvents(before: Float64Array, now: Float64Array): boolean {
    const first = this.size * MAX_EVENTS;
    let end = first;
    for (let event = 0; event < now.length; event++) {
      const amount = now[event] - before[event];
      if (amount === 0) continue;
      if (amount < 0 || amount > MAX_AMOUNT || end === first + MAX_EVENTS) return false;
      this.events[end] = event;
      this.amounts[end++] = amount;
    }
    this.eventsEnd[this.size] = end;
    return true;
  }
}
