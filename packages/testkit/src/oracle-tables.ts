/**
 * The oracle's page tables: every table that exists is an object with a map from index to entry, and an entry that is not in the map is empty.
 *
 * Nothing is shared, folded or implied: a table split off a huge leaf holds one object per part.
 */
import { EntryKind } from '@mmulab/api';
import type { Entry } from '@mmulab/api';
import type { Geometry } from '@mmulab/pgtable';

/** One entry that is not empty: a leaf or special entry with its attribute, or a pointer to a table. */
export type OracleEntry = { readonly attr: number } | { readonly table: OracleTable };

/** One table, or one of the tables a wide root consists of. */
export class OracleTable {
  readonly entries = new Map<number, OracleEntry>();

  /** @param attr attribute of the table itself */
  constructor(public attr: number) {}
}

/** A place an entry may be in: where it lies, and what it holds at the moment. */
export class OracleCursor implements Entry {
  goal = 1;
  start = 0;
  end = 0;

  /**
   * @param table the table that holds the entry
   * @param index of the entry in the table
   * @param gfn first frame the entry maps
   * @param special 1 by attribute id for entries that are neither empty nor mapped
   */
  constructor(
    readonly table: OracleTable,
    readonly index: number,
    readonly level: number,
    readonly gfn: number,
    private readonly special: Uint8Array,
  ) {}

  get content(): OracleEntry | undefined {
    return this.table.entries.get(this.index);
  }

  get child(): OracleTable | undefined {
    const content = this.content;
    return content !== undefined && 'table' in content ? content.table : undefined;
  }

  get kind(): EntryKind {
    const content = this.content;
    if (content === undefined) return EntryKind.Empty;
    if ('table' in content) return EntryKind.Table;
    return this.special[content.attr] === 1 ? EntryKind.Special : EntryKind.Leaf;
  }

  get attr(): number {
    const content = this.content;
    return content !== undefined && 'attr' in content ? content.attr : 0;
  }

  get tableAttr(): number {
    return this.child?.attr ?? 0;
  }

  childCount(): number {
    return this.child?.entries.size ?? 0;
  }

  firstLeafBelow(): number {
    return this.child === undefined ? -1 : firstLeaf(this.child, this.special);
  }

  /** Makes the entry a leaf or special entry; attribute 0 makes it empty. */
  writeAttr(attr: number): void {
    if (attr === 0) this.table.entries.delete(this.index);
    else this.table.entries.set(this.index, { attr });
  }

  /** Makes the entry point to a new table, empty or with `fill` in each of its `entries` places. */
  writeTable(tableAttr: number, fill: number, entries: number): void {
    const table = new OracleTable(tableAttr);
    if (fill !== 0) for (let index = 0; index < entries; index++) table.entries.set(index, { attr: fill });
    this.table.entries.set(this.index, { table });
  }
}

/** A root as wide as the geometry says. */
export class OracleRoot {
  readonly tables: OracleTable[] = [];

  constructor(
    private readonly geometry: Geometry,
    private readonly special: Uint8Array,
  ) {
    for (let i = 0; i < geometry.rootTables; i++) this.tables.push(new OracleTable(0));
  }

  /** The lowest entry for a frame at or above level `goal`. */
  find(gfn: number, goal: number): OracleCursor {
    const { entries, levels, rootTables } = this.geometry;
    let span = entries ** (levels - 1);
    const top = Math.floor(gfn / span);
    if (top >= entries * rootTables) throw new RangeError(`frame ${gfn} lies beyond the root`);
    let cursor = this.at(this.tables[Math.floor(top / entries)], top % entries, levels, top * span);
    while (cursor.level > goal && cursor.child !== undefined) {
      span /= entries;
      const index = Math.floor((gfn - cursor.gfn) / span);
      cursor = this.at(cursor.child, index, cursor.level - 1, cursor.gfn + index * span);
    }
    return cursor;
  }

  /** The entry of a table at an index. */
  at(table: OracleTable, index: number, level: number, gfn: number): OracleCursor {
    return new OracleCursor(table, index, level, gfn, this.special);
  }

  /** Tables of the root, its own included. */
  countTables(): number {
    return this.tables.reduce((sum, table) => sum + countTables(table), 0);
  }
}

/** Indices of a table's entries that are not empty, ascending. */
export function indicesOf(table: OracleTable): number[] {
  return [...table.entries.keys()].sort((a, b) => a - b);
}

function countTables(table: OracleTable): number {
  let count = 1;
  for (const entry of table.entries.values()) if ('table' in entry) count += countTables(entry.table);
  return count;
}

function firstLeaf(table: OracleTable, special: Uint8Array): number {
  for (const index of indicesOf(table)) {
    const entry = table.entries.get(index) as OracleEntry;
    const attr = 'table' in entry ? firstLeaf(entry.table, special) : special[entry.attr] === 1 ? -1 : entry.attr;
    if (attr >= 0) return attr;
  }
  return -1;
}
