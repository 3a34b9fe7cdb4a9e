/**
 * A call of the stage-2 walkers as a trace of probes shows it: which entries it visited and what they held; and from that, what it must have changed.
 *
 * The map walker visits leaves and holes on its way (LEAF); where the next visit is below one, a table was put there. At the level asked for, the last visit is the entry that becomes the leaf when the
 * call returns 0. A table met there before its entries (TABLE_PRE) gives way to the leaf, and visits below it only drop what it held. Rights change in one visit.
 */
import { EntryKind } from '@mmulab/api';
import type { ReplayPort } from '@mmulab/api';
import { EntryCopy } from './entry-copy';
import type { SimChange } from './sim-log';

/** Kinds of visit. */
const LEAF = 1;
const TABLE_PRE = 2;

/** Rights a call asks for. */
const PROT_X = 1;
const PROT_W = 2;
const PROT_R = 4;
const PROT_DEVICE = 8;

/** A change that a call made. */
export interface RecordedChange {
  readonly gfn: number;
  readonly level: number;
  readonly oldKind: EntryKind;
  readonly oldBits: number;
  readonly newKind: EntryKind;
  readonly newBits: number;
}

export class Stage2Call {
  readonly changes: RecordedChange[] = [];
  private readonly seen = new EntryCopy();
  private pending: { readonly gfn: number; readonly level: number; readonly kind: EntryKind; readonly bits: number } | undefined = undefined;
  private anchored = false;

  /**
   * @param level of the leaf, counted from 1; 0 for a change of rights
   * @param prot rights asked for
   */
  constructor(
    readonly line: number,
    readonly gfn: number,
    readonly level: number,
    readonly prot: number,
    private readonly port: ReplayPort,
    private readonly entries: number,
  ) {}

  /** A visit of the map walker. @param level counted from 1 */
  mapVisit(gfn: number, level: number, hi: number, lo: number, visit: number): void {
    if (this.anchored) return;
    const isAnchor = visit === TABLE_PRE && level === this.level;
    if (visit !== LEAF && !isAnchor) return;
    this.seen.of(this.port.readDescriptor(hi, lo, level));
    if (this.pending !== undefined && this.pending.level > level) {
      const { gfn: at, level: above, kind, bits } = this.pending;
      this.changes.push({ gfn: at, level: above, oldKind: kind, oldBits: bits, newKind: EntryKind.Table, newBits: 0 });
    }
    this.pending = { gfn: gfn - (gfn % this.entries ** (level - 1)), level, kind: this.seen.kind, bits: this.seen.bits };
    this.anchored = isAnchor;
  }

  /** The map returns. */
  mapReturn(result: number): void {
    const { pending } = this;
    if (result !== 0 || pending === undefined || pending.level !== this.level) return;
    const { hi, lo } = leafWords(this.prot, this.level);
    const leaf = this.port.readDescriptor(hi, lo, this.level);
    if (pending.kind === leaf.kind && pending.bits === leaf.bits) return;
    this.changes.push({
      gfn: pending.gfn,
      level: pending.level,
      oldKind: pending.kind,
      oldBits: pending.bits,
      newKind: leaf.kind,
      newBits: leaf.bits,
    });
  }

  /** A visit of the attribute walker that adds rights. */
  relaxVisit(gfn: number, level: number, hi: number, lo: number): void {
    const added = (this.prot & PROT_R) * 16 + (this.prot & PROT_W) * 64;
    const newHi = (this.prot & PROT_X) !== 0 ? hi & ~(1 << 22) : hi;
    this.attrChange(gfn, level, hi, lo, newHi, lo | added);
  }

  /** A visit of the attribute walker that takes S2AP_W away. */
  protectVisit(gfn: number, level: number, hi: number, lo: number): void {
    this.attrChange(gfn, level, hi, lo, hi, lo & ~128);
  }

  /** A visit that sets or clears AF. */
  accessVisit(gfn: number, level: number, hi: number, lo: number, young: boolean): void {
    this.attrChange(gfn, level, hi, lo, hi, young ? lo | 1024 : lo & ~1024);
  }

  private attrChange(gfn: number, level: number, hi: number, lo: number, newHi: number, newLo: number): void {
    if (hi === newHi && lo === newLo) return;
    const before = this.seen.of(this.port.readDescriptor(hi, lo, level));
    if (before.kind !== EntryKind.Leaf) return;
    const { bits } = this.port.readDescriptor(newHi, newLo, level);
    const base = gfn - (gfn % this.entries ** (level - 1));
    this.changes.push({ gfn: base, level, oldKind: before.kind, oldBits: before.bits, newKind: EntryKind.Leaf, newBits: bits });
  }
}

/** The words of the leaf that rights make: valid, AF, Normal or Device memory, inner shareable. */
function leafWords(prot: number, level: number): { readonly hi: number; readonly lo: number } {
  const memattr = (prot & PROT_DEVICE) !== 0 ? 1 : 15;
  const lo = 1 | (level === 1 ? 2 : 0) | (memattr << 2) | ((prot & PROT_R) * 16) | ((prot & PROT_W) * 64) | (3 << 8) | 1024;
  return { hi: (prot & PROT_X) !== 0 ? 0 : 1 << 22, lo };
}

/**
 * What simulated steps of one call come to: an entry that was broken and written again has changed once, and what a removed table held is not visited.
 */
export function collapsed(changes: readonly SimChange[], entries: number): RecordedChange[] {
  const result: RecordedChange[] = [];
  let below: SimChange | undefined;
  for (const change of changes) {
    const { gfn, level } = change;
    if (below !== undefined && level < below.level && gfn >= below.gfn && gfn < below.gfn + entries ** (below.level - 1)) continue;
    below = change.removed ? change : undefined;
    if (change.removed) continue;
    const at = result.findIndex(one => one.gfn === gfn && one.level === level);
    const before = result[at];
    if (before === undefined) result.push(change);
    else result[at] = { ...before, newKind: change.newKind, newBits: change.newBits };
  }
  return result.filter(({ oldKind, oldBits, newKind, newBits }) => oldKind !== newKind || oldBits !== newBits);
}
