/**
 * Stage-2 descriptors: what the entries of the tables say, as interned attributes, and the 64-bit words behind them.
 *
 * Bit names carry the architecture's numbers (Arm ARM D8.3, VMSAv8-64 stage 2). An attribute holds what a rule looks at: rights, the access flag and
 * the memory type; XN (bit 54) and the memory type are kept in spare low bits, because attributes are 32-bit. LOCKED is an invalid descriptor
 * with bit 10 set: a walker that has taken the entry away and will write it again.
 *
 * Models: Linux arch/arm64/kvm/hyp/pgtable.c stage2_set_prot_attr(), KVM_INVALID_PTE_LOCKED. Hot path: the predicates.
 */
import { AccessKind } from '@mmulab/api';
import { AttrTable } from '@mmulab/pgtable';

/** Bits of an attribute. */
export const Pte = {
  /** S2AP_R, bit 6 of the descriptor. */
  S2apR: 1 << 6,
  /** S2AP_W, bit 7. */
  S2apW: 1 << 7,
  /** AF, bit 10. */
  Af: 1 << 10,
  /** Device-nGnRE instead of Normal memory: MEMATTR, bits 5:2. */
  Device: 1 << 28,
  /** XN, bit 54. */
  Xn: 1 << 29,
  /** Invalid with bit 10: locked by a walker. */
  Locked: 1 << 30,
} as const;

/** Rights and AF: what may change without break-before-make. */
export const PERMISSIONS = Pte.S2apR | Pte.S2apW | Pte.Xn;

const MEMATTR_NORMAL = 0xfn;
const MEMATTR_NORMAL_FWB = 0x6n;
const MEMATTR_DEVICE = 0x1n;
const SH_INNER = 3n;

/** Interned attributes of one VM. */
export class Stage2Attrs {
  readonly table = new AttrTable();
  /** The attribute of LOCKED entries. */
  readonly locked: number;
  /** New attribute by old one, for operations that change rights or AF: filled on demand, 0 is "not yet known". */
  private readonly withoutWrite = new Uint8Array(256);
  private readonly old = new Uint8Array(256);
  private readonly young = new Uint8Array(256);

  constructor() {
    this.locked = this.table.intern(Pte.Locked, true);
  }

  /** Attribute of a new leaf: readable, AF set. */
  leaf(writable: boolean, executable: boolean, device: boolean): number {
    return this.table.intern(Pte.S2apR | Pte.Af | (writable ? Pte.S2apW : 0) | (executable ? 0 : Pte.Xn) | (device ? Pte.Device : 0));
  }

  bits(attr: number): number {
    return this.table.bits[attr];
  }

  /** The attribute with rights added: readable, and writable or executable as asked. */
  relaxed(attr: number, write: boolean, exec: boolean): number {
    const bits = (this.bits(attr) | Pte.S2apR | (write ? Pte.S2apW : 0)) & (exec ? ~Pte.Xn : -1);
    return this.table.intern(bits);
  }

  /** The attribute without S2AP_W. */
  writeProtected(attr: number): number {
    return this.changed(this.withoutWrite, attr, this.bits(attr) & ~Pte.S2apW);
  }

  /** The attribute without AF. */
  aged(attr: number): number {
    return this.changed(this.old, attr, this.bits(attr) & ~Pte.Af);
  }

  /** The attribute with AF. */
  accessed(attr: number): number {
    return this.changed(this.young, attr, this.bits(attr) | Pte.Af);
  }

  isNormal(attr: number): boolean {
    return (this.bits(attr) & Pte.Device) === 0;
  }

  isExecutable(attr: number): boolean {
    return (this.bits(attr) & Pte.Xn) === 0;
  }

  isWritable(attr: number): boolean {
    return (this.bits(attr) & Pte.S2apW) !== 0;
  }

  /** Whether a leaf of this attribute lets an access pass; AF apart. */
  allows(attr: number, kind: number): boolean {
    const bits = this.bits(attr);
    if (kind === AccessKind.Write) return (bits & Pte.S2apW) !== 0;
    if (kind === AccessKind.Exec) return (bits & Pte.Xn) === 0 && (bits & Pte.S2apR) !== 0;
    return (bits & Pte.S2apR) !== 0;
  }

  isYoung(attr: number): boolean {
    return (this.bits(attr) & Pte.Af) !== 0;
  }

  /** Whether an access passes and leaves the entry as it is. */
  isStable(attr: number, kind: number): boolean {
    return this.isYoung(attr) && this.allows(attr, kind);
  }

  /**
   * The 64-bit descriptor of a leaf, in hexadecimal.
   * @param level counted from 1
   * @param pfn host frame, in pages of the granule
   * @param lpa2 with LPA2 the shareability bits hold the top of the address
   */
  descriptor(attr: number, level: number, pfn: number, pageShift: number, fwb: boolean, lpa2 = false): string {
    return `0x${descriptorOf(this.bits(attr), level, pfn, pageShift, fwb, lpa2).toString(16).padStart(16, '0')}`;
  }

  private changed(known: Uint8Array, attr: number, bits: number): number {
    let id = known[attr];
    if (id === 0) {
      id = this.table.intern(bits);
      known[attr] = id;
    }
    return id;
  }
}

/** The 64-bit descriptor of attribute bits, which are 0 for an empty entry; else as `Stage2Attrs.descriptor`. */
export function descriptorOf(bits: number, level: number, pfn: number, pageShift: number, fwb: boolean, lpa2 = false): bigint {
  if (bits === 0) return 0n;
  if ((bits & Pte.Locked) !== 0) return 1n << 10n;
  const address = BigInt(pfn) << BigInt(pageShift);
  const memattr = (bits & Pte.Device) !== 0 ? MEMATTR_DEVICE : fwb ? MEMATTR_NORMAL_FWB : MEMATTR_NORMAL;
  let word = 1n | (level === 1 ? 2n : 0n) | (memattr << 2n) | BigInt(bits & (Pte.S2apR | Pte.S2apW | Pte.Af));
  word |= lpa2 ? ((address >> 50n) & 3n) << 8n : SH_INNER << 8n;
  word |= address & ((1n << (lpa2 ? 50n : 48n)) - 1n);
  if (pageShift === 16) word |= ((address >> 48n) & 15n) << 12n;
  return (bits & Pte.Xn) !== 0 ? word | (1n << 54n) : word;
}
