/**
 * What an access does to one page, remembered.
 *
 * Most accesses of a run page by page find a page in one of a few situations: what its entry holds, and what a frame map (host pages, or the dirty bitmap) says
 * of it. What a situation leads to (new entry, new value of the frame map, events) is found by running the step engine once, and brought about again
 * wherever the situation is met. The cache is asked only for entries of owned tables of two attributes that stay such: whatever makes, folds or shares a
 * table, and whatever depends on both frame maps at once, is left to the step engine.
 *
 * The caller answers for the rest: that the outcome depends on nothing else but the constants the outcomes stand for, and that nothing was done but
 * what is remembered here. Hot path.
 */
import type { Counters } from '@mmulab/api';
import { NOT_PLAIN as NOT_PLAIN_BITS } from './leaf-table';
import type { FrameTree } from './frame-tree';
import type { TableTree } from './table-tree';

/** How asking the cache ended: not asked, because the page is not in an owned plain table; brought about; not known yet. */
export const PageAnswer = { Elsewhere: 0, Done: 1, Unknown: 2 } as const;

/** Which frame maps an outcome depends on, as bits. */
export const AskedMap = { First: 2, Second: 4 } as const;

// Bound here, so that they are constants of this module's code.
const { Elsewhere: ELSEWHERE, Done: DONE, Unknown: UNKNOWN } = PageAnswer;
const { First: FIRST, Second: SECOND } = AskedMap;
const NOT_PLAIN: number = NOT_PLAIN_BITS;
const KNOWN = 1;
const NEVER = -1;
/** Values of a frame map that are remembered lie below this one. */
const PLANE_VALUES = 64;
const MAX_OUTCOMES = 64;
const MAX_EVENTS = 32;
const NEW_ENTRY = 1 << 16;
const NEW_VALUE = 1 << 17;

/** Outcomes of one kind of access under one set of constants, by situation. */
export class PageOutcomes {
  /** By attribute of the entry: 0 not known, else KNOWN and the frame maps asked. */
  readonly asked = new Uint8Array(256);
  /** Outcome by attribute and, from bit 8 on, value of the frame map; 0 not known, NEVER not to be remembered. */
  readonly bySituation = new Int8Array(256 * PLANE_VALUES);
  /** By outcome: attribute of the entry after it (bits 0-7), value of the frame map (8-15), and which of them are new. */
  readonly results = new Int32Array(MAX_OUTCOMES);
  /** Events of outcome n: from n * MAX_EVENTS to `eventsEnd`, each as often as it happened. */
  readonly events = new Int32Array(MAX_OUTCOMES * MAX_EVENTS);
  readonly eventsEnd = new Int32Array(MAX_OUTCOMES);
  size = 1;
  /** Counts held back: how often each outcome was met, by vCPU number * MAX_OUTCOMES + outcome. */
  held = new Float64Array(0);
}

/** Asks and fills the outcomes of one engine's pages. */
export class PageCache {
  // Shape of the tables, as small integers of this object's own.
  private readonly split: number;
  private readonly inverseSplit: number;
  private readonly mask: number;
  private readonly stride: number;
  private readonly firstTree: TableTree;
  private readonly secondTree: TableTree;
  private readonly firstRoot: number;
  private readonly secondRoot: number;
  // The situation a new outcome is found for.
  private attr = 0;
  private firstValue = 0;
  private secondValue = 0;
  private before = new Float64Array(0);
  /** Outcomes that hold counts back; none where counters do not call for them. */
  private readonly holding: PageOutcomes[] = [];
  private readonly mayHold: boolean;
  private isHolding = false;

  /** @param first and `second`: the frame maps an outcome may depend on */
  constructor(
    private readonly tree: TableTree,
    private readonly first: FrameTree,
    private readonly second: FrameTree,
    private readonly counters: Counters,
  ) {
    const { split, inverseSplit, mask } = tree.geometry;
    this.split = split;
    this.inverseSplit = inverseSplit;
    this.mask = mask;
    this.stride = tree.leaves.stride;
    this.firstTree = first.tree;
    this.secondTree = second.tree;
    this.firstRoot = first.root;
    this.secondRoot = second.root;
    this.mayHold = counters.holdBack !== undefined;
    counters.holdBack?.(() => this.flushCounts());
  }

  /** Counts what was held back. Called before counters are read, and before anything else counts by difference. */
  flushCounts(): void {
    if (!this.isHolding) return;
    this.isHolding = false;
    const { counters } = this;
    const { now } = counters;
    for (const outcomes of this.holding) {
      const { held } = outcomes;
      for (let at = 0; at < held.length; at++) {
        const times = held[at];
        if (times === 0) continue;
        held[at] = 0;
        counters.select(Math.floor(at / MAX_OUTCOMES));
        this.count(outcomes, at % MAX_OUTCOMES, times);
      }
    }
    counters.now = now;
  }

  /**
   * Brings about what an access to a page does, if it is known.
   * @param vcpu whose counters are selected
   * @returns a PageAnswer
   */
  replay(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): number {
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    const { tree, mask, stride } = this;
    const record = tree.recentLeafTable(root, high, low);
    if (record < 0) return ELSEWHERE;
    const { heads, words } = tree.leaves;
    const at = record << 1;
    const head = heads[at];
    if ((head & NOT_PLAIN) !== 0) return ELSEWHERE;
    const index = low & mask;
    const bit = 1 << (index & 31);
    const offset = index >> 5;
    const bitsAt = Math.imul(record, stride) + offset;
    const bits = words[bitsAt];
    const attr = (bits & bit) === 0 ? head & 255 : (head >> 8) & 255;
    const asked = outcomes.asked[attr];
    if (asked <= KNOWN) return asked === 0 ? UNKNOWN : this.replayAlone(outcomes, attr, at, bitsAt, bit, vcpu);
    if (asked === (KNOWN | FIRST | SECOND)) return ELSEWHERE;
    const isFirst = (asked & FIRST) !== 0;
    const frames = isFirst ? this.firstTree : this.secondTree;
    const planeRecord = frames.recentLeafTable(isFirst ? this.firstRoot : this.secondRoot, high, low);
    if (planeRecord < 0) return ELSEWHERE;
    const planeHeads = frames.leaves.heads;
    const planeWords = frames.leaves.words;
    const planeAt = planeRecord << 1;
    const planeHead = planeHeads[planeAt];
    if ((planeHead & NOT_PLAIN) !== 0) return ELSEWHERE;
    const planeBitsAt = Math.imul(planeRecord, stride) + offset;
    const planeBits = planeWords[planeBitsAt];
    const value = (planeBits & bit) === 0 ? planeHead & 255 : (planeHead >> 8) & 255;
    if (value >= PLANE_VALUES) return ELSEWHERE;
    const outcome = outcomes.bySituation[attr | (value << 8)];
    if (outcome <= 0) return outcome === 0 ? UNKNOWN : ELSEWHERE;
    const result = outcomes.results[outcome];
    if ((result & NEW_ENTRY) !== 0 && !this.canFlip(heads, at, (bits & bit) !== 0, result & 255)) return ELSEWHERE;
    if ((result & NEW_VALUE) !== 0) {
      if (!this.canFlip(planeHeads, planeAt, (planeBits & bit) !== 0, (result >> 8) & 255)) return ELSEWHERE;
      planeWords[planeBitsAt] = planeBits ^ bit;
      planeHeads[planeAt + 1] = planeHeads[planeAt + 1] + ((planeBits & bit) === 0 ? 1 : -1);
      frames.loseCursor();
    }
    if ((result & NEW_ENTRY) !== 0) {
      words[bitsAt] = bits ^ bit;
      heads[at + 1] = heads[at + 1] + ((bits & bit) === 0 ? 1 : -1);
      tree.loseCursor();
    }
    this.note(outcomes, outcome, vcpu);
    return DONE;
  }

  /** The same where no frame map has a say. */
  private replayAlone(outcomes: PageOutcomes, attr: number, at: number, bitsAt: number, bit: number, vcpu: number): number {
    const outcome = outcomes.bySituation[attr];
    if (outcome <= 0) return outcome === 0 ? UNKNOWN : ELSEWHERE;
    const result = outcomes.results[outcome];
    if ((result & NEW_ENTRY) !== 0) {
      const { heads, words } = this.tree.leaves;
      const bits = words[bitsAt];
      if (!this.canFlip(heads, at, (bits & bit) !== 0, result & 255)) return ELSEWHERE;
      words[bitsAt] = bits ^ bit;
      heads[at + 1] = heads[at + 1] + ((bits & bit) === 0 ? 1 : -1);
      this.tree.loseCursor();
    }
    this.note(outcomes, outcome, vcpu);
    return DONE;
  }

  /** Whether an entry of a plain table takes `attr` by its bit alone, and the table's entries are not all equal then. */
  private canFlip(heads: Int32Array, at: number, isOne: boolean, attr: number): boolean {
    const head = heads[at];
    return isOne ? attr === (head & 255) && heads[at + 1] !== 1 : attr === ((head >> 8) & 255) && heads[at + 1] !== this.mask;
  }

  /** Counts an outcome, or holds it back. */
  private note(outcomes: PageOutcomes, outcome: number, vcpu: number): void {
    const held = outcomes.held;
    const at = vcpu * MAX_OUTCOMES + outcome;
    if (at < held.length) {
      held[at] = held[at] + 1;
      this.isHolding = true;
    } else if (this.mayHold) {
      this.makeRoom(outcomes, vcpu);
      this.note(outcomes, outcome, vcpu);
    } else {
      this.count(outcomes, outcome, 1);
    }
  }

  private makeRoom(outcomes: PageOutcomes, vcpu: number): void {
    if (outcomes.held.length === 0) this.holding.push(outcomes);
    const held = new Float64Array(2 * (vcpu + 1) * MAX_OUTCOMES);
    held.set(outcomes.held);
    outcomes.held = held;
  }

  private count(outcomes: PageOutcomes, outcome: number, times: number): void {
    const now = this.counters.now;
    const events = outcomes.events;
    const end = outcomes.eventsEnd[outcome];
    for (let i = outcome * MAX_EVENTS; i < end; i++) {
      const event = events[i];
      now[event] = now[event] + times;
    }
  }

  /** Looks at a page's situation before the step engine runs the access. */
  observe(root: number, gfn: number): void {
    this.tree.locate(root, gfn, 1);
    this.attr = this.tree.attr;
    this.firstValue = this.first.get(gfn);
    this.secondValue = this.second.get(gfn);
    const { now } = this.counters;
    if (this.before.length !== now.length) this.before = new Float64Array(now.length);
    this.before.set(now);
  }

  /**
   * Remembers what the step engine has made of the situation observed before.
   * @param asked bits of AskedMap: the frame maps that had a say
   * @param plain whether nothing was done but what entry, frame maps and counters show, to this page alone
   */
  remember(outcomes: PageOutcomes, root: number, gfn: number, asked: number, plain: boolean): void {
    const { attr, firstValue, secondValue, tree } = this;
    if (outcomes.asked[attr] === 0) outcomes.asked[attr] = KNOWN | asked;
    const value = (asked & FIRST) !== 0 ? firstValue : (asked & SECOND) !== 0 ? secondValue : 0;
    if (outcomes.asked[attr] !== (KNOWN | asked) || asked === (FIRST | SECOND) || value >= PLANE_VALUES) return;
    const key = attr | (value << 8);
    tree.locate(root, gfn, 1);
    const first = this.first.get(gfn);
    const second = this.second.get(gfn);
    const others = ((asked & FIRST) !== 0 || first === firstValue) && ((asked & SECOND) !== 0 || second === secondValue);
    if (!plain || !others || tree.level !== 1 || outcomes.size === MAX_OUTCOMES || !this.storeEvents(outcomes, outcomes.size)) {
      outcomes.bySituation[key] = NEVER;
      return;
    }
    const outcome = outcomes.size++;
    const newValue = (asked & FIRST) !== 0 ? first : (asked & SECOND) !== 0 ? second : 0;
    outcomes.results[outcome] = tree.attr | (newValue << 8) | (tree.attr !== attr ? NEW_ENTRY : 0) | (newValue !== value ? NEW_VALUE : 0);
    outcomes.bySituation[key] = outcome;
  }

  /** Stores what was counted since the situation was observed. @returns false when that is no short list of events */
  private storeEvents(outcomes: PageOutcomes, outcome: number): boolean {
    const { now } = this.counters;
    let end = outcome * MAX_EVENTS;
    for (let event = 0; event < now.length; event++) {
      const amount = now[event] - this.before[event];
      if (amount < 0 || end + amount > (outcome + 1) * MAX_EVENTS) return false;
      for (let i = 0; i < amount; i++) outcomes.events[end++] = event;
    }
    outcomes.eventsEnd[outcome] = end;
    return true;
  }
}
