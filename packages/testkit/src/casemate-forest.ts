/**
 * The memory of a checked trace: initialised pages, and the trees that live in them.
 *
 * A page is memory from its initialisation on until it is freed, and is not initialised again before that, except where its whole tree was let go of. It is a table while
 * a root that some thread has loaded leads to it, or led to it and the broken entry is not yet clean.
 */
import { BrokenRule, CasemateRule, MAX_PAGES, hex } from './casemate-rules';

const PAGE = 4096;
const ENTRIES = 512;
const LAST_LEVEL = 3;
const TYPE = 3n;
const TABLE = 3n;
const BLOCK = 1n;
const ADDRESS = ((1n << 48n) - 1n) & ~0xfffn;

/** The translation a tree is for: the hypervisor's own, or a guest's second stage. */
export type TreeStage = 1 | 2;

/** A table of a live tree. */
export interface LiveTable {
  readonly address: number;
  /** 0 to 3, as the architecture counts. */
  readonly level: number;
  readonly stage: TreeStage;
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
  /** Pages of trees that were let go of, and which nobody has freed or initialised since. */
  private readonly released = new Set<number>();

  /** @throws BrokenRule TablePage, Limit */
  initialise(address: number, size: number): void {
    if (this.memory.size + size / PAGE > MAX_PAGES) throw new BrokenRule(CasemateRule.Limit, `more than ${MAX_PAGES} pages`);
    for (let page = address; page < address + size; page += PAGE) {
      if (this.tables.has(page)) refuse(`${hex(page)} is initialised and a table`);
      if (this.memory.has(page) && !this.released.delete(page)) refuse(`${hex(page)} is initialised again and was not freed`);
      this.memory.set(page, new BigUint64Array(ENTRIES));
    }
  }

  /** @throws BrokenRule TablePage */
  free(address: number, size: number): void {
    for (let page = address; page < address + size; page += PAGE) {
      if (this.tables.has(page)) refuse(`${hex(page)} is freed and still a table`);
      if (!this.memory.delete(page)) refuse(`${hex(page)} is freed and was not initialised since it last was`);
      this.released.delete(page);
    }
  }

  /** The live table an address lies in. */
  tableAt(address: number): LiveTable | undefined {
    return this.tables.get(address - (address % PAGE));
  }

  /** Writes to memory that is no table. @throws BrokenRule TablePage */
  write(address: number, value: bigint): void {
    this.page(address - (address % PAGE))[(address % PAGE) / 8] = value;
  }

  /** A root becomes known, with all below it. @throws BrokenRule TablePage, Encoding */
  addRoot(root: number, level: number, stage: TreeStage): void {
    this.add({ address: root, level, stage, root, frame: 0 });
  }

  /** It is forgotten, with all below it. */
  removeRoot(root: number): void {
    const table = this.tables.get(root);
    for (const { address } of table === undefined ? [] : this.below(table)) {
      this.tables.delete(address);
      this.released.add(address);
    }
  }

  /** An invalid entry becomes valid: if it points to a table, that becomes live. @throws BrokenRule TablePage, Encoding */
  link(table: LiveTable, index: number, value: bigint): void {
    if (isReserved(table.level, value)) throw new BrokenRule(CasemateRule.Encoding, `${hex(value)} is no descriptor of level ${table.level}`);
    if (!isTable(table.level, value)) return;
    const { level, stage, root } = table;
    const frame = table.frame + index * ENTRIES ** (LAST_LEVEL - level);
    table.children[index] = this.add({ address: Number(value & ADDRESS), level: level + 1, stage, root, frame });
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

  private add(place: Pick<LiveTable, 'address' | 'level' | 'stage' | 'root' | 'frame'>): LiveTable {
    const { address } = place;
    if (this.tables.has(address)) refuse(`${hex(address)} is a table already`);
    const values = this.page(address);
    const children = new Array<LiveTable | undefined>(ENTRIES).fill(undefined);
    const table: LiveTable = { ...place, values, children, detached: false };
    this.tables.set(address, table);
    for (let index = 0; index < ENTRIES; index++) this.link(table, index, values[index]);
    return table;
  }

  private page(address: number): BigUint64Array {
    return this.memory.get(address) ?? refuse(`${hex(address)} was never initialised, or freed since`);
  }
}

/** Whether a valid descriptor of a level points to a table. */
export function isTable(level: number, value: bigint): boolean {
  return level < LAST_LEVEL && (value & TYPE) === TABLE;
}

/** Whether a descriptor is valid and means nothing: there are no blocks at levels 0 and 3. */
export function isReserved(level: number, value: bigint): boolean {
  return (level === 0 || level === LAST_LEVEL) && (value & TYPE) === BLOCK;
}

function refuse(problem: string): never {
  throw new BrokenRule(CasemateRule.TablePage, problem);
}
