/**
 * What an onlooker may read of a backend's tables between two steps: walks with their descriptors, roots with what they are keyed by, tables. Pages that show a run ask for
 * it, nothing is counted, and a backend without it is shown by `translate` alone.
 */
import type { EntryKind } from './entry';
import type { Gfn, Level } from './units';

/** One entry on the way of a walk. */
export interface WalkedEntry {
  readonly level: Level;
  /** Place in its table. */
  readonly index: number;
  readonly kind: EntryKind;
  /** The 64-bit word in hexadecimal digits. Where a table's own page lies is not simulated: address 0 in an entry that points to one. */
  readonly word: string;
  /** The table it stands in, as `TableName` has it. */
  readonly table: TableName;
}

/** A table by what tells it from others. */
export interface TableName {
  /** A number, or what it covers: `#12`. */
  readonly name: string;
  /** What it is keyed by, in words: `level 4, WP=1`. Empty where tables have no roles. */
  readonly role: string;
}

/** A root that a vCPU's MMU holds. */
export interface HeldRoot extends TableName {
  /** `current`, `previous 1`; of a nested guest's MMU: `nested current`. */
  readonly holder: string;
  /** Frame of the guest's top table it was loaded for. */
  readonly pgd: Gfn;
}

/** A table that is alive. */
export interface ListedTable extends TableName {
  /** Level of its entries. */
  readonly level: Level;
  /** The first frame it maps, or the frame of the guest's table that it shadows. */
  readonly gfn: Gfn;
  /** Whether it shadows a table of the guest. */
  readonly shadows: boolean;
  /** References to it as a root. */
  readonly rootCount: number;
}

/** A backend's tables, to be looked at. */
export interface BackendInspection {
  /** Layout of the words: `ept`, `npt`, `paging` (x86-64 tables), `vmsa-stage2`. */
  readonly format: string;
  /** Whether walks go by the frames of the guest's virtual addresses (shadow paging), not by its physical ones. */
  readonly walksVirtual: boolean;
  /** The hardware's walk from a vCPU's root to a frame, from the top; empty while the vCPU has no root. */
  walk(vcpu: number, frame: number): readonly WalkedEntry[];
  /** Whether a vCPU runs its nested guest now: `walk` then goes by that guest's physical frames. Absent: there are none. */
  runsNested?(vcpu: number): boolean;
  /** Roots a vCPU holds, the current one first; empty where the architecture keeps one table for the VM. */
  roots(vcpu: number): readonly HeldRoot[];
  /** Tables that are alive, at most `limit` of them, newest first. Absent where the tables tell of themselves through an observer. */
  tables?(limit: number): readonly ListedTable[];
}
