/**
 * G-stage page-table entries of guest memory: always readable, executable and for the user; A and D are set from the start, so that only W ever says anything
 * (and A, where somebody ages).
 *
 * Models: RISC-V privileged architecture 15.3.1, 12.4 (bits); Linux arch/riscv/include/asm/pgtable-bits.h. Hot path: the predicates.
 */
import { AccessKind } from '@mmulab/api';
import { AttrTable } from '@mmulab/pgtable';

/** Bits of an entry, by the architecture's numbers. */
export const Pte = { V: 1, R: 2, W: 4, X: 8, U: 16, A: 64, D: 128 } as const;
const PPN_SHIFT = 10n;
const LEAF = Pte.V | Pte.R | Pte.X | Pte.U | Pte.A | Pte.D;

const { Write } = AccessKind;

/** Attributes of one VM's leaves. */
export class Ptes {
  readonly table = new AttrTable();
  readonly readOnly = this.table.intern(LEAF);
  readonly writable = this.table.intern(LEAF | Pte.W);
  readonly oldReadOnly = this.table.intern(LEAF & ~Pte.A);
  readonly oldWritable = this.table.intern((LEAF | Pte.W) & ~Pte.A);

  isWritable(attr: number): boolean {
    return attr === this.writable || attr === this.oldWritable;
  }

  isYoung(attr: number): boolean {
    return attr === this.writable || attr === this.readOnly;
  }

  protected(attr: number): number {
    return this.isYoung(attr) ? this.readOnly : this.oldReadOnly;
  }

  withWrite(attr: number): number {
    return this.isYoung(attr) ? this.writable : this.oldWritable;
  }

  aged(attr: number): number {
    return this.isWritable(attr) ? this.oldWritable : this.oldReadOnly;
  }

  young(attr: number): number {
    return this.isWritable(attr) ? this.writable : this.readOnly;
  }

  /** Whether a leaf lets an access through. */
  allows(attr: number, kind: number): boolean {
    return kind !== Write || this.isWritable(attr);
  }

  /** Whether it does and stays as it is. */
  isStable(attr: number, kind: number): boolean {
    return this.isYoung(attr) && this.allows(attr, kind);
  }

  /** The entry of a leaf in hexadecimal. @param pfn frame of the host's page */
  descriptor(attr: number, pfn: number): string {
    return `0x${((BigInt(pfn) << PPN_SHIFT) | BigInt(this.table.bits[attr])).toString(16).padStart(16, '0')}`;
  }
}
