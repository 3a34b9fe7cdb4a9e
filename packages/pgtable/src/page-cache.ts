/**
 * Accesses to single pages, by memory of what they do.
 *
 * Most accesses of a run page by page find a page in one of a few situations: what its entry holds, and what a frame map (host pages, or the dirty bitmap)
 * says of it. What a situation leads to (new entry, new value of the map, events) is found by letting the program perform the access once, and brought about
 * again wherever the situation is met. This is done for entries of owned tables of two attributes that stay such: whatever makes, folds or shares a table,
 * and whatever depends on two maps at once, is left to the step engine.
 *
 * There are two ways to a page. An access out of the blue (`bring`) looks the tables up and the outcome after them: its time is that of fetching them from memory, so it is
 * short, that the processor may begin the next one meanwhile. Accesses that stay in a block go through a view of it (`touch`), where all that is resolved. Hot path.
 */
import type { Counters } from '@mmulab/api';
import { BlockEntries } from './block-entries';
import {
  BlockView,
  ENTRY_FLIP as ENTRY_FLIP_SHIFT,
  ENTRY_STEP as ENTRY_STEP_SHIFT,
  OUTCOME_MASK as OUTCOME_MASK_BITS,
  VALUE_FLIP as VALUE_FLIP_SHIFT,
  VALUE_STEP as VALUE_STEP_SHIFT,
  makeCell,
  stepOf as cellStep,
} from './block-view';
import type { FrameMap } from './frame-map';
import type { FrameTree } from './frame-tree';
import { HEAD_WORDS as HEAD_WORDS_OF_RECORD, LeafTables, NOT_PLAIN as NOT_PLAIN_BITS } from './leaf-table';
import {
  MAP_VALUES as MAP_VALUES_KEPT,
  MAX_OUTCOMES as OUTCOMES_PER_VCPU,
  MORE,
  NEW_ENTRY as IS_NEW_ENTRY,
  NEW_VALUE as IS_NEW_VALUE,
  Say,
  type PageOutcomes,
} from './page-outcomes';
import type { TableTree } from './table-tree';
import type { Version } from './version';

// Bound here: constants of this module's code.
/** How asking ended: the page is not in an owned plain table, or more than it has a say; brought about; not known yet. */
const ELSEWHERE = 0;
const DONE = 1;
const UNKNOWN = 2;
const { Unknown: UNSAID, Nobody: NOBODY, Map: MAP, Many: MANY } = Say;
const NOT_PLAIN: number = NOT_PLAIN_BITS;
const HEAD_WORDS: number = HEAD_WORDS_OF_RECORD;
const OUTCOME_MASK: number = OUTCOME_MASK_BITS;
const ENTRY_STEP: number = ENTRY_STEP_SHIFT;
const VALUE_STEP: number = VALUE_STEP_SHIFT;
const ENTRY_FLIP: number = ENTRY_FLIP_SHIFT;
const VALUE_FLIP: number = VALUE_FLIP_SHIFT;
const stepOf = cellStep;
const MAP_VALUES: number = MAP_VALUES_KEPT;
const MAX_OUTCOMES: number = OUTCOMES_PER_VCPU;
const NEW_ENTRY: number = IS_NEW_ENTRY;
const NEW_VALUE: number = IS_NEW_VALUE;
/** Accesses to blocks of another look than a plan expects after which it is made anew. */
const MAX_SURPRISES = 4;
/** No step: an entry can not take an attribute by its bit alone. */
const CAN_NOT = 2;

/** Asks and fills the outcomes of one engine's pages. */
export class PageCache {
  /** Frames of a block of which there are views. */
  readonly blockPages: number;
  /** What views hold for: counted up by the trees. */
  readonly version: Version;
  // Shape of the tables, as small integers of this object's own.
  private readonly split: number;
  private readonly inverseSplit: number;
  private readonly mask: number;
  /** The tables of the page table's entries. */
  private readonly tables: LeafTables;
  // The situation a new outcome is found for.
  private attr = 0;
  private readonly values: Int32Array;
  private before = new Float64Array(0);
  /** Outcomes that hold counts back; none where counters do not call for them. */
  private readonly holding: PageOutcomes[] = [];
  private isHolding = false;
  /** Stands for the table of values where no map has a say: one whose values nobody changes. */
  private readonly nobody: LeafTables;
  /** Whether counts may be held back. Where counters want each one at once, accesses can not go by views: whose counters are selected is not looked at. */
  readonly mayHold: boolean;

  /** @param maps those an outcome may depend on */
  constructor(
    private readonly tree: TableTree,
    private readonly maps: readonly FrameTree[],
    private readonly counters: Counters,
  ) {
    this.tables = tree.tables;
    this.split = tree.geometry.split;
    this.inverseSplit = tree.geometry.inverseSplit;
    this.mask = tree.geometry.mask;
    this.blockPages = tree.geometry.entries;
    this.values = new Int32Array(maps.length);
    this.version = maps.length > 0 ? maps[0].tree.version : tree.version;
    for (const shared of [tree, ...maps.map(map => map.tree)]) shared.version = this.version;
    this.nobody = new LeafTables(tree.geometry.entries);
    this.nobody.set(this.nobody.alloc(0, 0), this.mask, 1);
    this.mayHold = counters.holdBack !== undefined;
    counters.holdBack?.(() => this.flushCounts());
  }

  /** The entries of blocks that vCPUs work in. */
  blockEntries(vcpus: number): BlockEntries {
    return new BlockEntries(this.tree, vcpus);
  }

  /** The same of a frame map's values: `root` is that of its blocks. */
  blockValues(map: FrameMap, vcpus: number): { readonly values: BlockEntries; readonly root: number } {
    const { tree, root } = map as FrameTree;
    return { values: new BlockEntries(tree, vcpus), root };
  }

  /** See TableTree. */
  leavesAhead(root: number, gfn: number, stride: number, limit: number, isGood: (attr: number) => boolean): number {
    return this.tree.leavesAhead(root, gfn, stride, limit, isGood);
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

  /**
   * Performs an access if its outcome is known. Whose counters are selected does not matter. Nothing here waits for what a table holds but to compare it with what is
   * expected of blocks (`outcomes.usual`): so the processor goes on to the next access while this one's tables are fetched.
   * @returns false when nothing was done
   */
  bring(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): boolean {
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    const usual = outcomes.usual ?? this.usualOf(outcomes);
    const entryAt = this.tree.recordAt(root, high, low);
    const valueAt = usual.map < 0 ? 0 : usual.valueTree.recordAt(usual.valueRoot, high, low);
    if (entryAt >= 0 && valueAt >= 0 && this.flip(usual, entryAt, valueAt, low & this.mask, vcpu * MAX_OUTCOMES)) return true;
    return this.replay(outcomes, root, gfn, vcpu) === DONE && this.surprised(outcomes, usual, entryAt, high, low);
  }

  /** A view that shows nothing yet. */
  makeView(): BlockView {
    return new BlockView(this.nobody, this.tree);
  }

  /** Opens a view on the block around a page. @param first what its owner calls its first page; @returns false when there is nothing to see */
  open(view: BlockView, outcomes: PageOutcomes, root: number, gfn: number, vcpu: number, first: number): boolean {
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    const entryAt = this.tree.recordAt(root, high, low);
    const valueAt = this.resolve(view, outcomes, entryAt, high, low);
    view.version = valueAt < 0 ? -1 : this.version.now;
    view.first = first;
    view.entryAt = entryAt;
    view.valueAt = valueAt;
    view.heldAt = vcpu * MAX_OUTCOMES;
    return valueAt >= 0;
  }

  /** Performs an access to page `index` of a view's block, if the view still holds and says what it does. @returns false when nothing was done */
  touch(view: BlockView, index: number): boolean {
    return view.version === this.version.now && this.flip(view, view.entryAt, view.valueAt, index, view.heldAt);
  }

  private usualOf(outcomes: PageOutcomes): BlockView {
    const usual = this.makeView();
    outcomes.usual = usual;
    return usual;
  }

  /** A block looked otherwise than expected: a few do, or all from now on. */
  private surprised(outcomes: PageOutcomes, usual: BlockView, entryAt: number, high: number, low: number): boolean {
    if (++outcomes.surprises < MAX_SURPRISES) return true;
    outcomes.surprises = 0;
    this.resolve(usual, outcomes, entryAt, high, low);
    return true;
  }

  /**
   * Resolves what accesses do to blocks that look like one.
   * @param entryAt where the record of its entries begins, or -1
   * @returns where the record of its values begins; -1 where there is nothing to see, and nothing is expected
   */
  private resolve(view: BlockView, outcomes: PageOutcomes, entryAt: number, high: number, low: number): number {
    view.entryHead = -1;
    if (entryAt < 0) return -1;
    const entryHead = this.tables.words[entryAt];
    view.map = mapOf(outcomes, entryHead);
    const map = view.map < 0 ? undefined : this.maps[view.map];
    view.valueTree = map?.tree ?? this.tree;
    view.values = map?.tree.tables ?? this.nobody;
    view.valueRoot = map?.root ?? 0;
    const valueAt = map === undefined ? 0 : map.tree.recordAt(map.root, high, low);
    if (valueAt < 0 || ((entryHead | view.values.words[valueAt]) & NOT_PLAIN) !== 0) return -1;
    view.valueHead = view.values.words[valueAt];
    view.cell0 = cellOf(outcomes, view.map, entryHead, view.valueHead, 0);
    view.cell1 = cellOf(outcomes, view.map, entryHead, view.valueHead, 1);
    view.cell2 = cellOf(outcomes, view.map, entryHead, view.valueHead, 2);
    view.cell3 = cellOf(outcomes, view.map, entryHead, view.valueHead, 3);
    view.held = outcomes.held;
    view.entryHead = entryHead;
    return valueAt;
  }

  /** Brings about what an access does to page `index` of a block, if the block looks as a view expects and it says so. @returns false when nothing was done */
  private flip(view: BlockView, entryAt: number, valueAt: number, index: number, heldAt: number): boolean {
    const entries = this.tables.words;
    const values = view.values.words;
    if (entries[entryAt] !== view.entryHead || values[valueAt] !== view.valueHead) return false;
    const entryWord = entryAt + HEAD_WORDS + (index >>> 5);
    const valueWord = valueAt + HEAD_WORDS + (index >>> 5);
    const bits = entries[entryWord];
    const valueBits = values[valueWord];
    // Shifts take their count modulo 32.
    const isFirst = ((bits >>> index) & 1) === 0;
    const cell = ((valueBits >>> index) & 1) === 0 ? (isFirst ? view.cell0 : view.cell1) : isFirst ? view.cell2 : view.cell3;
    const ones = entries[entryAt + 1] + stepOf(cell, ENTRY_STEP);
    const valueOnes = values[valueAt + 1] + stepOf(cell, VALUE_STEP);
    const held = view.held;
    const at = heldAt + (cell & OUTCOME_MASK);
    // Entries that all become equal make a table fold: the step engine's business. (Those of a plain table never are.)
    if (cell === 0 || (ones & this.mask) === 0 || (valueOnes & this.mask) === 0 || at >= held.length) return false;
    entries[entryWord] = bits ^ (((cell >> ENTRY_FLIP) & 1) << index);
    entries[entryAt + 1] = ones;
    values[valueWord] = valueBits ^ (((cell >> VALUE_FLIP) & 1) << index);
    values[valueAt + 1] = valueOnes;
    this.tree.loseCursor();
    view.valueTree.loseCursor();
    held[at] = held[at] + 1;
    this.isHolding = true;
    return true;
  }

  /** Brings about what an access to a page does, if it is known. Written out, so that nearly all of an access's time goes by here. */
  private replay(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): number {
    const high = (gfn * this.inverseSplit) | 0;
    const low = (gfn - high * this.split) | 0;
    const index = low & this.mask;
    const { tree } = this;
    const entryAt = tree.recordAt(root, high, low);
    if (entryAt < 0) return ELSEWHERE;
    const { words } = tree.tables;
    const head = words[entryAt];
    const offset = HEAD_WORDS + (index >>> 5);
    const bits = words[entryAt + offset];
    const attr = ((bits >>> index) & 1) === 0 ? head & 255 : (head >> 8) & 255;
    const say = outcomes.say[attr];
    if ((head & NOT_PLAIN) !== 0 || say === MANY) return ELSEWHERE;
    if (say === UNSAID) return UNKNOWN;
    // Compared with each map and not computed: what is in the map's tables can be fetched before it is known what the entry's own hold, from which `say` comes.
    if (say === MAP) return this.replayBoth(outcomes, this.maps[0], high, low, vcpu, entryAt, bits);
    if (say === MAP + 1) return this.replayBoth(outcomes, this.maps[1], high, low, vcpu, entryAt, bits);
    if (say !== NOBODY) return this.replayBoth(outcomes, this.maps[say - MAP], high, low, vcpu, entryAt, bits);
    const outcome = outcomes.bySituation[attr];
    if (outcome <= 0) return outcome === 0 ? UNKNOWN : ELSEWHERE;
    const step = (outcomes.results[outcome] & NEW_ENTRY) === 0 ? 0 : stepTo(head, bits >>> index, outcomes.results[outcome] & 255);
    const ones = words[entryAt + 1] + step;
    if (step === CAN_NOT || (ones & this.mask) === 0) return ELSEWHERE;
    words[entryAt + offset] = bits ^ ((step & 1) << index);
    words[entryAt + 1] = ones;
    tree.loseCursor();
    this.note(outcomes, outcome, vcpu);
    return DONE;
  }

  /** The same where a frame map has a say. */
  private replayBoth(outcomes: PageOutcomes, map: FrameTree, high: number, low: number, vcpu: number, entryAt: number, bits: number): number {
    const valueAt = map.tree.recordAt(map.root, high, low);
    if (valueAt < 0) return ELSEWHERE;
    const index = low & this.mask;
    const offset = HEAD_WORDS + (index >>> 5);
    const { words } = this.tree.tables;
    const values = map.tree.tables.words;
    const valueHead = values[valueAt];
    const valueBits = values[valueAt + offset];
    const head = words[entryAt];
    const attr = ((bits >>> index) & 1) === 0 ? head & 255 : (head >> 8) & 255;
    const value = ((valueBits >>> index) & 1) === 0 ? valueHead & 255 : (valueHead >> 8) & 255;
    if ((valueHead & NOT_PLAIN) !== 0 || value >= MAP_VALUES) return ELSEWHERE;
    const outcome = outcomes.bySituation[attr | (value << 8)];
    if (outcome <= 0) return outcome === 0 ? UNKNOWN : ELSEWHERE;
    const result = outcomes.results[outcome];
    const step = (result & NEW_ENTRY) === 0 ? 0 : stepTo(head, bits >>> index, result & 255);
    const valueStep = (result & NEW_VALUE) === 0 ? 0 : stepTo(valueHead, valueBits >>> index, (result >> 8) & 255);
    const ones = words[entryAt + 1] + step;
    const valueOnes = values[valueAt + 1] + valueStep;
    if (step === CAN_NOT || valueStep === CAN_NOT || (ones & this.mask) === 0 || (valueOnes & this.mask) === 0) return ELSEWHERE;
    words[entryAt + offset] = bits ^ ((step & 1) << index);
    words[entryAt + 1] = ones;
    values[valueAt + offset] = valueBits ^ ((valueStep & 1) << index);
    values[valueAt + 1] = valueOnes;
    this.tree.loseCursor();
    map.tree.loseCursor();
    this.note(outcomes, outcome, vcpu);
    return DONE;
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
    // Views hold the old ones.
    this.version.bump();
    if (outcomes.usual !== undefined) outcomes.usual.entryHead = -1;
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
        counters.select(Math.floor(at / MAX_OUTCOMES), outcomes.scope);
        outcomes.countInto(counters.now, at % MAX_OUTCOMES, times);
        outcomes.program.released?.(outcomes, at % MAX_OUTCOMES, Math.floor(at / MAX_OUTCOMES), times);
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
 * How many entries more of a plain table have its second attribute once an entry has taken `attr`, which it has not: -1 or 1; CAN_NOT where its bit alone does not do.
 * @param bit the entry's, as the lowest of a word
 */
function stepTo(head: number, bit: number, attr: number): number {
  if ((bit & 1) === 0) return attr === ((head >> 8) & 255) ? 1 : CAN_NOT;
  return attr === (head & 255) ? -1 : CAN_NOT;
}

/** What an access does to pages whose entry and value are the first or second of their tables, as a cell; 0 where it is not known, or can not be brought about. */
function cellOf(outcomes: PageOutcomes, map: number, entryHead: number, valueHead: number, cell: number): number {
  const attr = (entryHead >> ((cell & 1) << 3)) & 255;
  const say = outcomes.say[attr];
  if (say !== NOBODY && (map < 0 || say !== MAP + map)) return 0;
  const value = say === NOBODY ? 0 : (valueHead >> ((cell >> 1) << 3)) & 255;
  const outcome = value < MAP_VALUES ? outcomes.bySituation[attr | (value << 8)] : -1;
  if (outcome <= 0) return 0;
  const result = outcomes.results[outcome];
  const step = (result & NEW_ENTRY) === 0 ? 0 : stepTo(entryHead, cell & 1, result & 255);
  const valueStep = (result & NEW_VALUE) === 0 ? 0 : stepTo(valueHead, cell >> 1, (result >> 8) & 255);
  return step === CAN_NOT || valueStep === CAN_NOT ? 0 : makeCell(outcome, step, valueStep);
}

/** Number of the map that has a say for entries of a table, -1 for none. Where both its attributes have one each, the first one's. */
function mapOf({ say }: PageOutcomes, head: number): number {
  for (const attr of [head & 255, (head >> 8) & 255]) if (say[attr] >= MAP && say[attr] !== MANY) return say[attr] - MAP;
  return -1;
}

/** @param bits of the maps that had a say */
function sayOf(bits: number): number {
  if (bits === 0) return NOBODY;
  return (bits & (bits - 1)) === 0 ? MAP + 31 - Math.clz32(bits) : MANY;
}
