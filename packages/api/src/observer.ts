/**
 * What an onlooker is told of second-stage tables, and how a backend is driven by what a trace of a real kernel shows.
 *
 * An observer hears of every change of every entry, one by one and in the order in which the kernel makes them: timelines, pages that show tables, and the
 * comparison with traces all look through this one window. Backends that find one bound build their tables entry by entry; without one nothing is asked and nothing costs.
 */
import type { AccessKind } from './access';
import { EntryKind } from './entry';
import type { Protocol, Step } from './rule';
import type { Gfn, Level } from './units';

/** Token under which an observer is bound for a run; optional where it is injected. */
export const TransitionObserver = Symbol.for('mmulab.TransitionObserver');
export interface TransitionObserver {
  /**
   * An entry of `level` whose span begins at `gfn` went from old to new. Where a table goes, its own entry comes first, then (after `removed`) what it held, in
   * ascending order, tables before their entries.
   * @param cause name of the rule that asked for it
   * @param oldBits the backend's attribute bits of a leaf or special entry; of a table, the attribute of the table; 0 for empty entries
   */
  changed(cause: string, level: Level, gfn: Gfn, oldKind: EntryKind, oldBits: number, newKind: EntryKind, newBits: number): void;
  /** A change of rights, A or D past the bookkeeping (`Step.CasQuiet`): lockless fixes, the hardware's own updates, rights added on arm64. */
  quietly?(cause: string, level: Level, gfn: Gfn, oldBits: number, newBits: number): void;
  /** The table below an entry of `level` has been taken away; what it held follows. */
  removed?(level: Level, gfn: Gfn): void;
  /** A step that calls out of the tables: a table page taken, a flush, an invalidation, cache maintenance. */
  called?(step: Step, level: Level, gfn: Gfn): void;
  /**
   * The steps of a protocol are about to be taken at an entry; changes and calls until `ended` are theirs.
   * @param kind of the entry before
   * @param bits attribute bits that the protocol writes: into the entry, or into all entries of the table it is split into
   */
  began?(protocol: Protocol, level: Level, gfn: Gfn, kind: EntryKind, bits: number): void;
  /** Its step of a number, from 0, is next. */
  step?(number: number): void;
  ended?(): void;
}

/** A fault as a trace shows it. */
export interface ShownFault {
  readonly gfn: Gfn;
  readonly kind: AccessKind;
  /** The entry was there and did not allow the access (arm64: a permission fault). */
  readonly present: boolean;
  /** The hardware was walking the guest's own tables. */
  readonly guestTable: boolean;
  /** Level of the entry at which the hardware's walk ended, where the trace says so; else 0. */
  readonly level: number;
  /** The access flag was missing (arm64). */
  readonly accessFlag: boolean;
}

/** What a fault under way does next. */
export const FaultStep = {
  /** Nothing: it is over. */
  Done: 0,
  /** The lockless path. */
  Fast: 1,
  /** The host page is resolved. */
  Host: 2,
  /** One change of the tables, or the finding that there is none to make. */
  Map: 3,
} as const;
export type FaultStep = (typeof FaultStep)[keyof typeof FaultStep];

/** What a walk of the host over a range of frames does. */
export const HostWalk = {
  /** W goes, MMU-writable stays: dirty logging without hardware logs. */
  WriteProtect: 0,
  /** The same on huge leaves alone. */
  WriteProtectHuge: 1,
  /** W and MMU-writable go, on the huge leaf at the first frame: a word of the bitmap is cleared. */
  ClearMmuWritable: 2,
  /** D goes. */
  ClearDirty: 3,
  /** A goes. */
  Age: 4,
  /** Huge leaves are split. */
  Split: 5,
  /** Leaves go, tables stay: MMU notifiers. */
  Unmap: 6,
  /** Tables that could be huge pages go, or become huge pages: dirty logging stops. */
  Collapse: 7,
  /** Whatever lies at the level goes, a table with all it holds: roots that die, NX recovery. */
  Zap: 8,
  /** The host has replaced a page and tells so at once (arm64, up to 6.9). */
  ChangePte: 9,
} as const;
export type HostWalk = (typeof HostWalk)[keyof typeof HostWalk];

/** Host memory behind a frame, as a trace lets it be seen. */
export interface SeenHostPage {
  /** Level of the host's own leaf; 0: there is no memory (MMIO). */
  readonly level: number;
  readonly writable: boolean;
}

/** An entry as the words of a trace or the tables of a simulation have it. */
export interface EntryView {
  kind: EntryKind;
  /** Level of the entry; of a look-up, that of the lowest one at or above the level asked for. */
  level: number;
  /** The backend's attribute bits of a leaf or special entry. */
  bits: number;
  writable: boolean;
  executable: boolean;
  accessed: boolean;
  dirty: boolean;
  /** Whether the host's own entry behind a leaf is writable, as far as the entry says so. */
  hostWritable: boolean;
  /** Whether the lockless path may make it writable. */
  mmuWritable: boolean;
  /** Another walker owns the entry for the moment; or there is no memory behind it. */
  frozen: boolean;
  mmio: boolean;
}

/** An entry that reads as empty until somebody fills in what it is: what backends read descriptors into, and copies are kept in. */
export class EntryState implements EntryView {
  kind: EntryKind = EntryKind.Empty;
  level = 1;
  bits = 0;
  writable = false;
  executable = false;
  accessed = false;
  dirty = false;
  hostWritable = false;
  mmuWritable = false;
  frozen = false;
  mmio = false;
}

/** A backend's second face: the steps of its faults and host operations, one at a time, in the order a trace gives. Counters are those of `MmuBackend`. */
export interface ReplayPort {
  /** Attribute bits of a leaf that the hardware sets by itself. */
  readonly hardwareBits: number;
  /** The fault of a trace begins, whatever the tables say by now: the vCPU has left the guest. One that was under way is given up. */
  beginFault(vcpu: number, fault: ShownFault): void;
  /** What the vCPU's fault does next. */
  nextStep(vcpu: number): FaultStep;
  /** Does it. A `Map` step makes at most one change that the kernel's own would make at once. */
  step(vcpu: number): void;
  /** Whether the next `Map` step would change an entry. Changes nothing. */
  wouldChange(vcpu: number): boolean;
  /** The fault ends here, done or not; the vCPU serves its requests and is in the guest again. */
  endFault(vcpu: number): void;
  /** One access to a guest physical frame, all its faults included: `touch` past the guest's own tables. @param guestTable it is the hardware's, to a guest table page */
  access(vcpu: number, gfn: Gfn, kind: AccessKind, guestTable: boolean): void;
  /** What stands behind the frames [gfn, gfn + npages): taken over from what the trace shows. A fault under way there is told. */
  setHostPages(gfn: Gfn, npages: number, page: SeenHostPage): void;
  /** Whether frames [gfn, gfn + npages) are under dirty logging, without anything else that switching it on or off does. */
  setLogged(gfn: Gfn, npages: number, on: boolean): void;
  isLogged(gfn: Gfn): boolean;
  /** One walk of the host. @param level lowest level of `Zap` and `Collapse` */
  walk(walk: HostWalk, start: Gfn, end: Gfn, level: Level): void;
  /** The hardware has let an access pass: A, and D of a write. @returns whether the tables allow it */
  hardware(gfn: Gfn, kind: AccessKind): boolean;
  /** Reads a descriptor as a trace prints it, in halves of 32 bits. The view is used again by the next call. */
  readDescriptor(hi: number, lo: number, level: Level): EntryView;
  /** The lowest entry for a frame at or above `level`, as the tables have it now. The view is used again by the next call. */
  entryAt(gfn: Gfn, level: Level): EntryView;
  /** An entry's attributes in words, for messages. */
  describe(kind: EntryKind, bits: number): string;
  /** Makes the entry of `level` at `gfn` what a trace says it was before anything was simulated of it; tables above it are made as needed. Observers are told. */
  adopt(gfn: Gfn, level: Level, entry: EntryView): void;
  /** Whether the tables that are in use hold anything. */
  hasEntries(): boolean;
  /** Every root goes, or (arm64) every table. */
  dropRoots(): void;
}
