import type { Counters } from '@mmulab/api';
import { AttrTable } from './attr-table';
import { FrameTree } from './frame-tree';
import { Geometry } from './geometry';
import { PageCache } from './page-cache';
import { MAX_BATCH, PageBatch } from './page-batch';
import { PageOutcomes } from './page-outcomes';
import { TableTree } from './table-tree';

const MAPPED = 1;
const ENTRIES = 4;
/** Frames of 16 tables of level-2 entries. */
const NPAGES = 16 * ENTRIES ** 2;
/** Frames that are accessed: those of the first three of the four blocks in each. */
const FRAMES = Array.from({ length: NPAGES }, (_, gfn) => gfn).filter(gfn => gfn % 16 < 12);
const BLOCKS = FRAMES.filter(gfn => gfn % ENTRIES === 0);

class LazyVector implements Counters {
  now = new Float64Array(1);
  flushCounts = (): void => undefined;
  select(): void {
    // There is one.
  }
  holdBack(flushCounts: () => void): void {
    this.flushCounts = flushCounts;
  }
}

/** Empty tables of 4 entries that are no more than words, and a map of as many. Accesses map a page and mark it; the program performs those that are for another way. */
class Machine {
  readonly counters = new LazyVector();
  readonly geometry = new Geometry(ENTRIES, 5);
  readonly attrs = new AttrTable();
  readonly tree = new TableTree(this.geometry, this.attrs);
  readonly map = new FrameTree(this.geometry);
  readonly root = this.tree.createRoot();
  readonly pages = new PageCache(this.tree, [this.map], this.counters);
  readonly performed: number[] = [];
  readonly outcomes = new PageOutcomes({ perform: (_, gfn) => this.perform(gfn) }, 0);

  constructor() {
    this.attrs.intern(MAPPED);
    for (const gfn of BLOCKS)
      for (this.tree.locate(this.root, gfn, 1); this.tree.level > 1; this.tree.locate(this.root, gfn, 1)) this.tree.writeTable(0, 0);
    // The fourth block is another one, so that no table of level-2 entries is but a word.
    for (let gfn = 12; gfn < NPAGES; gfn += 16) this.map.set(gfn, 1);
    for (const gfn of BLOCKS) this.map.get(gfn);
  }

  perform(gfn: number): number {
    this.performed.push(gfn);
    this.counters.now[0] = (this.counters.now[0] ?? 0) + (this.attrOf(gfn) === MAPPED ? 1 : 1000);
    this.tree.writeAttr(MAPPED);
    this.map.set(gfn, 1);
    return this.pages.bitOf(this.map);
  }

  attrOf(gfn: number): number {
    this.tree.locate(this.root, gfn, 1);
    return this.tree.attr;
  }

  step(gfn: number): void {
    if (!this.pages.access(this.outcomes, this.root, gfn, 0)) this.perform(gfn);
  }

  /** @returns how many were brought about */
  bring(gfns: readonly number[]): number {
    const batch = new PageBatch(this.pages);
    batch.begin();
    for (const gfn of gfns) batch.add(this.outcomes, this.root, gfn, 0);
    return batch.bring();
  }

  /** All of them, in batches as far as they go. */
  bringAll(gfns: readonly number[]): void {
    for (let at = 0; at < gfns.length;) {
      const some = gfns.slice(at, at + MAX_BATCH);
      const done = this.bring(some);
      if (done < some.length) this.step(some[done]);
      at += Math.min(done + 1, some.length);
    }
  }

  get state(): unknown {
    this.counters.flushCounts();
    const pages = Array.from({ length: NPAGES }, (_, gfn) => [this.attrOf(gfn), this.map.get(gfn)]);
    return [pages, [...this.counters.now]];
  }
}

/** What accesses do has been learnt, and blocks are expected to look like one of which a page is mapped. */
function learnt(): Machine {
  const machine = new Machine();
  for (const page of [0, 0, 1]) for (const block of BLOCKS.slice(0, 4)) machine.step(block + page);
  for (const gfn of BLOCKS.slice(0, 4)) machine.pages.bring(machine.outcomes, machine.root, gfn, 0);
  machine.performed.length = 0;
  return machine;
}

describe('a batch of accesses to pages', () => {
  it('expands 40 tables and their parts of a map, each for the first page that differs', () => {
    const machine = learnt();
    const first = BLOCKS.slice(6, 46).map((block, i) => block + (i % ENTRIES));
    expect([machine.bring(first), machine.performed]).toEqual([40, []]);
    expect(first.map(gfn => [machine.attrOf(gfn), machine.attrOf(gfn ^ 1), machine.map.get(gfn), machine.map.get(gfn ^ 1)])).toEqual(
      first.map(() => [MAPPED, 0, 1, 0]),
    );
  });

  it('stops at the fourth page of a table, which makes it a word again, and does nothing of those behind it', () => {
    const machine = learnt();
    const block = BLOCKS[7] ?? 0;
    const next = BLOCKS[8] ?? 0;
    expect(machine.bring([block + 3, block + 1, block, block + 2, next])).toBe(3);
    expect([machine.attrOf(block + 2), machine.attrOf(next)]).toEqual([0, 0]);
  });

  it('does not expand a table of which it changes nothing', () => {
    const machine = learnt();
    const block = BLOCKS[7] ?? 0;
    for (let page = 0; page < ENTRIES; page++) machine.step(block + page);
    const isOwned = (): boolean => machine.tree.ownsLeaves(machine.tree.wordAt(machine.root, 2, block));
    expect([isOwned(), machine.bring([block]), isOwned()]).toEqual([false, 0, false]);
  });

  it('of 400 accesses at random leaves what they leave one by one', () => {
    const [batched, stepped] = [learnt(), learnt()];
    let x = 7;
    const gfns = Array.from({ length: 400 }, () => {
      x = (Math.imul(x, 48271) >>> 0) % 2147483647;
      return FRAMES[x % FRAMES.length] ?? 0;
    });
    batched.bringAll(gfns);
    for (const gfn of gfns) stepped.step(gfn);
    expect(batched.state).toEqual(stepped.state);
  });
});
