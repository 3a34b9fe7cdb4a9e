/**
 * Accesses to single pages, by memory of what they do.
 *
 * Most accesses of a run page by page find a page in one of a few situations: what its entry holds, and what a frame map (host pages, or the dirty bitmap)
 * says of it. What a situation leads to (new entry, new value of the map, events) is found by letting the program perform the access once, and brought about
 * again wherever the situation is met. This is done for entries of owned tables of two attributes that stay such: whatever makes, folds or shares a table,
 * and whatever depends on two maps at once, is left to the step engine.
 *
 * There are three ways to a page. An access out of the blue (`bring`) looks the tables up and the outcome after them: its time is that of fetching them from memory, so it is
 * short, that the processor may begin the next one meanwhile. Where many such accesses are known in advance they go in batches (page-batch.ts). Accesses that stay in a block go
 * through a view of it (`touch`), where all that is resolved. Hot path.
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
  CAN_NOT as NO_STEP,
  cellAt as cellOfView,
  stepOf as cellStep,
  stepTo as stepToAttr,
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
  sayOf,
  type PageOutcomes,
} from './page-outcomes';
import { cellOf, mapOf } from './page-cells';
import type { TableTree } from './table-tree';
import type { Version } from './version';
import { NO_PLACE as NO_PLACE_THERE } from './word-tree';

// Bound here: constants of this module's code.
/** How asking ended: the page is not in an owned plain table, or more than it has a say; brought about; not known yet. */
const ELSEWHERE = 0;
const DONE = 1;
const UNKNOWN = 2;
const { Unknown: UNSAID, Nobody: NOBODY, Map: MAP, Many: MANY } = Say;
const NO_PLACE: number = NO_PLACE_THERE;
const NOT_PLAIN: number = NOT_PLAIN_BITS;
const HEAD_WORDS: number = HEAD_WORDS_OF_RECORD;
const OUTCOME_MASK: number = OUTCOME_MASK_BITS;
const ENTRY_STEP: number = ENTRY_STEP_SHIFT;
const VALUE_STEP: number = VALUE_STEP_SHIFT;
const ENTRY_FLIP: number = ENTRY_FLIP_SHIFT;
const VALUE_FLIP: number = VALUE_FLIP_SHIFT;
const CAN_NOT: number = NO_STEP;
const stepOf = cellStep;
const stepTo = stepToAttr;
const cellAt = cellOfView;
const MAP_VALUES: number = MAP_VALUES_KEPT;
const MAX_OUTCOMES: number = OUTCOMES_PER_VCPU;
const NEW_ENTRY: number = IS_NEW_ENTRY;
const NEW_VALUE: number = IS_NEW_VALUE;
/** Accesses to blocks of another look than a plan expects after which it is made anew. */
const MAX_SURPRISES = 4;

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
    readonly tree: TableTree,
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
    const high = (gfn * this.inverseSplit) | 0;
    const known = this.replay(outcomes, root, high, (gfn - high * this.split) | 0, vcpu);
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
    if (this.flipAt(usual, entryAt, valueAt, root, high, low, vcpu * MAX_OUTCOMES)) return true;
    if (this.replay(outcomes, root, high, low, vcpu) !== DONE) return false;
    this.surprised(outcomes, root, high, low);
    return true;
  }

  /**
   * Performs an access to a page of a block that looks as expected.
   * @param look what is expected; @param entryAt and valueAt: where the records of its tables begin (`recordAt`); 0 for values where no map has a say
   * @param high and low: the frame number, split by the geometry; @param heldAt where the vCPU's counts are held
   * @returns false when nothing was done
   */
  flipAt(look: BlockView, entryAt: number, valueAt: number, root: number, high: number, low: number, heldAt: number): boolean {
    return entryAt >= 0 && valueAt >= 0 ? this.flip(look, entryAt, valueAt, low & this.mask, heldAt) : this.flipFirst(look, root, high, low, heldAt);
  }

  /** The same where the block looks otherwise. */
  replayAt(outcomes: PageOutcomes, root: number, high: number, low: number, heldAt: number): boolean {
    return this.replay(outcomes, root, high, low, heldAt / MAX_OUTCOMES) === DONE;
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

  /** What is expected of blocks that accesses come to. */
  usualOf(outcomes: PageOutcomes): BlockView {
    return (outcomes.usual ??= this.makeView());
  }

  /** A block looked otherwise than expected: a few do, or all from now on. */
  surprised(outcomes: PageOutcomes, root: number, high: number, low: number): void {
    if (++outcomes.surprises < MAX_SURPRISES) return;
    outcomes.surprises = 0;
    this.resolve(this.usualOf(outcomes), outcomes, this.tree.recordAt(root, high, low), high, low);
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
    const cell = cellAt(view, (bits >>> index) & 1, (valueBits >>> index) & 1);
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

  /**
   * The same for a block whose tables, one of them or both, are no more than a word: they are expanded where what the access does changes an entry of theirs.
   */
  private flipFirst(look: BlockView, root: number, high: number, low: number, heldAt: number): boolean {
    // Nothing is expected of blocks.
    if (look.entryHead < 0) return false;
    const { tree, mask } = this;
    const { valueTree, values } = look;
    const entry = tree.placeFor(root, high, low, look.entryHead);
    const value = look.map < 0 ? 0 : valueTree.placeFor(look.valueRoot, high, low, look.valueHead);
    if (entry === NO_PLACE || value === NO_PLACE) return false;
    const index = low & mask;
    const cell = cellAt(look, entry < 0 ? 0 : tree.tables.bitAt(entry, index), value < 0 ? 0 : values.bitAt(value, index));
    if (cell === 0 || heldAt + (cell & OUTCOME_MASK) >= look.held.length) return false;
    const ones = (entry < 0 ? 0 : tree.tables.words[entry + 1]) + stepOf(cell, ENTRY_STEP);
    const valueOnes = (value < 0 ? 0 : values.words[value + 1]) + stepOf(cell, VALUE_STEP);
    if ((ones & mask) === 0 || (valueOnes & mask) === 0) return false;
    const entryAt = entry < 0 ? tree.expandFor(~entry, look.entryHead) : entry;
    const valueAt = value < 0 ? valueTree.expandFor(~value, look.valueHead) : value;
    return this.flip(look, entryAt, valueAt, index, heldAt);
  }

  /** Brings about what an access to a page does, if it is known. Written out, so that nearly all of an access's time goes by here. */
  private replay(outcomes: PageOutcomes, root: number, high: number, low: number, vcpu: number): number {
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
