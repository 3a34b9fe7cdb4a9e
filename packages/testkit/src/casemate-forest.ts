/**
 * The memory of a checked trace: initialised pages, and the trees that live in them.
 *
 * A page is memory from its initialisation on until it is freed. It is a table while a root that some thread has loaded leads to it, or led to it and the broken entry
 * is not yet clean.
 */

const PAGE = 4096;
const ENTRIES = 512;
const VALID_TABLE = 3n;
const ADDRESS = ((1n << 48n) - 1n) & ~0xfffn;

/** A table of a live tree. */
export interface LiveTable {
  readonly address: number;
  /** 0 to 3, as the architecture counts. */
  readonly level: number;
  readonly root: number;
  /** First frame it translates. */
  readonly frame: number;
  readonly values: BigUint64Array;
  readonly children: (LiveTable | undefined)[];
  /** An entry above it is broken and not yet clean. */
  detached: boolean;
}

/** Trees over initialised pages. */
export class TableForest {
  private readonly memory = new Map<number, BigUint64Array>();
  private readonly tables = new Map<number, LiveTable>();

  /** @param refuse called with what is wrong with a page; does not return */
  constructor(private readonly refuse: (problem: string) => never) {}

  initialise(address: number, size: number): void {
    for (let page = address; page < address + size; page += PAGE) {
      if (this.tables.has(page)) this.refuse(`0x${page.toString(16)} is initialised and a table`);
      this.memory.set(page, new BigUint64Array(ENTRIES));
    }
  }

  free(address: number, size: number): void {
    for (let page = address; page < address + size; page += PAGE) {
      if (this.tables.has(page)) this.refuse(`0x${page.toString(16)} is freed and still a table`);
      if (!this.memory.delete(page)) this.refuse(`0x${page.toString(16)} is freed twice`);
    }
  }

  /** The live table an address lies in. */
  tableAt(address: number): LiveTable | undefined {
    return this.tables.get(address - (address % PAGE));
  }

  /** Writes to memory that is no table. */
  write(address: number, value: bigint): void {
    this.page(address - (address % PAGE))[(address % PAGE) / 8] = value;
  }

  /** A root becomes known, with all below it. */
  addRoot(root: number, level: number): void {
    this.add(root, level, root, 0);
  }

  /** It is forgotten, with all below it. */
  removeRoot(root: number): void {
    const table = this.tables.get(root);
    for (const below of table === undefined ? [] : this.below(table)) this.tables.delete(below.address);
  }

  /** An invalid entry becomes valid: if it points to a table, that becomes live. */
  link(table: LiveTable, index: number, value: bigint): void {
    if (table.level === 3 || (value & VALID_TABLE) !== VALID_TABLE) return;
    table.children[index] = this.add(Number(value & ADDRESS), table.level + 1, table.root, table.frame + index * 512 ** (3 - table.level));
  }

  /** A broken entry is clean: what it pointed to is no longer live. */
  unlink(table: LiveTable, index: number): void {
    const child = table.children[index];
    table.children[index] = undefined;
    for (const below of child === undefined ? [] : this.below(child)) this.tables.delete(below.address);
  }

  /** A table and all below it. */
  below(table: LiveTable): LiveTable[] {
    return [table, ...table.children.flatMap(child => (child === undefined ? [] : this.below(child)))];
  }

  private add(address: number, level: number, root: number, frame: number): LiveTable {
    if (this.tables.has(address)) this.refuse(`0x${address.toString(16)} is a table already`);
    const values = this.page(address);
    const children = new Array<LiveTable | undefined>(ENTRIES).fill(undefined);
    const table: LiveTable = { address, level, root, frame, values, children, detached: false };
    this.tables.set(address, table);
    for (let index = 0; index < ENTRIES; index++) this.link(table, index, values[index]);
    return table;
  }

  private page(address: number): BigUint64Array {
    return this.memory.get(address) ?? this.refuse(`0x${address.toString(16)} was never initialised, or freed since`);
  }
}
