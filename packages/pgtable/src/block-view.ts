/**
 * What accesses of one kind do to blocks of level-1 entries, resolved for blocks that look alike: for each of the two attributes an entry has and each of the two values
 * of the frame map that has a say. How a block looks is told by the heads of its two tables, which are compared each time.
 *
 * A view shows one block: then it also says where its tables are. Where tables lie holds while the version of the trees stands still: they count it up whenever a
 * table takes another one's place. Hot path.
 */
import type { LeafTables } from './leaf-table';
import type { TableTree } from './table-tree';

const NOWHERE = -(2 ** 20);
const NO_COUNTS = new Float64Array(0);

/** What a cell says: number of the outcome; how many entries more have their second attribute then, plus one; the same of values; what is flipped. */
const OUTCOME_BITS = 8;
export const OUTCOME_MASK = (1 << OUTCOME_BITS) - 1;
export const ENTRY_STEP = OUTCOME_BITS;
export const VALUE_STEP = OUTCOME_BITS + 2;
export const ENTRY_FLIP = OUTCOME_BITS + 4;
export const VALUE_FLIP = OUTCOME_BITS + 5;
const STEP_MASK = 3;
/** No step: an entry can not take an attribute by its bit alone. */
export const CAN_NOT = 2;

/** Steps of a cell: -1, 0 or 1. @param shift ENTRY_STEP or VALUE_STEP */
export function stepOf(cell: number, shift: number): number {
  return ((cell >> shift) & STEP_MASK) - 1;
}

/** A cell. @param steps of entries and values: 0 where nothing is flipped */
export function makeCell(outcome: number, entryStep: number, valueStep: number): number {
  const flips = ((entryStep & 1) << ENTRY_FLIP) | ((valueStep & 1) << VALUE_FLIP);
  return outcome | ((entryStep + 1) << ENTRY_STEP) | ((valueStep + 1) << VALUE_STEP) | flips;
}

/** What accesses do to blocks of one look; as a view, to one block. Its cells are fields and no array: they are looked up before what they are chosen by has come. */
export class BlockView {
  /** Version of the trees it holds for; -1: for none. */
  version = -1;
  /** First page of the block, as its owner calls it; nowhere near any page at first. */
  first = NOWHERE;
  /** Where the records of entries and values begin. */
  entryAt = 0;
  valueAt = 0;
  /** Heads of the entries' table and of the values'. No table has a head of -1. */
  entryHead = -1;
  valueHead = -1;
  /** Number of the map that has a say, -1 for none, and its root. */
  map = -1;
  valueRoot = 0;
  /** What an access does where entry and value are the first of their tables', the entry is the second, the value is, both are (makeCell); 0 where that is not known. */
  cell0 = 0;
  cell1 = 0;
  cell2 = 0;
  cell3 = 0;
  /** Where the counts of its outcomes are held, and from where on those of its vCPU. */
  held = NO_COUNTS;
  heldAt = 0;

  /** @param values the tables of the map that has a say, or of nobody; @param valueTree the tree they belong to */
  constructor(
    public values: LeafTables,
    public valueTree: TableTree,
  ) {}
}

/** What a view says of an access to a page: by which of their tables' two attributes its entry and its value have. */
export function cellAt(view: BlockView, bit: number, valueBit: number): number {
  if (valueBit === 0) return bit === 0 ? view.cell0 : view.cell1;
  return bit === 0 ? view.cell2 : view.cell3;
}

/**
 * How many entries more of a plain table have its second attribute once an entry has taken `attr`, which it has not: -1 or 1; CAN_NOT where its bit alone does not do.
 * @param bit the entry's, as the lowest of a word
 */
export function stepTo(head: number, bit: number, attr: number): number {
  if ((bit & 1) === 0) return attr === ((head >> 8) & 255) ? 1 : CAN_NOT;
  return attr === (head & 255) ? -1 : CAN_NOT;
}
