/**
 * The rules of a Casemate trace, and how one that is broken is told.
 */

/** What a trace can break. */
export const CasemateRule = {
  /** A thread touches a tree it has not loaded, or loads one under another VMID than it is known under, or a VMID that is another tree's. */
  Vttbr: 'vttbr',
  /** A start table that is not a single one, or a granule that is not 4 KiB. */
  StartTable: 'start-table',
  /** A store to a live entry, or the taking of a lock, that the lock forbids. */
  Lock: 'lock',
  /** A plain store after another store with no DSB in between. */
  PlainStore: 'plain-store',
  /** A DSB or a TLB invalidation of this CPU alone while an entry of a locked tree is unclean. */
  Local: 'local',
  /** An entry becomes valid while it is unclean. */
  UncleanToValid: 'unclean-to-valid',
  /** A table comes and goes, or a leaf changes and never had its access flag set, without the entry being broken. */
  ValidToValid: 'valid-to-valid',
  /** A leaf takes another leaf's place without the entry being broken. */
  LeafForLeaf: 'leaf-for-leaf',
  /** Bits 1:0 of a descriptor are 0b01 where that is reserved: at level 3, and at level 0. */
  Encoding: 'encoding',
  /** A store below an entry that is broken and not clean, or a break above entries that are unclean. */
  BrokenParent: 'broken-parent',
  /** A page that was not initialised since it was last free, or twice, is a table already, or is freed while it is one. */
  TablePage: 'table-page',
  /** A tree let go of while a thread uses it. */
  Release: 'release',
  /** More pages, roots or locks than a checker follows. */
  Limit: 'limit',
} as const;
export type CasemateRule = (typeof CasemateRule)[keyof typeof CasemateRule];

/** Roots, and locks, that a checker follows at a time. */
export const MAX_ROOTS = 64;
/** Pages that it follows. */
export const MAX_PAGES = 0x2000;

/** Thrown by a rule that is broken; caught where the check began. */
export class BrokenRule extends Error {
  constructor(
    readonly rule: CasemateRule,
    message: string,
  ) {
    super(message);
  }
}

/** A number as traces write it. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
