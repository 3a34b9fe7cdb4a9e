/**
 * One page-table entry as a rule sees it.
 *
 * The engine owns one mutable cursor per walk and shows it to rules through this read-only face. Rules never keep it. Hot path.
 */
import type { Gfn, Level } from './units';

/** What an entry holds. `Special` is non-present but not empty: frozen by another walker, MMIO, an owner annotation. */
export const EntryKind = { Empty: 0, Leaf: 1, Table: 2, Special: 3 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** An entry and what surrounds it. */
export interface Entry {
  readonly level: Level;
  readonly kind: EntryKind;
  /** Interned attribute of a leaf or special entry; 0 for empty entries and tables. */
  readonly attr: number;
  /** First frame the entry maps. */
  readonly gfn: Gfn;
  /** Level the walk aims at: a page walk stops there at the latest. */
  readonly goal: Level;
  /** Attribute of the table below (kind Table), else 0. */
  readonly tableAttr: number;
  /** Frames of the entry's span that the operation covers are `start` to `end` (exclusive): its own span unless the operation ends inside. */
  readonly start: Gfn;
  readonly end: Gfn;
  /** Number of non-empty entries in the table below (kind Table): arm64's page_count is one more. */
  childCount(): number;
  /** Attribute of the first present leaf anywhere below (kind Table), in ascending order of gfn; -1 when there is none. */
  firstLeafBelow(): number;
}
