import type { Counters } from '@mmulab/api';
import { AttrTable } from './attr-table';
import { Geometry } from './geometry';
import { AskedMap, PageOutcomes, PageAnswer, PageCache } from './page-cache';
import { FrameTree } from './frame-tree';
import { TableTree } from './table-tree';

const MAPPED = 1;
const EVENT = 0;

/** Counters of one event and two actors. */
class TwoVectors implements Counters {
  readonly vectors = [new Float64Array(1), new Float64Array(1)] as const;
  now: Float64Array = this.vectors[0];
  select(actor: number): void {
    this.now = actor === 0 ? this.vectors[0] : this.vectors[1];
  }
}

class LazyVectors extends TwoVectors {
  flushCounts = (): void => undefined;
  holdBack(flushCounts: () => void): void {
    this.flushCounts = flushCounts;
  }
}

/** A table of 4 entries, the first one mapped, and frame maps that own a table at the same place. */
function world<C extends TwoVectors>(counters: C) {
  const geometry = new Geometry(4, 3);
  const attrs = new AttrTable();
  attrs.intern(MAPPED);
  const tree = new TableTree(geometry, attrs);
  const root = tree.createRoot();
  for (tree.locate(root, 0, 1); tree.level > 1; tree.locate(root, 0, 1)) tree.writeTable(0, 0);
  tree.writeAttr(MAPPED);
  tree.locate(root, 1, 1);
  const first = new FrameTree(geometry);
  const second = new FrameTree(geometry);
  second.set(0, 1);
  second.get(1);
  const pages = new PageCache(tree, first, second, counters);
  /** Maps a page and marks it in the second frame map: what a step engine would do. */
  const map = (gfn: number): void => {
    tree.locate(root, gfn, 1);
    tree.writeAttr(MAPPED);
    second.set(gfn, 1);
    counters.now[EVENT] = (counters.now[EVENT] ?? 0) + 1;
  };
  const attrOf = (gfn: number): number => {
    tree.locate(root, gfn, 1);
    return tree.attr;
  };
  return { tree, root, second, pages, map, attrOf };
}

describe('the memory of single pages', () => {
  it('brings about for the second page what the step engine did to the first, and leaves the last one of a table to it', () => {
    const counters = new TwoVectors();
    const { root, second, pages, map, attrOf } = world(counters);
    const outcomes = new PageOutcomes();
    expect(pages.replay(outcomes, root, 1, 0)).toBe(PageAnswer.Unknown);
    pages.observe(root, 1);
    map(1);
    pages.remember(outcomes, root, 1, AskedMap.Second, true);
    expect(pages.replay(outcomes, root, 2, 0)).toBe(PageAnswer.Done);
    expect([attrOf(2), second.get(2), counters.now[EVENT]]).toEqual([1, 1, 2]);
    expect(pages.replay(outcomes, root, 3, 0)).toBe(PageAnswer.Elsewhere);
    expect([attrOf(3), second.get(3), counters.now[EVENT]]).toEqual([0, 0, 2]);
  });

  it('never brings about what was more than entry, planes and counters show', () => {
    const { root, pages, map, attrOf } = world(new TwoVectors());
    const outcomes = new PageOutcomes();
    pages.observe(root, 1);
    map(1);
    pages.remember(outcomes, root, 1, AskedMap.Second, false);
    expect(pages.replay(outcomes, root, 2, 0)).toBe(PageAnswer.Elsewhere);
    expect(attrOf(2)).toBe(0);
  });

  it('knows a situation by the plane that was asked', () => {
    const { root, second, pages, map } = world(new TwoVectors());
    const outcomes = new PageOutcomes();
    pages.observe(root, 1);
    map(1);
    pages.remember(outcomes, root, 1, AskedMap.Second, true);
    second.set(2, 1);
    second.set(3, 2);
    expect(pages.replay(outcomes, root, 2, 0)).toBe(PageAnswer.Unknown);
  });

  it('holds counts back where counters call for them, and counts them for the vCPU that acted', () => {
    const counters = new LazyVectors();
    const { root, pages, map } = world(counters);
    const outcomes = new PageOutcomes();
    pages.observe(root, 1);
    map(1);
    pages.remember(outcomes, root, 1, AskedMap.Second, true);
    counters.select(1);
    expect(pages.replay(outcomes, root, 2, 1)).toBe(PageAnswer.Done);
    expect(counters.vectors.map(vector => vector[EVENT])).toEqual([1, 0]);
    counters.flushCounts();
    expect(counters.vectors.map(vector => vector[EVENT])).toEqual([1, 1]);
    expect(counters.now).toBe(counters.vectors[1]);
  });
});
