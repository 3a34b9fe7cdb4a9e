/**
 * Leaf entries of shadow pages: the bits of spte.ts plus the user bit, and what operations make of them.
 *
 * Unlike the TDP MMU's, these leaves carry the guest's own rights, so no small set of attributes would do: an entry holds its bits directly.
 *
 * Models: Linux arch/x86/kvm/mmu/spte.c make_spte(), make_huge_page_split_spte(), mark_spte_for_access_track(); mmu.c mmu_spte_update(). Hot path.
 */
import { AccessKind } from '@mmulab/api';
import { Access } from '../roots/role';
import { Spte } from '../spte';

// Bound here: a name that another package re-exports is a call of a getter.
const { Read, Write } = AccessKind;

/** User bit: accesses from user mode are let through. */
export const USER = 2048;
/** An entry that stands for a frame without a memslot. */
export const MMIO_ENTRY = Spte.Mmio;
/** Unit of the generation of memslots in such an entry, and how many there are. */
export const MMIO_GENERATION = { unit: 4096, count: 2 ** 18 } as const;

const SAVED = Spte.AccessTracked | Spte.SavedExec;

/** Whether an entry is a present leaf. */
export function isLeaf(entry: number): boolean {
  return entry > 0 && (entry & Spte.Mmio) === 0;
}
/** Whether it is a leaf or points to a page. */
export function isShadowPresent(entry: number): boolean {
  return entry < 0 || isLeaf(entry);
}
/** The page an entry points to. */
export function childOf(entry: number): number {
  return ~entry;
}
/** The entry that points to a page. */
export function tableEntry(page: number): number {
  return ~page;
}
export function isWritable(entry: number): boolean {
  return (entry & Spte.Writable) !== 0;
}
export function isMmuWritable(entry: number): boolean {
  return (entry & Spte.MmuWritable) !== 0;
}

/** What a new leaf is made of. */
export interface LeafMaterial {
  readonly level: number;
  /** The guest's rights. */
  readonly access: number;
  readonly hostWritable: boolean;
  /** Present entry that stood there, or 0. */
  readonly old: number;
  /** Not asked for by an access: A stays clear. */
  readonly prefetch: boolean;
}

/** Arithmetic of leaves on one machine. */
export class LeafBits {
  /**
   * @param adBits whether the hardware keeps A and D
   * @param nxHugePages whether huge leaves must not be executable
   * @param dirtyOnRefault whether D is set where a writable leaf stood already
   * @param flushLostAd whether a leaf that loses A or D asks for a flush
   */
  constructor(
    readonly adBits: boolean,
    private nxHugePages: boolean,
    private readonly dirtyOnRefault: boolean,
    private readonly flushLostAd = true,
  ) {}

  /** The NX workaround is switched on or off. */
  setNxHugePages(on: boolean): void {
    this.nxHugePages = on;
  }

  /** Rights of a new leaf without write; W follows once nothing speaks against it. */
  base(leaf: LeafMaterial): number {
    let bits: number = Spte.Present;
    if (this.adBits && !leaf.prefetch) bits |= Spte.Accessed;
    if ((leaf.access & Access.Exec) !== 0 && !(leaf.level > 1 && this.nxHugePages)) bits |= Spte.Executable;
    if ((leaf.access & Access.User) !== 0) bits |= USER;
    if (leaf.hostWritable) bits |= Spte.HostWritable;
    return bits;
  }

  /** Adds write permission to a leaf. @param old present entry that stood there, or 0 */
  writable(bits: number, old: number): number {
    const result = bits | Spte.Writable | Spte.MmuWritable;
    return this.adBits && (this.dirtyOnRefault || old === 0 || !isWritable(old)) ? result | Spte.Dirty : result;
  }

  /** The hardware may not use the leaf before it was touched on purpose, where there are no A bits. */
  prefetched(bits: number): number {
    return this.adBits ? bits : this.tracked(bits);
  }

  /** One part of a split huge leaf. @param childLevel level of the parts; @param access cached rights of the guest */
  splitChild(huge: number, childLevel: number, access: number): number {
    return childLevel === 1 && this.nxHugePages && (access & Access.Exec) !== 0 ? huge | Spte.Executable : huge;
  }

  /** W taken away, and MMU-writable too where shadowing asks for it. */
  writeProtect(bits: number, forShadow: boolean): number {
    return bits & ~(forShadow ? Spte.Writable | Spte.MmuWritable : Spte.Writable);
  }

  clearDirty(bits: number): number {
    return bits & ~(this.adBits ? Spte.Dirty : Spte.Writable);
  }

  isYoung(bits: number): boolean {
    return this.adBits ? (bits & Spte.Accessed) !== 0 : (bits & Spte.AccessTracked) === 0;
  }

  aged(bits: number): number {
    return this.adBits ? bits & ~Spte.Accessed : this.tracked(bits);
  }

  /** Whether replacing a leaf by another loses something a TLB may still hold: a write right given back without notice, A, or D. */
  needsFlush(old: number, next: number): boolean {
    if (isMmuWritable(old) && !isWritable(next)) return true;
    if (!this.flushLostAd) return false;
    if (!this.adBits) return this.isYoung(old) && !this.isYoung(next);
    return (old & ~next & (Spte.Accessed | Spte.Dirty)) !== 0;
  }

  /** Whether the hardware lets an access of the kernel through. @param kind 0 read, 1 write, 2 execute */
  allows(bits: number, kind: number): boolean {
    if ((bits & (Spte.Present | Spte.AccessTracked)) !== Spte.Present) return false;
    return kind === Read || (bits & (kind === Write ? Spte.Writable : Spte.Executable)) !== 0;
  }

  /** The leaf after an allowed access. */
  afterAccess(bits: number, kind: number): number {
    return this.adBits ? bits | Spte.Accessed | (kind === Write ? Spte.Dirty : 0) : bits;
  }

  /** The leaf after the lockless path: saved rights back, W back where KVM may give it. */
  restored(bits: number, write: boolean): number {
    let result = bits;
    if ((result & Spte.AccessTracked) !== 0) result = (result & ~SAVED) | ((result & Spte.SavedExec) !== 0 ? Spte.Executable : 0);
    if (write && isMmuWritable(result)) result |= Spte.Writable;
    return result;
  }

  private tracked(bits: number): number {
    if ((bits & Spte.AccessTracked) !== 0) return bits;
    const saved = (bits & Spte.Executable) !== 0 ? Spte.SavedExec : 0;
    return (bits & ~(Spte.Writable | Spte.Executable)) | Spte.AccessTracked | saved;
  }
}
