/**
 * arm64 syndromes: what an abort from the guest was.
 *
 * Models: Arm ARM D24.2.40 (ESR_ELx): exception class in bits 31:26, WnR bit 6, S1PTW bit 7, fault status in bits 5:0.
 */
import { AccessKind } from '@mmulab/api';
import type { ShownFault } from '@mmulab/api';

const CLASS_SHIFT = 26;
const INSTRUCTION_ABORT = 0x20;
const WNR = 0x40;
const S1PTW = 0x80;
/** Fault status: class in bits 5:2, level in bits 1:0. */
const TRANSLATION = 1;
const ACCESS_FLAG = 2;
const PERMISSION = 3;

/** An abort, written over by each decoding. */
export class Arm64Fault implements ShownFault {
  gfn = 0;
  kind: AccessKind = AccessKind.Read;
  present = false;
  guestTable = false;
  level = 0;
  accessFlag = false;
  /** Whether it is one that stage 2 handles. */
  isMmu = false;

  decode(gfn: number, syndrome: number): this {
    const status = (syndrome >>> 2) & 15;
    this.gfn = gfn;
    this.guestTable = (syndrome & S1PTW) !== 0;
    this.present = status === PERMISSION;
    this.accessFlag = status === ACCESS_FLAG;
    this.isMmu = status === TRANSLATION || status === ACCESS_FLAG || status === PERMISSION;
    // The level of a walk of the guest's tables is that of the guest's own.
    this.level = this.guestTable ? 0 : 4 - (syndrome & 3);
    this.kind = this.kindOf(syndrome);
    return this;
  }

  /** A copy that stays. */
  copy(): ShownFault {
    const { gfn, kind, present, guestTable, level, accessFlag } = this;
    return { gfn, kind, present, guestTable, level, accessFlag };
  }

  /** The hardware reads the guest's tables; it writes their access flags, which is a permission fault where it may not. */
  private kindOf(syndrome: number): AccessKind {
    if (this.guestTable) return this.present ? AccessKind.Write : AccessKind.Read;
    if (syndrome >>> CLASS_SHIFT === INSTRUCTION_ABORT) return AccessKind.Exec;
    return (syndrome & WNR) !== 0 ? AccessKind.Write : AccessKind.Read;
  }
}
