import { EntryKind, InvariantError } from '@mmulab/api';
import { AttrTable } from './attr-table';
import { Geometry } from './geometry';
import { uniformWord } from './word';
import { COVERED, TableTree } from './table-tree';

function treeOf(geometry: Geometry): {
  readonly tree: TableTree;
  readonly root: number;
  readonly leaf: number;
  readonly other: number;
  readonly special: number;
} {
  const attrs = new AttrTable();
  const [leaf, other, special] = [attrs.intern(1), attrs.intern(3), attrs.intern(64, true)];
  const tree = new TableTree(geometry, attrs);
  return { tree, root: tree.createRoot(), leaf, other, special };
}

describe('a table tree', () => {
  const geometry = new Geometry(4, 3);

  it('finds the hole at the root of an empty tree', () => {
    const { tree, root } = treeOf(geometry);
    tree.locate(root, 37, 1);
    expect([tree.level, tree.kind, tree.gfn]).toEqual([3, EntryKind.Empty, 32]);
  });

  it('finds a leaf, the table above it, and holes beside it', () => {
    const { tree, root, leaf } = treeOf(geometry);
    for (let level = 3; level > 1; level--) {
      tree.locate(root, 37, 1);
      tree.writeTable(0, level);
    }
    tree.locate(root, 37, 1);
    tree.writeAttr(leaf);
    const seen = [1, 2, 3].map(goal => {
      tree.locate(root, 37, goal);
      return [tree.level, tree.kind, tree.attr, tree.tableAttr, tree.gfn];
    });
    expect(seen).toEqual([
      [1, EntryKind.Leaf, leaf, 0, 37],
      [2, EntryKind.Table, 0, 2, 36],
      [3, EntryKind.Table, 0, 3, 32],
    ]);
    tree.locate(root, 41, 1);
    expect([tree.level, tree.kind]).toEqual([2, EntryKind.Empty]);
  });

  it('falls back to one uniform word when the entries of its tables are equal again', () => {
    const { tree, root, leaf, other } = treeOf(geometry);
    tree.locate(root, 0, 1);
    tree.writeTable(0, 0);
    for (let gfn = 0; gfn < 16; gfn += 4) {
      tree.locate(root, gfn, 1);
      tree.writeTable(leaf, 0);
    }
    expect(tree.wordAt(root, 3, 0)).toBe(uniformWord(1, leaf, 0));
    tree.locate(root, 9, 1);
    tree.writeAttr(other);
    expect(tree.wordAt(root, 3, 0)).not.toBe(uniformWord(1, leaf, 0));
    tree.locate(root, 9, 1);
    tree.writeAttr(leaf);
    expect(tree.wordAt(root, 3, 0)).toBe(uniformWord(1, leaf, 0));
    expect(tree.tablesBelow(root)).toBe(5);
  });

  it('does not fold tables of different attributes', () => {
    const { tree, root, leaf } = treeOf(geometry);
    tree.locate(root, 0, 1);
    tree.writeTable(0, 1);
    for (let gfn = 0; gfn < 16; gfn += 4) {
      tree.locate(root, gfn, 1);
      tree.writeTable(leaf, 2);
    }
    tree.locate(root, 5, 3);
    expect(tree.tableAttr).toBe(1);
    tree.locate(root, 5, 2);
    expect(tree.tableAttr).toBe(2);
  });

  it('counts children and finds the first present leaf past what is special', () => {
    const { tree, root, leaf, special } = treeOf(geometry);
    tree.locate(root, 0, 1);
    tree.writeTable(0, 0);
    tree.locate(root, 4, 1);
    tree.writeTable(0, 0);
    tree.locate(root, 5, 1);
    tree.writeAttr(special);
    tree.locate(root, 4, 3);
    expect([tree.childCount(), tree.firstLeafBelow()]).toEqual([1, -1]);
    tree.locate(root, 7, 1);
    tree.writeAttr(leaf);
    tree.locate(root, 4, 2);
    expect([tree.childCount(), tree.firstLeafBelow()]).toEqual([2, leaf]);
  });

  it('says that a block under a larger leaf is covered, and refuses to store there', () => {
    const { tree, root, leaf } = treeOf(geometry);
    tree.locate(root, 0, 3);
    tree.writeAttr(leaf);
    expect(tree.wordAt(root, 2, 4)).toBe(COVERED);
    expect(() => tree.setWordAt(root, 2, 4, uniformWord(1, leaf, 0))).toThrow(InvariantError);
  });

  it('gives all storage of a root back', () => {
    const { tree, leaf } = treeOf(new Geometry(512, 4));
    const fill = (): number => {
      const root = tree.createRoot();
      for (let gfn = 0; gfn < 2 ** 20; gfn += 40_000) {
        for (let level = 4; level > 1; level--) {
          tree.locate(root, gfn, 1);
          if (tree.kind === EntryKind.Empty && tree.level > 1) tree.writeTable(0, 0);
        }
        tree.locate(root, gfn, 1);
        tree.writeAttr(leaf);
      }
      return root;
    };
    tree.freeRoot(fill());
    const bytes = tree.bytes;
    for (let i = 0; i < 20; i++) tree.freeRoot(fill());
    expect(tree.bytes).toBe(bytes);
  });
});
