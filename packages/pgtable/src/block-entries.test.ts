import { AttrTable } from './attr-table';
import { BlockEntries, UNREADABLE } from './block-entries';
import { Geometry } from './geometry';
import { TableTree } from './table-tree';

const geometry = new Geometry(512, 3);

/** A tree whose first 512 pages have tables above them, attributes 1 to 3. */
function small(): { readonly tree: TableTree; readonly root: number; readonly block: BlockEntries } {
  const attrs = new AttrTable();
  [1, 2, 3].forEach(bits => attrs.intern(bits));
  const tree = new TableTree(geometry, attrs);
  const root = tree.createRoot();
  for (tree.locate(root, 0, 1); tree.level > 1; tree.locate(root, 0, 1)) tree.writeTable(0, 0);
  return { tree, root, block: new BlockEntries(tree, 1) };
}

function write(tree: TableTree, root: number, gfn: number, attr: number): void {
  tree.locate(root, gfn, 1);
  tree.writeAttr(attr);
}

describe('the entries of a block of 512 pages, the first 8 of them', () => {
  it('are read in tables of one, two and three attributes, and not where there is no table', () => {
    const { tree, root, block } = small();
    const read = (): number[] => {
      block.open(0, root, 0);
      return Array.from({ length: 8 }, (_, i) => block.get(0, i));
    };
    expect(read()).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    write(tree, root, 3, 1);
    expect(read()).toEqual([0, 0, 0, 1, 0, 0, 0, 0]);
    write(tree, root, 5, 2);
    expect(read()).toEqual([0, 0, 0, 1, 0, 2, 0, 0]);
    block.open(0, root, 512);
    expect(block.get(0, 0)).toBe(UNREADABLE);
  });

  it('take the other attribute of their table, unless it is one of three or would become one of a single one', () => {
    const { tree, root, block } = small();
    write(tree, root, 3, 1);
    block.open(0, root, 0);
    expect([block.mayTake(0, 4, 1), block.mayTake(0, 4, 2), block.mayTake(0, 3, 0)]).toEqual([true, false, false]);
    block.take(0, 4);
    tree.locate(root, 4, 1);
    expect([tree.attr, block.get(0, 4), block.mayTake(0, 3, 0)]).toEqual([1, 1, true]);
    write(tree, root, 5, 2);
    block.open(0, root, 0);
    expect(block.mayTake(0, 6, 1)).toBe(false);
  });

  it('are counted when they are written through the tree, and not when they are taken', () => {
    const { tree, root, block } = small();
    write(tree, root, 3, 1);
    block.open(0, root, 0);
    const { writes } = block;
    block.take(0, 4);
    expect(block.writes).toBe(writes);
    write(tree, root, 5, 1);
    expect(block.writes).toBe(writes + 1);
  });
});

describe('leaves ahead', () => {
  it('are as many as asking page by page finds, for all strides, limits and attributes', () => {
    let state = 7;
    const draw = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 300; round++) {
      const { tree, root } = small();
      const most = 1 + draw(3);
      for (let i = 0; i < 64; i++) if (draw(8) > 0) write(tree, root, i, draw(most) + 1);
      const good = draw(8);
      const isGood = (attr: number): boolean => ((good >> (attr - 1)) & 1) === 1;
      const [from, stride, limit] = [draw(64), 1 + draw(5), draw(40)];
      let expected = 0;
      while (expected < limit) {
        tree.locate(root, from + expected * stride, 1);
        if (tree.attr === 0 || !isGood(tree.attr)) break;
        expected++;
      }
      expect(tree.leavesAhead(root, from, stride, limit, isGood)).toBe(expected);
    }
  });
});
