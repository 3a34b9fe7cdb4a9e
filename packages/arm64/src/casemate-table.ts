/**
 * Page tables of an exported run: every table is a page with a physical address, every leaf knows the host frame it points to.
 *
 * Entries are kept as the engine's attributes, and turned into the architecture's descriptors when they are written down. Nothing is shared or implied.
 *
 * Models nothing of its own.
 */
import { EntryKind } from '@mmulab/api';
import type { Entry } from '@mmulab/api';

/** One table. */
export class TracedTable {
  /** Attribute of a leaf or special entry, by index; 0 for empty ones and tables. */
  readonly attrs: Uint8Array;
  /** Host frame of a leaf, by index. */
  readonly frames: Float64Array;
  readonly children: (TracedTable | undefined)[];

  /** @param attr attribute of the table itself */
  constructor(
    readonly address: number,
    readonly entries: number,
    public attr: number,
  ) {
    this.attrs = new Uint8Array(entries);
    this.frames = new Float64Array(entries);
    this.children = new Array<TracedTable | undefined>(entries).fill(undefined);
  }

  /** Entries that are not empty. */
  count(): number {
    let count = 0;
    for (let i = 0; i < this.entries; i++) if (!this.isEmpty(i)) count++;
    return count;
  }

  isEmpty(index: number): boolean {
    return this.attrs[index] === 0 && this.children[index] === undefined;
  }

  /** This table and all below it. */
  tables(): TracedTable[] {
    return [this, ...this.children.flatMap(child => child?.tables() ?? [])];
  }

  /** Attribute of the first leaf below, or -1. */
  firstLeaf(special: Uint8Array): number {
    for (let i = 0; i < this.entries; i++) {
      const attr = this.attrs[i];
      const found = attr === 0 ? (this.children[i]?.firstLeaf(special) ?? -1) : special[attr] === 1 ? -1 : attr;
      if (found >= 0) return found;
    }
    return -1;
  }
}

/** A place in a table, as rules see it. */
export class TracedEntry implements Entry {
  goal = 1;
  start = 0;
  end = 0;

  /** @param special 1 by attribute for entries that are neither empty nor mapped */
  constructor(
    readonly table: TracedTable,
    readonly index: number,
    readonly level: number,
    readonly gfn: number,
    private readonly special: Uint8Array,
  ) {}

  get kind(): EntryKind {
    if (this.child !== undefined) return EntryKind.Table;
    if (this.attr === 0) return EntryKind.Empty;
    return this.special[this.attr] === 1 ? EntryKind.Special : EntryKind.Leaf;
  }

  get child(): TracedTable | undefined {
    return this.table.children[this.index];
  }

  get attr(): number {
    return this.table.attrs[this.index];
  }

  get frame(): number {
    return this.table.frames[this.index];
  }

  get tableAttr(): number {
    return this.child?.attr ?? 0;
  }

  /** Physical address of the entry. */
  get address(): number {
    return this.table.address + this.index * 8;
  }

  childCount(): number {
    return this.child?.count() ?? 0;
  }

  firstLeafBelow(): number {
    return this.child?.firstLeaf(this.special) ?? -1;
  }

  /** Makes the entry a leaf, a special entry, or with attribute 0 an empty one. */
  setLeaf(attr: number, frame: number): void {
    this.table.children[this.index] = undefined;
    this.table.attrs[this.index] = attr;
    this.table.frames[this.index] = frame;
  }

  /** Makes the entry point to a table. */
  setTable(child: TracedTable): void {
    this.setLeaf(0, 0);
    this.table.children[this.index] = child;
  }
}
