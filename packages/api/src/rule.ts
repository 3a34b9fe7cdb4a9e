/**
 * Rules, verdicts and protocols: what is to happen to one entry, and by which atomic steps.
 *
 * A rule is pure: it sees one entry and the constants of the operation and answers with a verdict, packed into one integer so that nothing is
 * allocated on the hot path. The verdict names a change and the protocol that carries it out. A protocol is a list of atomic
 * steps declared as data by the architecture: a straight loop runs them back to back, the explorer runs those of several walkers in every order.
 */
import type { Entry } from './entry';

/** What is to happen to the entry a rule was shown. Values below `FirstProtocol` change nothing. */
export const Action = {
  /** Leave the entry; the walk goes on to the next one (range walks) or ends (page walks). */
  Keep: 0,
  /** Go into the table below. */
  Descend: 1,
  /** End the whole walk here with the verdict's outcome. */
  Stop: 2,
  /** Aim one level lower (page walks): the table at the goal is to stay. */
  LowerGoal: 3,
  /** Protocol number p of the engine's table is `FirstProtocol + p`. */
  FirstProtocol: 8,
} as const;

/** Side effects a verdict may ask for, as bits. */
export const Effect = {
  None: 0,
  /** One TLB flush request as part of the protocol, before the entry may be used again. */
  FlushNow: 1,
  /** One TLB flush request when the operation ends. */
  FlushLater: 2,
  /** Put the new table on the backend's tracking list (NX huge pages). */
  Track: 4,
  /** The page becomes dirty in the slot's bitmap. */
  MarkDirty: 8,
  /** The verdict ends a page walk after its protocol has run, with the verdict's outcome. */
  Final: 16,
  /** Tell the bookkeeper of the visit, whatever becomes of the entry: leaves aged, write-protected or looked at, changed or not. */
  Count: 32,
} as const;

/**
 * Packed verdict: action in bits 0-5, new attribute in bits 6-13, attribute of a new table in bits 14-17, effects in bits 18-23, outcome of
 * the walk (a backend's own small code) in bits 24-29.
 */
export type Verdict = number & { readonly unit?: 'verdict' };

/** Packs a verdict; see `Verdict` for the fields and their ranges. */
export function makeVerdict(action: number, attr = 0, tableAttr = 0, effects = 0, outcome = 0): Verdict {
  return action | (attr << 6) | (tableAttr << 14) | (effects << 18) | (outcome << 24);
}
/** Action of a packed verdict. */
export function verdictAction(verdict: Verdict): number {
  return verdict & 63;
}
/** Attribute of the leaf to be written, or of every leaf of a split-off table. */
export function verdictAttr(verdict: Verdict): number {
  return (verdict >> 6) & 255;
}
/** Attribute of the table to be linked. */
export function verdictTableAttr(verdict: Verdict): number {
  return (verdict >> 14) & 15;
}
/** Effect bits. */
export function verdictEffects(verdict: Verdict): number {
  return (verdict >> 18) & 63;
}
/** Outcome the walk ends with. */
export function verdictOutcome(verdict: Verdict): number {
  return (verdict >> 24) & 63;
}

/**
 * What one operation does to one entry: pure, shown one entry at a time from the root down.
 * `Op` holds the operation's constants (goal level, access, slot flags).
 */
export interface Rule<Op> {
  readonly name: string;
  visit(at: Entry, op: Op): Verdict;
}

/** The change a protocol makes to an entry. */
export const Change = {
  /** Write a leaf or special entry over whatever is no table. */
  SetLeaf: 0,
  /** Link an empty table. */
  LinkTable: 1,
  /** Replace a huge leaf by a filled table of the next lower level. */
  Split: 2,
  /** Make the entry empty; a table below goes with all it holds. */
  Zap: 3,
  /** Replace a table and all it holds by a leaf. */
  Collapse: 4,
} as const;
export type Change = (typeof Change)[keyof typeof Change];

/**
 * The atomic steps the engine knows. Between two steps of one walker any step of another may run; within a step nothing else happens.
 * Steps that meet an entry other than the one read end the protocol as lost: the walker frees what it took and answers with the
 * protocol's `lost` verdict.
 */
export const Step = {
  /** Take a zeroed table page. */
  AllocTable: 0,
  /** Fill the new table with the split leaf's parts. */
  FillTable: 1,
  /** Compare-exchange: the entry read → the new table. */
  CasTable: 2,
  /** Compare-exchange: the entry read → the new leaf. */
  CasLeaf: 3,
  /** Compare-exchange: the entry read → frozen. */
  CasFreeze: 4,
  /** Plain store of the new table. */
  WriteTable: 5,
  /** Plain store of the new leaf. */
  WriteLeaf: 6,
  /** Plain store of empty. */
  WriteEmpty: 7,
  /** Account and detach what the entry pointed to. */
  RemoveSubtree: 8,
  /** One TLB flush request (x86) for the entry's span. */
  Flush: 9,
  /** TLB invalidation of the entry's span through mm_ops (arm64). */
  Tlbi: 10,
  /** Data-cache clean of the new leaf through mm_ops. */
  DcacheClean: 11,
  /** Instruction-cache invalidation of the new leaf through mm_ops. */
  IcacheInval: 12,
  /** Take a reference on the table that holds the entry, through mm_ops. */
  GetPage: 13,
  /** Drop one, through mm_ops. */
  PutPage: 14,
  /** Hand the detached subtree's pages back at once. */
  FreeSubtree: 15,
  /** Hand them back after a grace period. */
  DeferFree: 16,
  /** Compare-exchange of a leaf's rights or A and D alone, past the bookkeeping: lockless fixes and the hardware's own updates. */
  CasQuiet: 17,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

/** A list of atomic steps, declared as data. */
export interface Protocol {
  readonly name: string;
  readonly change: Change;
  readonly steps: readonly Step[];
  /** The hardware's own walk does it: no CPU stores anything. */
  readonly byHardware?: boolean;
}
