/**
 * x86 fault codes: what an access was, from the error code of a nested page fault (AMD) or the exit qualification of an EPT violation (Intel).
 *
 * Models: AMD APM vol. 2, 15.25.6; Intel SDM vol. 3, table 28-7.
 */
import { AccessKind } from '@mmulab/api';
import type { ShownFault } from '@mmulab/api';

/** A fault, written over by each decoding. */
export class X86Fault implements ShownFault {
  gfn = 0;
  kind: AccessKind = AccessKind.Read;
  present = false;
  guestTable = false;
  readonly level = 0;
  readonly accessFlag = false;

  /** @param hi and lo: the code; @param ept whether it is an exit qualification */
  decode(gfn: number, hi: number, lo: number, ept: boolean): this {
    this.gfn = gfn;
    if (ept) {
      this.present = (lo & 0x38) !== 0;
      this.kind = (lo & 2) !== 0 ? AccessKind.Write : (lo & 4) !== 0 ? AccessKind.Exec : AccessKind.Read;
      this.guestTable = (lo & 0x180) === 0x80;
    } else {
      this.present = (lo & 1) !== 0;
      this.kind = (lo & 2) !== 0 ? AccessKind.Write : (lo & 16) !== 0 ? AccessKind.Exec : AccessKind.Read;
      this.guestTable = (hi & 2) !== 0;
    }
    return this;
  }
}
