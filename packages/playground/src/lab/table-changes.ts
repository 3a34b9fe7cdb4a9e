/**
 * What the tables of a run tell of themselves: the changes of the step under way, one by one, and the tables that are there now.
 */
import { EntryKind, type Gfn, type Level, type TransitionObserver } from '@mmulab/api';

/** Changes of one step that are kept; the rest are counted. */
const MAX_CHANGES = 400;

/** One change of an entry. */
export interface TableChange {
  /** Rule that asked for it. */
  readonly cause: string;
  readonly level: Level;
  readonly gfn: Gfn;
  readonly from: EntryKind;
  readonly to: EntryKind;
  /** Rights, A or D alone, past the bookkeeping: lockless fixes, the hardware's own updates. */
  readonly quiet: boolean;
}

/** A table below an entry, as an observer hears of it. */
export interface SeenTable {
  /** Level of its entries. */
  readonly level: Level;
  readonly gfn: Gfn;
}

/** An observer that remembers. */
export class TableChanges implements TransitionObserver {
  /** Of the step under way, the first `MAX_CHANGES`. */
  changes: TableChange[] = [];
  /** Changes of the step, all of them. */
  count = 0;
  /** Tables that came or went in the step. */
  appeared: SeenTable[] = [];
  vanished: SeenTable[] = [];
  /** Stretches of frames that changed in the step, start and end in turn; undefined when there were so many that everything counts as changed. */
  touched: number[] | undefined = [];
  /** Tables alive, roots apart. Of several roots that have the same table, it is here once for each. */
  private readonly alive = new Map<string, { readonly table: SeenTable; count: number }>();

  /** @param pagesAt frames that an entry of a level maps */
  constructor(private readonly pagesAt: (level: Level) => number) {}

  /** A new step begins. */
  begin(): void {
    this.changes = [];
    this.count = 0;
    this.appeared = [];
    this.vanished = [];
    this.touched = [];
  }

  /** Tables alive, highest levels first, then by what they map. */
  tables(): readonly SeenTable[] {
    return [...this.alive.values()].map(({ table }) => table).sort((a, b) => b.level - a.level || a.gfn - b.gfn);
  }

  changed(cause: string, level: Level, gfn: Gfn, oldKind: EntryKind, _oldBits: number, newKind: EntryKind): void {
    this.note({ cause, level, gfn, from: oldKind, to: newKind, quiet: false });
    const table = { level: level - 1, gfn };
    if (newKind === EntryKind.Table && oldKind !== EntryKind.Table) this.appears(table);
    else if (oldKind === EntryKind.Table && newKind !== EntryKind.Table) this.vanishes(table);
  }

  quietly(cause: string, level: Level, gfn: Gfn): void {
    this.note({ cause, level, gfn, from: EntryKind.Leaf, to: EntryKind.Leaf, quiet: true });
  }

  private note(change: TableChange): void {
    this.count++;
    if (this.changes.length < MAX_CHANGES) {
      this.changes.push(change);
      this.touched?.push(change.gfn, change.gfn + this.pagesAt(change.level));
    } else {
      this.touched = undefined;
    }
  }

  private appears(table: SeenTable): void {
    const key = `${table.level}:${table.gfn}`;
    const known = this.alive.get(key);
    if (known === undefined) this.alive.set(key, { table, count: 1 });
    else known.count++;
    this.appeared.push(table);
  }

  private vanishes(table: SeenTable): void {
    const key = `${table.level}:${table.gfn}`;
    const known = this.alive.get(key);
    if (known !== undefined && --known.count <= 0) this.alive.delete(key);
    this.vanished.push(table);
  }
}
