/**
 * Memory of what an access does to one page.
 *
 * Most accesses of a run page by page find a page in one of a few situations: what its entry holds, and what the planes say of it. What a situation leads to
 * (new entry, new values of the planes, events) is found by running the step engine once, and brought about again wherever the situation is met. The
 * memory is asked only for entries of owned tables of two attributes that stay such: whatever makes, folds or shares a table is left to the step engine.
 *
 * The caller answers for the rest: that the outcome depends on nothing else but the constants a memo stands for, and that nothing was done but
 * what is remembered here. Hot path.
 */
import type { Counters } from '@mmulab/api';
import { NOT_PLAIN } from './leaf-table';
import type { LeafTables } from './leaf-table';
import type { PagePlane } from './page-plane';
import type { TableTree } from './table-tree';

/** How asking the memory ended: not asked, because the page is not in an owned plain table; brought about; not known yet. */
export const PageMemory = { Elsewhere: 0, Done: 1, Unknown: 2 } as const;

/** Which planes an outcome depends on, as bits. */
export const AskedPlane = { First: 2, Second: 4 } as const;

const { Elsewhere: ELSEWHERE, Done: DONE, Unknown: UNKNOWN } = PageMemory;
const { First: FIRST, Second: SECOND } = AskedPlane;
const KNOWN = 1;
const NEVER = -1;
/** Values of the planes that are remembered lie below these. */
const FIRST_VALUES = 16;
const SECOND_VALUES = 4;
const MAX_OUTCOMES = 64;
const MAX_EVENTS = 32;

/** Outcomes of one kind of access under one set of constants, by situation. */
export class PageMemo {
  /** By attribute of the entry: 0 not known, else KNOWN and the planes asked. */
  readonly asked = new Uint8Array(256);
  /** Outcome by attribute, value of the first plane (bits 8-11) and of the second (12-13); 0 not known, NEVER not to be remembered. */
  readonly outcomes = new Int8Array(1 << 14);
  readonly attr = new Uint8Array(MAX_OUTCOMES);
  readonly first = new Uint8Array(MAX_OUTCOMES);
  readonly second = new Uint8Array(MAX_OUTCOMES);
  /** Events of outcome n: from n * MAX_EVENTS on, each as often as it happened. */
  /** What of it changes: KNOWN for the entry, and bits of AskedPlane. */
  readonly changes = new Uint8Array(MAX_OUTCOMES);
  readonly events = new Int32Array(MAX_OUTCOMES * MAX_EVENTS);
  readonly eventsEnd = new Int32Array(MAX_OUTCOMES);
  size = 1;
}

/** An entry of an owned leaf table of two attributes: what it holds, and whether it may take the other one by its bit alone. */
class PlainEntry {
  value = 0;
  /** Where the table's words begin. */
  private at = 0;
  private bitsAt = 0;
  private bit = 0;
  /** The attribute the entry does not have. */
  private other = 0;
  private isOne = false;
  private readonly leaves: LeafTables;
  private readonly mask: number;
  private readonly last: number;

  constructor(private readonly tree: TableTree) {
    this.leaves = tree.leaves;
    this.mask = tree.geometry.mask;
    this.last = tree.geometry.entries - 1;
  }

  /** Goes to the entry of a frame. @returns false when it is in no such table, or its parent was not found lately */
  find(root: number, high: number, low: number): boolean {
    const record = this.tree.recentLeafTable(root, high, low);
    if (record < 0) return false;
    const words = this.leaves.words;
    const at = Math.imul(record, this.leaves.stride);
    const head = words[at] as number;
    if ((head & NOT_PLAIN) !== 0) return false;
    const index = low & this.mask;
    const bitsAt = at + 2 + (index >> 5);
    const bit = 1 << (index & 31);
    const isOne = ((words[bitsAt] as number) & bit) !== 0;
    this.at = at;
    this.bitsAt = bitsAt;
    this.bit = bit;
    this.isOne = isOne;
    this.value = isOne ? (head >> 8) & 255 : head & 255;
    this.other = isOne ? head & 255 : (head >> 8) & 255;
    return true;
  }

  /** Whether the entry can be given a value it does not have by its bit, and the entries of the table are not all equal then. */
  canTake(value: number): boolean {
    return value === this.other && this.leaves.words[this.at + 1] !== (this.isOne ? 1 : this.last);
  }

  flip(): void {
    const words = this.leaves.words;
    words[this.bitsAt] = (words[this.bitsAt] as number) ^ this.bit;
    words[this.at + 1] = (words[this.at + 1] as number) + (this.isOne ? -1 : 1);
    this.tree.loseCursor();
  }
}

/** Asks and fills memos of one engine's pages. */
export class PageReplayer {
  private readonly entry: PlainEntry;
  private readonly first: PlainEntry;
  private readonly second: PlainEntry;
  private readonly firstRoot: number;
  private readonly secondRoot: number;
  private readonly split: number;
  private readonly inverseSplit: number;
  // The situation a new outcome is found for.
  private attr = 0;
  private firstValue = 0;
  private secondValue = 0;
  private readonly before: { counts: Float64Array } = { counts: new Float64Array(0) };

  /** @param firstPlane and `secondPlane`: the planes an outcome may depend on */
  constructor(
    private readonly tree: TableTree,
    private readonly firstPlane: PagePlane,
    private readonly secondPlane: PagePlane,
    private readonly counters: Counters,
  ) {
    this.entry = new PlainEntry(tree);
    this.first = new PlainEntry(firstPlane.tree);
    this.second = new PlainEntry(secondPlane.tree);
    this.firstRoot = firstPlane.root;
    this.secondRoot = secondPlane.root;
    this.split = tree.geometry.split;
    this.inverseSplit = tree.geometry.inverseSplit;
  }

  /** Brings about what an access to a page does, if it is known. @returns a PageMemory */
  replay(memo: PageMemo, root: number, gfn: number): number {
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    const { entry, first, second } = this;
    if (!entry.find(root, high, low)) return ELSEWHERE;
    let key = entry.value;
    const asked = memo.asked[key] as number;
    if (asked === 0) return UNKNOWN;
    if ((asked & FIRST) !== 0) {
      if (!first.find(this.firstRoot, high, low) || first.value >= FIRST_VALUES) return ELSEWHERE;
      key |= first.value << 8;
    }
    if ((asked & SECOND) !== 0) {
      if (!second.find(this.secondRoot, high, low) || second.value >= SECOND_VALUES) return ELSEWHERE;
      key |= second.value << 12;
    }
    const outcome = memo.outcomes[key] as number;
    if (outcome <= 0) return outcome === 0 ? UNKNOWN : ELSEWHERE;
    const changes = memo.changes[outcome] as number;
    if (changes !== 0 && !this.store(memo, outcome, changes)) return ELSEWHERE;
    const now = this.counters.now;
    const events = memo.events;
    const to = memo.eventsEnd[outcome] as number;
    for (let i = outcome * MAX_EVENTS; i < to; i++) {
      const event = events[i] as number;
      now[event] = (now[event] as number) + 1;
    }
    return DONE;
  }

  /** Stores an outcome's values where they change. @returns false, and nothing is stored, when that takes more than bits */
  private store(memo: PageMemo, outcome: number, changes: number): boolean {
    const { entry, first, second } = this;
    if ((changes & KNOWN) !== 0 && !entry.canTake(memo.attr[outcome] as number)) return false;
    if ((changes & FIRST) !== 0 && !first.canTake(memo.first[outcome] as number)) return false;
    if ((changes & SECOND) !== 0 && !second.canTake(memo.second[outcome] as number)) return false;
    if ((changes & KNOWN) !== 0) entry.flip();
    if ((changes & FIRST) !== 0) first.flip();
    if ((changes & SECOND) !== 0) second.flip();
    return true;
  }

  /** Notes a page's situation before the step engine runs the access. */
  note(root: number, gfn: number): void {
    this.tree.locate(root, gfn, 1);
    this.attr = this.tree.attr;
    this.firstValue = this.firstPlane.get(gfn);
    this.secondValue = this.secondPlane.get(gfn);
    const { now } = this.counters;
    if (this.before.counts.length !== now.length) this.before.counts = new Float64Array(now.length);
    this.before.counts.set(now);
  }

  /**
   * Remembers what the step engine has made of the situation noted before.
   * @param asked bits of AskedPlane: the planes that had a say
   * @param plain whether nothing was done but what entry, planes and counters show, to this page alone
   */
  remember(memo: PageMemo, root: number, gfn: number, asked: number, plain: boolean): void {
    if (memo.asked[this.attr] === 0) memo.asked[this.attr] = KNOWN | asked;
    const isFirst = (asked & FIRST) !== 0;
    const isSecond = (asked & SECOND) !== 0;
    if (this.firstValue >= FIRST_VALUES || this.secondValue >= SECOND_VALUES) return;
    const key = this.attr | (isFirst ? this.firstValue << 8 : 0) | (isSecond ? this.secondValue << 12 : 0);
    this.tree.locate(root, gfn, 1);
    const same = (isFirst || this.firstPlane.get(gfn) === this.firstValue) && (isSecond || this.secondPlane.get(gfn) === this.secondValue);
    const fits = memo.asked[this.attr] === (KNOWN | asked) && memo.size < MAX_OUTCOMES;
    if (!plain || !same || !fits || this.tree.level !== 1 || !this.storeEvents(memo, memo.size)) {
      memo.outcomes[key] = NEVER;
      return;
    }
    const outcome = memo.size++;
    const attr = this.tree.attr;
    const first = this.firstPlane.get(gfn);
    const second = this.secondPlane.get(gfn);
    memo.attr[outcome] = attr;
    memo.first[outcome] = first;
    memo.second[outcome] = second;
    memo.changes[outcome] = (attr !== this.attr ? KNOWN : 0) | (first !== this.firstValue ? FIRST : 0) | (second !== this.secondValue ? SECOND : 0);
    memo.outcomes[key] = outcome;
  }

  /** Stores what was counted since the situation was noted. @returns false when that is no short list of events */
  private storeEvents(memo: PageMemo, outcome: number): boolean {
    const { now } = this.counters;
    const { counts } = this.before;
    let stored = 0;
    for (let event = 0; event < now.length; event++) {
      const amount = (now[event] as number) - (counts[event] as number);
      if (amount < 0 || stored + amount > MAX_EVENTS) return false;
      for (let i = 0; i < amount; i++) memo.events[outcome * MAX_EVENTS + stored++] = event;
    }
    memo.eventsEnd[outcome] = outcome * MAX_EVENTS + stored;
    return true;
  }
}

