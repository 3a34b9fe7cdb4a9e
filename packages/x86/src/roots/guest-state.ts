/**
 * A vCPU's control registers as far as an MMU cares, and what the architecture says of a write to them.
 *
 * A write the hardware refuses raises #GP in the guest and changes nothing. Long mode follows: LMA is set when paging is switched on with LME, and goes
 * with paging.
 *
 * Models: Intel SDM vol. 3 §2.5, §4.1; AMD APM vol. 2 §3.1; Linux arch/x86/kvm/x86.c kvm_set_cr0(), kvm_set_cr4(), set_efer(), kvm_set_cr3().
 */
import type { ControlWrite, GuestCpuState } from '@mmulab/api';
import { badRegisterValue } from '../errors';

/** Bits of `GuestCpu.cr0`. */
export const Cr0 = { Pe: 1, Wp: 2, Pg: 4, Ts: 8, Cd: 16, Am: 32 } as const;
/** Bits of `GuestCpu.cr4`. */
export const Cr4 = { Pse: 1, Pae: 2, Pge: 4, Smep: 8, Smap: 16, Pke: 32, La57: 64, Pcide: 128 } as const;
/** Bits of `GuestCpu.efer`. */
export const Efer = { Nx: 1, Lme: 2, Lma: 4 } as const;

/** PCIDs are 12 bits wide. */
const MAX_PCID = 4095;

type Cr0Write = Extract<ControlWrite, { register: 'cr0' }>;
type Cr4Write = Extract<ControlWrite, { register: 'cr4' }>;
type EferWrite = Extract<ControlWrite, { register: 'efer' }>;
type Cr3Write = Extract<ControlWrite, { register: 'cr3' }>;
type InvpcidWrite = Extract<ControlWrite, { register: 'invpcid' }>;

const CR0_BITS: Readonly<Record<Cr0Write['bit'], number>> = { pe: Cr0.Pe, wp: Cr0.Wp, pg: Cr0.Pg, ts: Cr0.Ts, cd: Cr0.Cd, am: Cr0.Am };
const CR4_BITS: Readonly<Record<Cr4Write['bit'], number>> = {
  pse: Cr4.Pse,
  pae: Cr4.Pae,
  pge: Cr4.Pge,
  smep: Cr4.Smep,
  smap: Cr4.Smap,
  pke: Cr4.Pke,
  la57: Cr4.La57,
  pcide: Cr4.Pcide,
};
const EFER_BITS: Readonly<Record<EferWrite['bit'], number>> = { nx: Efer.Nx, lme: Efer.Lme };

/** Registers of one vCPU. */
export class GuestCpu {
  cr0: number;
  cr4: number;
  efer: number;
  /** System management mode. */
  smm = false;
  /** The vCPU runs its own guest (L2). */
  guestMode = false;
  /** Number of the address space CR3 points to. */
  space = 0;
  pcid = 0;

  /**
   * @param start registers the workload asks for
   * @param levels levels of the first address space: 2 (32-bit), 3 (PAE), 4 or 5 (long mode)
   * @param hasLa57 whether the guest's CPU knows five-level paging
   */
  constructor(
    start: GuestCpuState,
    levels: number,
    private readonly hasLa57: boolean,
  ) {
    this.cr0 = Cr0.Pe | Cr0.Pg | (start.wp ? Cr0.Wp : 0);
    this.cr4 =
      (levels > 2 ? Cr4.Pae : Cr4.Pse) |
      (levels === 5 ? Cr4.La57 : 0) |
      (start.smep ? Cr4.Smep : 0) |
      (start.smap ? Cr4.Smap : 0) |
      (start.pge ? Cr4.Pge : 0) |
      (start.pcide ? Cr4.Pcide : 0);
    this.efer = (start.efernx ? Efer.Nx : 0) | (levels > 3 ? Efer.Lme | Efer.Lma : 0);
  }

  /** Paging is on. */
  get paging(): boolean {
    return (this.cr0 & Cr0.Pg) !== 0;
  }

  /** CR0.WP: supervisor writes respect read-only pages. */
  get wp(): boolean {
    return (this.cr0 & Cr0.Wp) !== 0;
  }

  /** Levels of the guest's page tables in its present mode; 0 without paging. */
  get levels(): number {
    if (!this.paging) return 0;
    if ((this.efer & Efer.Lma) !== 0) return (this.cr4 & Cr4.La57) !== 0 ? 5 : 4;
    return (this.cr4 & Cr4.Pae) !== 0 ? 3 : 2;
  }

  /** Value of CR0 after a write, or -1 when the hardware refuses it: paging without protection, long mode without PAE, PCIDE without paging. */
  cr0After(write: Cr0Write): number {
    const next = withBit(this.cr0, CR0_BITS[write.bit], write.value);
    const pages = (next & Cr0.Pg) !== 0;
    if (pages && (next & Cr0.Pe) === 0) return -1;
    if (pages && !this.paging && (this.efer & Efer.Lme) !== 0 && (this.cr4 & Cr4.Pae) === 0) return -1;
    if (pages && !this.paging && (this.efer & Efer.Lme) === 0 && (this.cr4 & Cr4.La57) !== 0) return -1;
    if (!pages && (this.cr4 & Cr4.Pcide) !== 0) return -1;
    return next;
  }

  /** Value of CR4 after a write, or -1: PAE cleared or LA57 changed in long mode, LA57 without the feature or outside long mode, PCIDE outside it. */
  cr4After(write: Cr4Write): number {
    const next = withBit(this.cr4, CR4_BITS[write.bit], write.value);
    const changed = next ^ this.cr4;
    const long = (this.efer & Efer.Lma) !== 0;
    if (long && (next & Cr4.Pae) === 0) return -1;
    if (long && (changed & Cr4.La57) !== 0) return -1;
    if ((next & Cr4.La57) !== 0 && (!this.hasLa57 || (this.paging && !long))) return -1;
    if ((changed & next & Cr4.Pcide) !== 0 && (!long || this.pcid !== 0)) return -1;
    return next;
  }

  /** Value of EFER after a guest's write, or -1: LME changes only while paging is off. */
  eferAfter(write: EferWrite): number {
    const next = withBit(this.efer, EFER_BITS[write.bit], write.value);
    return this.paging && ((next ^ this.efer) & Efer.Lme) !== 0 ? -1 : next;
  }

  /** Stores CR0; LMA follows PG. */
  setCr0(value: number): void {
    this.cr0 = value;
    if ((value & Cr0.Pg) === 0) this.efer &= ~Efer.Lma;
    else if ((this.efer & Efer.Lme) !== 0) this.efer |= Efer.Lma;
  }

  /**
   * Whether the hardware takes a CR3 write: bit 63 (no flush) is reserved without PCIDE.
   * @throws MmulabError GUEST_REGISTER_VALUE for a PCID or an address space there is none of
   */
  acceptsCr3(write: Cr3Write, spaces: number): boolean {
    if (!(Number.isInteger(write.space) && write.space >= 0 && write.space < spaces)) {
      throw badRegisterValue('cr3.space', write.space, `one of the VM's ${spaces} address spaces, counted from 0`);
    }
    checkPcid('cr3.pcid', write.pcid);
    return write.noFlush !== true || (this.cr4 & Cr4.Pcide) !== 0;
  }

  /** PCID a CR3 write selects: 0 without PCIDE, where the bits mean something else. */
  pcidOf(pcid: number | undefined): number {
    return (this.cr4 & Cr4.Pcide) !== 0 ? (pcid ?? 0) : 0;
  }

  /** Whether the hardware takes an INVPCID: without PCIDE only PCID 0 may be named. @throws MmulabError GUEST_REGISTER_VALUE */
  acceptsInvpcid(write: InvpcidWrite): boolean {
    checkPcid('invpcid.pcid', write.pcid);
    const names = write.type === 'address' || write.type === 'context';
    return !names || (this.cr4 & Cr4.Pcide) !== 0 || (write.pcid ?? 0) === 0;
  }
}

function withBit(value: number, bit: number, to: 0 | 1 | 'toggle'): number {
  if (to === 'toggle') return value ^ bit;
  return to === 1 ? value | bit : value & ~bit;
}

function checkPcid(place: string, pcid: number | undefined): void {
  if (pcid !== undefined && !(Number.isInteger(pcid) && pcid >= 0 && pcid <= MAX_PCID)) throw badRegisterValue(place, pcid, `0 to ${MAX_PCID}`);
}
