/**
 * What each vCPU's abort is about: the access, how the hardware's walk ended, and what was found out on the way to the lock. One number per vCPU.
 *
 * Models: Linux arch/arm64/kvm/mmu.c, the locals of kvm_handle_guest_abort() and user_mem_abort(). Hot path.
 */

/** Aborts of all vCPUs of a VM. */
export class AbortState {
  readonly gfn: Float64Array;
  /** 0 read, 1 write, 2 execute. */
  readonly kind: Uint8Array;
  /** 1 where the hardware reads a guest page-table page. */
  readonly stage1: Uint8Array;
  /** A `Walk`. */
  readonly fault: Uint8Array;
  readonly faultLevel: Uint8Array;
  /** Memslot in whose scope it counts. */
  readonly scope: Int32Array;
  /** The notifier's sequence, sampled before the host page was resolved. */
  readonly seq: Float64Array;
  /** 1 where the host lets the page be written. */
  readonly hostWritable: Uint8Array;

  constructor(vcpus: number) {
    this.gfn = new Float64Array(vcpus);
    this.kind = new Uint8Array(vcpus);
    this.stage1 = new Uint8Array(vcpus);
    this.fault = new Uint8Array(vcpus);
    this.faultLevel = new Uint8Array(vcpus);
    this.scope = new Int32Array(vcpus);
    this.seq = new Float64Array(vcpus);
    this.hostWritable = new Uint8Array(vcpus);
  }
}
