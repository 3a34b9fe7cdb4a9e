/**
 * Entries of the blocks that vCPUs work in, read and written past the tree: each vCPU has the place of its block's table.
 *
 * A place holds until the trees' version moves. A table of one attribute throughout has no record: it can be read, and not written. Hot path.
 */
import { CAN_NOT as NO_STEP, stepTo as stepToAttr } from './block-view';
import { NOT_PLAIN as NOT_PLAIN_BITS, type LeafTables } from './leaf-table';
import type { TableTree } from './table-tree';

// Bound here: constants of this module's code.
const NOT_PLAIN: number = NOT_PLAIN_BITS;
const CAN_NOT: number = NO_STEP;
const stepTo = stepToAttr;

/** What `get` answers where there is no level-1 entry. */
export const UNREADABLE = -1;

/** Blocks of one tree, by vCPU. */
export class BlockEntries {
  private readonly tables: LeafTables;
  private readonly mask: number;
  /** Where the record of the block's table begins; negative where it has none. */
  private readonly at: Int32Array;
  /** The attribute of a block without a record. */
  private readonly throughout: Int32Array;

  constructor(
    private readonly tree: TableTree,
    vcpus: number,
  ) {
    this.tables = tree.tables;
    this.mask = tree.geometry.mask;
    this.at = new Int32Array(vcpus).fill(-1);
    this.throughout = new Int32Array(vcpus).fill(UNREADABLE);
  }

  /** Counts up with every entry of the tree that is written where it lies, but for those that `take` writes. */
  get writes(): number {
    return this.tree.writes;
  }

  /** Finds the table of the block around a frame. */
  open(vcpu: number, root: number, gfn: number): void {
    const { tree } = this;
    const { split } = tree.geometry;
    // From the root, so that the table's parent is among those found lately.
    tree.loseCursor();
    tree.locate(root, gfn, 1);
    const high = Math.floor(gfn / split);
    this.at[vcpu] = tree.recordAt(root, high, gfn - high * split);
    this.throughout[vcpu] = tree.level === 1 ? tree.attr : UNREADABLE;
  }

  /** The attribute of entry `index` of a vCPU's block, or UNREADABLE. */
  get(vcpu: number, index: number): number {
    const at = this.at[vcpu];
    return at < 0 ? this.throughout[vcpu] : this.tables.attrAt(at, index);
  }

  /** Whether an entry can take an attribute by its bit alone, and its table stays one of two attributes. */
  mayTake(vcpu: number, index: number, attr: number): boolean {
    const at = this.at[vcpu];
    if (at < 0) return false;
    const { tables } = this;
    const head = tables.words[at];
    if ((head & NOT_PLAIN) !== 0) return false;
    const step = stepTo(head, tables.bitAt(at, index), attr);
    return step !== CAN_NOT && ((tables.words[at + 1] + step) & this.mask) !== 0;
  }

  /** Gives an entry the other attribute of its table, which `mayTake` has said that it can take. */
  take(vcpu: number, index: number): void {
    this.tables.flipAt(this.at[vcpu], index);
    this.tree.loseCursor();
  }
}
