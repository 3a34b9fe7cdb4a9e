/**
 * Accesses to single pages, by memory of what they do.
 *
 * Most accesses of a run page by page find a page in one of a few situations: what its entry holds, and what a frame map (host pages, or the dirty bitmap)
 * says of it. What a situation leads to (new entry, new value of the map, events) is found by letting the program perform the access once, and brought about
 * again wherever the situation is met. This is done for entries of owned tables of two attributes that stay such: whatever makes, folds or shares a table,
 * and whatever depends on two maps at once, is left to the step engine. Hot path.
 */
import type { Counters } from '@mmulab/api';
import type { FrameMap } from './frame-map';
import type { FrameTree } from './frame-tree';
import { NOT_PLAIN as NOT_PLAIN_BITS } from './leaf-table';
import { MAP_VALUES, MAX_OUTCOMES, MORE, NEW_ENTRY, NEW_VALUE, Say, type PageOutcomes } from './page-outcomes';
import { PageWindow, type Version } from './page-window';
import type { TableTree } from './table-tree';

/** How asking ended: the page is not in an owned plain table, or more than it has a say; brought about; not known yet. */
const ELSEWHERE = 0;
const DONE = 1;
const UNKNOWN = 2;
const { Unknown: UNSAID, Nobody: NOBODY, Map: MAP, Many: MANY } = Say;
const NOT_PLAIN: number = NOT_PLAIN_BITS;

/** Asks and fills the outcomes of one engine's pages. */
export class PageCache {
  /** What windows hold for. The trees count it up; so does whoever opens windows, when what was looked at before changes. */
  readonly version: Version;
  // Shape of the tables, as small integers of this object's own.
  private readonly split: number;
  private readonly inverseSplit: number;
  private readonly mask: number;
  private readonly entries: number;
  // The situation a new outcome is found for.
  private attr = 0;
  private readonly values: Int32Array;
  /** Of accesses that have none of their own. */
  private readonly window: PageWindow;
  private before = new Float64Array(0);
  /** Outcomes that hold counts back; none where counters do not call for them. */
  private readonly holding: PageOutcomes[] = [];
  private readonly mayHold: boolean;
  private isHolding = false;

  /** @param maps those an outcome may depend on */
  constructor(
    private readonly tree: TableTree,
    private readonly maps: readonly FrameTree[],
    private readonly counters: Counters,
  ) {
    this.split = tree.geometry.split;
    this.inverseSplit = tree.geometry.inverseSplit;
    this.mask = tree.geometry.mask;
    this.entries = tree.geometry.entries;
    this.values = new Int32Array(maps.length);
    this.window = this.makeWindow(0);
    this.version = maps.length > 0 ? maps[0].tree.version : tree.version;
    for (const shared of [tree, ...maps.map(map => map.tree)]) shared.version = this.version;
    this.mayHold = counters.holdBack !== undefined;
    counters.holdBack?.(() => this.flushCounts());
  }

  /** The bit by which programs say that a frame map had a say. */
  bitOf(map: FrameMap): number {
    return 1 << this.maps.indexOf(map as FrameTree);
  }

  /**
   * Performs an access, by memory where its outcome is known.
   * @param outcomes of accesses like this one
   * @param vcpu whose counters are selected
   * @returns false when it is not for memory: nothing was done
   */
  access(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): boolean {
    const known = this.replay(outcomes, root, gfn, vcpu);
    if (known === UNKNOWN) this.learn(outcomes, root, gfn, vcpu);
    return known !== ELSEWHERE;
  }

  /** A window for a vCPU; it shows nothing yet. */
  makeWindow(vcpu: number): PageWindow {
    const window = new PageWindow(
      this.tree.makeView(),
      this.maps.map(map => map.tree.makeView()),
    );
    window.vcpu = vcpu;
    return window;
  }

  /**
   * Shows the block around a page. Where counters want each count at once there are no windows: whose counters are selected is not looked at.
   * @returns false when there is nothing to show
   */
  open(window: PageWindow, root: number, gfn: number): boolean {
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    if (!this.mayHold || !this.tree.viewPlain(window.entries, root, high, low)) return false;
    window.high = high;
    window.low = low;
    window.found = 0;
    window.version = this.version.now;
    return true;
  }

  /** Performs an access to page `index` of a window's block, if the window still holds and the outcome is known. @returns false when nothing was done */
  touch(window: PageWindow, kind: number, index: number): boolean {
    const outcomes = window.outcomes[kind];
    return window.version === this.version.now && outcomes !== undefined && this.bring(window, outcomes, index) === DONE;
  }

  /** Brings about what an access to a page does, if it is known. */
  private replay(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): number {
    const { window } = this;
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    if (!this.tree.viewPlain(window.entries, root, high, low)) return ELSEWHERE;
    window.vcpu = vcpu;
    window.high = high;
    window.low = low;
    window.found = 0;
    return this.bring(window, outcomes, low & this.mask);
  }

  /**
   * Brings about what an access does to a page of a window's block. Written out, so that it is too long to be inlined and all it calls is: nearly all of an
   * access's time goes by here.
   */
  private bring(window: PageWindow, outcomes: PageOutcomes, index: number): number {
    const { headAt } = window.entries;
    const { heads, words } = window.entries.leaves;
    const head = heads[headAt];
    if ((head & NOT_PLAIN) !== 0) return ELSEWHERE;
    const bit = 1 << (index & 31);
    const offset = index >> 5;
    const wordAt = window.entries.wordsAt + offset;
    const bits = words[wordAt];
    const attr = (bits & bit) === 0 ? head & 255 : (head >> 8) & 255;
    const say = outcomes.say[attr];
    if (say === UNSAID || say === MANY) return say === MANY ? ELSEWHERE : UNKNOWN;
    // Where no map has a say, the entry itself is looked at in its place, and found unchanged.
    const map = this.mapOf(say);
    const table = map < 0 ? window.entries : window.values[map];
    if (map >= 0 && !this.isThere(window, map)) return ELSEWHERE;
    const valueHeads = table.leaves.heads;
    const valueHead = valueHeads[table.headAt];
    if ((valueHead & NOT_PLAIN) !== 0) return ELSEWHERE;
    const valueWords = table.leaves.words;
    const valueAt = table.wordsAt + offset;
    const valueBits = valueWords[valueAt];
    const value = say === NOBODY ? 0 : (valueBits & bit) === 0 ? valueHead & 255 : (valueHead >> 8) & 255;
    const outcome = value < MAP_VALUES ? outcomes.bySituation[attr | (value << 8)] : -1;
    if (outcome <= 0) return outcome === 0 ? UNKNOWN : ELSEWHERE;
    const result = outcomes.results[outcome];
    const ones = (result & NEW_ENTRY) === 0 ? 0 : onesAfter(head, heads[headAt + 1], bits & bit, result & 255, this.entries);
    const valueOnes =
      (result & NEW_VALUE) === 0 ? 0 : onesAfter(valueHead, valueHeads[table.headAt + 1], valueBits & bit, (result >> 8) & 255, this.entries);
    if (ones < 0 || valueOnes < 0) return ELSEWHERE;
    if (valueOnes > 0) {
      valueWords[valueAt] = valueBits ^ bit;
      valueHeads[table.headAt + 1] = valueOnes;
      this.maps[map].tree.loseCursor();
    }
    if (ones > 0) {
      words[wordAt] = bits ^ bit;
      heads[headAt + 1] = ones;
      this.tree.loseCursor();
    }
    this.note(outcomes, outcome, window.vcpu);
    return DONE;
  }

  /**
   * Number of the map that has a say, -1 for none. Compared with each and not computed: what is in the map's tables can be fetched before it is known what the entry's
   * own hold, from which `say` comes.
   */
  private mapOf(say: number): number {
    for (let map = 0; map < this.maps.length; map++) if (say === MAP + map) return map;
    return -1;
  }

  /** Whether a map has a table of its own where a window is. */
  private isThere(window: PageWindow, map: number): boolean {
    if (((window.found >> map) & 1) === 1) return true;
    const { tree, root } = this.maps[map];
    if (!tree.viewPlain(window.values[map], root, window.high, window.low)) return false;
    window.found |= 1 << map;
    return true;
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
      outcomes.countInto(this.counters.now, outcome, 1);
    }
  }

  private makeRoom(outcomes: PageOutcomes, vcpu: number): void {
    if (outcomes.held.length === 0) this.holding.push(outcomes);
    const held = new Float64Array(2 * (vcpu + 1) * MAX_OUTCOMES);
    held.set(outcomes.held);
    outcomes.held = held;
  }

  /** Counts what was held back. Called before counters are read, and before anything else counts by difference. */
  private flushCounts(): void {
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
        outcomes.countInto(counters.now, at % MAX_OUTCOMES, times);
      }
    }
    counters.now = now;
  }

  /** Has an access performed and remembers what became of the page. */
  private learn(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): void {
    const { now } = this.counters;
    this.observe(root, gfn);
    if (this.before.length !== now.length) this.before = new Float64Array(now.length);
    this.before.set(now);
    const asked = outcomes.program.perform(vcpu, gfn, outcomes.kind);
    this.remember(outcomes, root, gfn, asked);
  }

  private observe(root: number, gfn: number): void {
    this.tree.locate(root, gfn, 1);
    this.attr = this.tree.attr;
    for (let i = 0; i < this.maps.length; i++) this.values[i] = this.maps[i].get(gfn);
  }

  /** @param told what the program answered */
  private remember(outcomes: PageOutcomes, root: number, gfn: number, told: number): void {
    const { attr, values, tree } = this;
    const say = sayOf(told & ~MORE);
    if (outcomes.say[attr] === Say.Unknown) outcomes.say[attr] = say;
    const map = say - MAP;
    const value = map < 0 ? 0 : values[map];
    if (outcomes.say[attr] !== say || say === MANY || value >= MAP_VALUES) return;
    tree.locate(root, gfn, 1);
    const isPlain = (told & MORE) === 0 && tree.level === 1 && this.areOthersUnchanged(gfn, map) && outcomes.size < MAX_OUTCOMES;
    const isStored = isPlain && outcomes.storeEvents(this.before, this.counters.now);
    outcomes.bySituation[attr | (value << 8)] = isStored ? this.store(outcomes, gfn, map, value) : -1;
  }

  /** Whether every map but the one that had a say has the value it had. */
  private areOthersUnchanged(gfn: number, asked: number): boolean {
    for (let i = 0; i < this.maps.length; i++) if (i !== asked && this.maps[i].get(gfn) !== this.values[i]) return false;
    return true;
  }

  private store(outcomes: PageOutcomes, gfn: number, map: number, value: number): number {
    const { attr } = this.tree;
    const after = map < 0 ? 0 : this.maps[map].get(gfn);
    outcomes.results[outcomes.size] = attr | (after << 8) | (attr !== this.attr ? NEW_ENTRY : 0) | (after !== value ? NEW_VALUE : 0);
    return outcomes.size++;
  }
}

/**
 * How many entries of a plain table have its second attribute once an entry has taken `attr`, which it has not, by its bit alone; -1 where that does not do, or
 * the entries would all be equal.
 * @param ones how many have it now, @param bit not 0 when the entry is one of them
 */
function onesAfter(head: number, ones: number, bit: number, attr: number, entries: number): number {
  if (attr !== (bit !== 0 ? head & 255 : (head >> 8) & 255)) return -1;
  const after = bit !== 0 ? ones - 1 : ones + 1;
  return after === entries ? -1 : after === 0 ? -1 : after;
}

/** @param bits of the maps that had a say */
function sayOf(bits: number): number {
  if (bits === 0) return NOBODY;
  return (bits & (bits - 1)) === 0 ? MAP + 31 - Math.clz32(bits) : MANY;
}
