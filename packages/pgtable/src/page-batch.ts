/**
 * Accesses to pages in many blocks, by memory of what they do, a few dozen at a time.
 *
 * An access out of the blue waits for what it needs to come from memory: the word of its table, the record, the bits, and the same of the map that has a say. Where several are
 * known in advance, those of all are asked for together, and the accesses are brought about one after the other when they have come. How many are on their way at once hangs on how
 * short the code between them is: so there is a loop for each step, and its operands are constants of this module's code.
 *
 * First `begin` and `add` them, then `bring`; what it leaves is the caller's, who does it in another way and then may go on. Hot path.
 */
import type { BlockView } from './block-view';
import { HEAD_WORDS as HEAD_WORDS_OF_RECORD } from './leaf-table';
import type { PageCache } from './page-cache';
import { MAX_OUTCOMES as OUTCOMES_PER_VCPU, type PageOutcomes } from './page-outcomes';
import type { TableTree } from './table-tree';

// Bound here: constants of this module's code.
const MAX_OUTCOMES: number = OUTCOMES_PER_VCPU;
const HEAD_WORDS: number = HEAD_WORDS_OF_RECORD;
/** Accesses of a batch. */
export const MAX_BATCH = 64;

// The accesses under way, of all batches there are: each is brought about before another one is begun.
const roots = new Int32Array(MAX_BATCH);
/** Frame numbers, split by the geometry. */
const highs = new Int32Array(MAX_BATCH);
const lows = new Int32Array(MAX_BATCH);
const heldAts = new Int32Array(MAX_BATCH);
/** Where the records of entries and values begin. */
const entryAts = new Int32Array(MAX_BATCH);
const valueAts = new Int32Array(MAX_BATCH);

/** A few accesses under way. */
export class PageBatch {
  private count = 0;
  /** What such accesses do, and what is expected of the blocks they go to. */
  private readonly likes: PageOutcomes[] = [];
  private readonly looks: BlockView[] = [];
  private readonly tree: TableTree;
  private readonly split: number;
  private readonly inverseSplit: number;
  private readonly mask: number;
  /** What was fetched, so that it is. */
  private fetched = 0;

  constructor(private readonly pages: PageCache) {
    this.tree = pages.tree;
    const { geometry } = pages.tree;
    this.split = geometry.split;
    this.inverseSplit = geometry.inverseSplit;
    this.mask = geometry.mask;
  }

  /** There are no accesses. */
  begin(): void {
    this.count = 0;
  }

  /** One more access, to be brought about after those before it. @param outcomes of accesses like it */
  add(outcomes: PageOutcomes, root: number, gfn: number, vcpu: number): void {
    const at = this.count++;
    const high = (gfn * this.inverseSplit) | 0;
    this.likes[at] = outcomes;
    this.looks[at] = outcomes.usual ?? this.pages.usualOf(outcomes);
    roots[at] = root;
    highs[at] = high;
    lows[at] = (gfn - high * this.split) | 0;
    heldAts[at] = vcpu * MAX_OUTCOMES;
  }

  /** Brings them about as far as it is known what they do. @returns how many: the next one is for another way, and nothing was done of it and those after it */
  bring(): number {
    const { count, pages, likes, looks } = this;
    this.fetch(count);
    let other = -1;
    let done = 0;
    for (; done < count; done++) {
      if (pages.flipAt(looks[done], entryAts[done], valueAts[done], roots[done], highs[done], lows[done], heldAts[done])) continue;
      if (!pages.replayAt(likes[done], roots[done], highs[done], lows[done], heldAts[done])) break;
      other = done;
    }
    // Once nobody needs what was expected until now.
    if (other >= 0) pages.surprised(likes[other], roots[other], highs[other], lows[other]);
    return done;
  }

  /** Finds their tables, and asks for the records: for accesses to the same tree of which the same is expected at once. */
  private fetch(count: number): void {
    const { tree, mask, looks } = this;
    let end = 0;
    for (let from = 0; from < count; from = end) {
      const look = looks[from];
      const root = roots[from];
      while (end < count && looks[end] === look && roots[end] === root) end++;
      tree.recordsAt(root, highs, lows, from, end, entryAts);
      let sum = touch(tree.tables.words, entryAts, from, end, mask);
      if (look.map < 0) {
        valueAts.fill(0, from, end);
      } else {
        look.valueTree.recordsAt(look.valueRoot, highs, lows, from, end, valueAts);
        sum ^= touch(look.values.words, valueAts, from, end, mask);
      }
      this.fetched = sum;
    }
  }
}

/** Reads heads and bits of records: of the first one where there is none. @returns something of all of them */
function touch(words: Int32Array, records: Int32Array, from: number, end: number, mask: number): number {
  let sum = 0;
  for (let i = from; i < end; i++) {
    const record = records[i];
    const at = record & ~(record >> 31);
    sum ^= words[at] ^ words[at + HEAD_WORDS + ((lows[i] & mask) >>> 5)];
  }
  return sum;
}
