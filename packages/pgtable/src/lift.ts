/**
 * Lifts a page-by-page program to whole blocks.
 *
 * A program (a vCPU's run of accesses, the words of a dirty bitmap) is run page by page over the first block of its kind; what it did to the
 * block's words and to the counters is remembered, and every later block with the same words, constants and phase of the pattern takes the
 * answer from memory. A block of higher level is composed of its children's answers in the same way. So a lifted run counts what the pages
 * would have counted, by construction. Blocks under a leaf that every access of the run merely hits are passed over.
 *
 * Leaf tables of equal content share one record and compare as one word, so that periodic patterns lift too. Where hardly any block repeats
 * (random patterns) the lifter stops looking. Hot path.
 */
import { EntryKind } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import { BlockCache } from './block-cache';
import type { BlockResult } from './block-cache';
import { otherActor } from './errors';
import type { FrameMap } from './frame-map';
import type { FrameTree } from './frame-tree';
import { NOT_LIFTED, type RunProgram } from './run-program';
import { COVERED } from './table-tree';
import type { TableTree } from './table-tree';
import { isKept } from './word-store';

const MEMO_LIMIT = 20_000;
/** Blocks of tables of their own that are compared before their hits say whether it is worth it. */
const MIN_NODE_LOOKUPS = 16;
/** Levels above this one are not remembered as blocks. */
const TOP_MEMO_LEVEL = 3;

/** Pages of a block of level 2 that are worth being remembered where a run has no more of it. */
const MIN_PART_PAGES = 32;
// How a key's level says which pages of the block are meant: from which on, and to which; 0 for all.
const LEVEL_BITS = 3;
const PART_STEP = 2 ** 14;
/** No number of a text. */
const UNNUMBERED = -1;
// Places in a block's key; from WORDS on its words in the page table and in the frame maps.
const [CONSTANTS, PHASE, LEVEL, CONTEXT, ABOVE, WORDS] = [0, 1, 2, 3, 4, 5];

/** Lifter of one engine. */
export class RunLifter {
  private blocks: BlockCache | undefined;
  private readonly snapshots: Float64Array[] = [];
  private depth = 0;
  private lookups = 0;
  private hits = 0;
  // Of those, blocks whose entries are tables of their own: to compare them takes a look at each entry.
  private nodeLookups = 0;
  private nodeHits = 0;
  private sawNode = false;
  private readonly texts = new Map<string, number>();
  // Of the program that runs: its constants as a number where they are needed, and the frame maps it names.
  private constants = UNNUMBERED;
  private named = 0;
  /** The key last looked up. */
  private readonly key: Int32Array;

  /** @param frameMaps the ones the programs read or change, beside the table tree */
  constructor(
    private readonly tree: TableTree,
    private readonly frameMaps: readonly FrameTree[],
    private readonly counters: Counters,
  ) {
    this.key = new Int32Array(WORDS + 1 + frameMaps.length);
  }

  /** Runs a program over frames [start, end). */
  run(program: RunProgram, root: number, start: number, end: number): void {
    const { constants, named } = this;
    this.lookups = 0;
    this.hits = 0;
    this.nodeLookups = 0;
    this.nodeHits = 0;
    this.constants = UNNUMBERED;
    this.named = this.bitsOf(program.frameMaps);
    const g = this.tree.geometry;
    const span = g.pagesAt(g.levels);
    for (let base = start - (start % span); base < end; base += span) this.visit(program, root, g.levels, base, start, end);
    this.constants = constants;
    this.named = named;
  }

  /** A text as a number: equal texts, equal numbers, in the order of their first use. */
  private numberOf(text: string): number {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    this.texts.set(text, this.texts.size);
    return this.texts.size - 1;
  }

  /** Frame maps as bits by their number. */
  private bitsOf(frameMaps: readonly FrameMap[]): number {
    let bits = 0;
    for (let i = 0; i < this.frameMaps.length; i++) if (frameMaps.includes(this.frameMaps[i])) bits |= 1 << i;
    return bits;
  }

  private phaseOf(program: RunProgram, base: number, level: number): number {
    if (program.phase !== undefined) return this.numberOf(program.phase(base, level));
    return program.period === 1 ? 0 : (base - program.origin) % program.period;
  }

  /** Forgets everything remembered. */
  clear(): void {
    this.blocks?.drain((key, entry) => {
      this.dropReferences(key.subarray(WORDS));
      this.dropReferences(entry.words);
    });
  }

  private visit(program: RunProgram, root: number, level: number, base: number, start: number, end: number): void {
    const tree = this.tree;
    const span = tree.geometry.pagesAt(level);
    const from = Math.max(start, base);
    const to = Math.min(end, base + span);
    if (!touches(program, from, to) || program.isIdle?.(from, to) === true) return;
    const word = tree.wordAt(root, level, base);
    if (this.isStable(program, word)) return;
    const isWorthIt = to - from === span ? level <= TOP_MEMO_LEVEL : level === 2 && to - from >= (program.leastPart ?? MIN_PART_PAGES);
    if (isWorthIt && word !== COVERED && this.tryCache(program, root, level, base, from, to)) return;
    this.visitParts(program, root, level, base, start, end);
  }

  /** Whether every page of the block the cursor is on lies under a leaf that the program's visits leave as it is. */
  private isStable(program: RunProgram, word: number): boolean {
    const { tree } = this;
    if (word === COVERED) return tree.kind === EntryKind.Leaf && program.isStable(tree.attr);
    const first = tree.pageAttrOf(word, true);
    const second = tree.pageAttrOf(word, false);
    return first > 0 && second > 0 && program.isStable(first) && (second === first || program.isStable(second));
  }

  private visitParts(program: RunProgram, root: number, level: number, base: number, start: number, end: number): void {
    const g = this.tree.geometry;
    if (level === 2) {
      program.block(Math.max(start, base), Math.min(end, base + g.entries));
      return;
    }
    const span = g.pagesAt(level - 1);
    const first = start <= base ? base : start - ((start - base) % span);
    const last = Math.min(end, base + span * g.entries);
    for (let child = first; child < last; child += span) this.visit(program, root, level - 1, child, start, end);
  }

  /** Takes a block's outcome from memory, or runs it and remembers it; that of its frames [from, to). @returns false when the block has no comparable words */
  private tryCache(program: RunProgram, root: number, level: number, base: number, from: number, to: number): boolean {
    if (this.lookups > 512 && this.hits * 16 < this.lookups) return false;
    const context = program.context(base, level);
    if (context === NOT_LIFTED) return false;
    const { key } = this;
    if (!this.readWords(root, level, base, key, WORDS)) return false;
    if (this.constants === UNNUMBERED) this.constants = this.numberOf(program.constants);
    key[CONSTANTS] = this.constants;
    key[PHASE] = this.phaseOf(program, base, level);
    key[LEVEL] = level | (((from - base) * PART_STEP + (to - from === this.tree.geometry.pagesAt(level) ? 0 : to - base)) << LEVEL_BITS);
    key[CONTEXT] = context;
    key[ABOVE] = this.tree.tableAttrAbove(root, level, base);
    this.blocks ??= new BlockCache(key.length);
    const blocks = this.blocks;
    if (blocks.size >= MEMO_LIMIT) this.clear();
    const { sawNode } = this;
    this.lookups++;
    if (sawNode) this.nodeLookups++;
    const known = blocks.get(key);
    if (known !== undefined) {
      this.hits++;
      if (sawNode) this.nodeHits++;
      this.apply(program, root, level, base, key, known);
      return true;
    }
    // The key is looked up again and again, and is a key of its own only where something is learnt.
    this.runAndRemember(program, root, level, base, from, to, key.slice(), blocks);
    return true;
  }

  private runAndRemember(
    program: RunProgram,
    root: number,
    level: number,
    base: number,
    from: number,
    to: number,
    key: Int32Array,
    blocks: BlockCache,
  ): void {
    // The key's records must outlive the run, which may free them.
    this.addReferences(key.subarray(WORDS));
    const { now } = this.counters;
    const before = this.snapshot();
    program.journal?.open(base);
    this.depth++;
    this.visitParts(program, root, level, base, from, to);
    this.depth--;
    const effects = program.journal?.close();
    const words = new Int32Array(1 + this.frameMaps.length);
    if (now !== this.counters.now) throw otherActor(program.constants, base, level);
    if (!this.readWords(root, level, base, words, 0) || this.tree.tableAttrAbove(root, level, base) !== key[ABOVE]) {
      this.dropReferences(key.subarray(WORDS));
      return;
    }
    this.addReferences(words);
    const { events, amounts } = this.difference(before);
    blocks.set(key, { words, events, amounts, effects });
  }

  private apply(program: RunProgram, root: number, level: number, base: number, key: Int32Array, entry: BlockResult): void {
    const { words, events, amounts } = entry;
    if (words[0] !== key[WORDS]) this.store(this.tree, root, level, base, words[0]);
    for (let i = 0; i < this.frameMaps.length; i++) {
      const frames = this.frameMaps[i];
      if (words[i + 1] !== key[WORDS + 1 + i]) this.store(frames.tree, frames.root, level, base, words[i + 1]);
    }
    const now = this.counters.now;
    for (let i = 0; i < events.length; i++) now[events[i]] = now[events[i]] + amounts[i];
    if (entry.effects !== undefined) program.journal?.replay(entry.effects, base);
  }

  private store(tree: TableTree, root: number, level: number, base: number, word: number): void {
    tree.shareWord(word);
    tree.setWordAt(root, level, base, word);
  }

  /** Reads the block's comparable words into `out` from index `at` on. @returns false when a frame map has none */
  private readWords(root: number, level: number, base: number, out: Int32Array, at: number): boolean {
    const nodes = this.nodeLookups < MIN_NODE_LOOKUPS || this.nodeHits * 4 >= this.nodeLookups;
    const word = this.tree.canonicalWordAt(root, level, base, nodes);
    if (word === -1) return false;
    out[at] = word;
    this.sawNode = isKept(word);
    for (let i = 0; i < this.frameMaps.length; i++) {
      out[at + 1 + i] = 0;
      if (((this.named >> i) & 1) === 0) continue;
      const frames = this.frameMaps[i];
      const value = frames.tree.canonicalWordAt(frames.root, level, base, nodes);
      if (value === -1) return false;
      out[at + 1 + i] = value;
      if (isKept(value)) this.sawNode = true;
    }
    return true;
  }

  private addReferences(words: Int32Array): void {
    for (let i = 0; i < words.length; i++) this.storage(i).shareWord(words[i]);
  }

  private dropReferences(words: Int32Array): void {
    for (let i = 0; i < words.length; i++) this.storage(i).releaseWord(words[i]);
  }

  private storage(index: number): TableTree {
    return index === 0 ? this.tree : this.frameMaps[index - 1].tree;
  }

  private snapshot(): Float64Array {
    const now = this.counters.now;
    let copy = this.snapshots[this.depth];
    if (copy === undefined || copy.length !== now.length) {
      copy = new Float64Array(now.length);
      this.snapshots[this.depth] = copy;
    }
    copy.set(now);
    return copy;
  }

  private difference(before: Float64Array): { events: Int32Array; amounts: Float64Array } {
    const now = this.counters.now;
    const events: number[] = [];
    const amounts: number[] = [];
    for (let i = 0; i < now.length; i++) {
      const amount = now[i] - before[i];
      if (amount !== 0) {
        events.push(i);
        amounts.push(amount);
      }
    }
    return { events: Int32Array.from(events), amounts: Float64Array.from(amounts) };
  }
}

/** Whether a pattern visits any page in [from, to). */
function touches(program: RunProgram, from: number, to: number): boolean {
  if (program.stride === 1) return to > from;
  const offset = (from - program.origin) % program.stride;
  return from + (offset === 0 ? 0 : program.stride - offset) < to;
}
