/**
 * What the vCPUs' faults carry from stage to stage. Hot path.
 */

/** By vCPU. */
export class PendingFaults {
  readonly gfn: Float64Array;
  readonly kind: Uint8Array;
  /** 1: an entry stood there that does not allow the access. */
  readonly denied: Uint8Array;
  /** 1: the hardware touches a page of the guest's tables. */
  readonly guestTable: Uint8Array;
  /** Sequence of the notifier, as sampled before the host looked for the page. */
  readonly seq: Float64Array;
  /** What the host came to, a `HostPage`. */
  readonly host: Uint8Array;
  // The lowest entry the walk stage saw.
  readonly seenLevel: Uint8Array;
  readonly seenKind: Uint8Array;
  readonly seenAttr: Uint8Array;

  constructor(vcpus: number) {
    this.gfn = new Float64Array(vcpus);
    this.kind = new Uint8Array(vcpus);
    this.denied = new Uint8Array(vcpus);
    this.guestTable = new Uint8Array(vcpus);
    this.seq = new Float64Array(vcpus);
    this.host = new Uint8Array(vcpus);
    this.seenLevel = new Uint8Array(vcpus);
    this.seenKind = new Uint8Array(vcpus);
    this.seenAttr = new Uint8Array(vcpus);
  }
}
