import type { Counters } from '@mmulab/api';
import { AttrTable } from './attr-table';
import { Geometry } from './geometry';
import { FrameTree } from './frame-tree';
import { PageCache } from './page-cache';
import { MORE, PageOutcomes } from './page-outcomes';
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

/** A table of 4 entries, the first one mapped, and frame maps that own a table at the same place. Accesses map a page and mark it in the second map. */
function vm<C extends TwoVectors>(counters: C, told = 0) {
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
  const pages = new PageCache(tree, [first, second], counters);
  const performed: number[] = [];
  const perform = (_vcpu: number, gfn: number): number => {
    performed.push(gfn);
    tree.locate(root, gfn, 1);
    tree.writeAttr(MAPPED);
    second.set(gfn, 1);
    counters.now[EVENT] = (counters.now[EVENT] ?? 0) + 1;
    return pages.bitOf(second) | told;
  };
  const outcomes = new PageOutcomes({ perform }, 0);
  const attrOf = (gfn: number): number => {
    tree.locate(root, gfn, 1);
    return tree.attr;
  };
  const access = (gfn: number, vcpu = 0): boolean => pages.access(outcomes, root, gfn, vcpu);
  return { tree, root, pages, outcomes, second, performed, attrOf, access };
}

describe('accesses to single pages', () => {
  it('do to the second page what the program did to the first, and leave the last one of a table to the step engine', () => {
    const counters = new TwoVectors();
    const { second, performed, access, attrOf } = vm(counters);
    expect([access(1), access(2), performed]).toEqual([true, true, [1]]);
    expect([attrOf(2), second.get(2), counters.now[EVENT]]).toEqual([1, 1, 2]);
    expect(access(3)).toBe(false);
    expect([attrOf(3), second.get(3), counters.now[EVENT], performed]).toEqual([0, 0, 2, [1]]);
  });

  it('are not brought about where more was done than entry, maps and counters show', () => {
    const { performed, access, attrOf } = vm(new TwoVectors(), MORE);
    expect([access(1), access(2), performed, attrOf(2)]).toEqual([true, false, [1], 0]);
  });

  it('are told apart by the map that had a say', () => {
    const { second, performed, access } = vm(new TwoVectors());
    access(1);
    second.set(2, 1);
    second.set(3, 2);
    expect([access(2), performed]).toEqual([true, [1, 2]]);
  });

  it('hold counts back where counters call for them, and count them for the vCPU that acted', () => {
    const counters = new LazyVectors();
    const { performed, access } = vm(counters);
    access(1);
    counters.select(1);
    expect([access(2, 1), performed]).toEqual([true, [1]]);
    expect(counters.vectors.map(vector => vector[EVENT])).toEqual([1, 0]);
    counters.flushCounts();
    expect(counters.vectors.map(vector => vector[EVENT])).toEqual([1, 1]);
    expect(counters.now).toBe(counters.vectors[1]);
  });
});

describe('a view of a block', () => {
  it('leaves the last page of a table that is not like the others to the step engine', () => {
    const { pages, outcomes, root, access, attrOf, second } = vm(new LazyVectors());
    access(1);
    access(2);
    const view = pages.makeView();
    expect([pages.touch(view, 3), pages.open(view, outcomes, root, 1, 0, 0)]).toEqual([false, true]);
    expect([pages.touch(view, 3), attrOf(3), second.get(3)]).toEqual([false, 0, 0]);
  });

  it('shows nothing once its table has gone', () => {
    const { tree, root, pages, outcomes, access } = vm(new LazyVectors());
    access(1);
    access(2);
    const view = pages.makeView();
    pages.open(view, outcomes, root, 1, 0, 0);
    const isSeen = (): boolean => view.version === pages.version.now;
    const before = isSeen();
    tree.locate(root, 3, 1);
    tree.writeAttr(MAPPED);
    expect([before, isSeen(), pages.touch(view, 1)]).toEqual([true, false, false]);
  });
});
