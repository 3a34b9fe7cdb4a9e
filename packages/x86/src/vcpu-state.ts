/**
 * What each vCPU carries between entries: pending requests and the page-modification log.
 *
 * The log is kept as a fill level. Exits because it was full depend on how full it was when a run began, so a lifted block remembers what it logged
 * before its first exit (head), the overflows between exits (inner) and what is left after the last one (tail); see VmJournal.
 *
 * Models: Linux arch/x86/kvm/x86.c request handling at vcpu entry, arch/x86/kvm/vmx/vmx.c PML buffer.
 */

/** Entries of a page-modification log. */
export const PML_ENTRIES = 512;

/** State of all vCPUs of a VM, by vCPU number. */
export class VcpuStates {
  /** 1: a remote TLB flush is to be served at the next entry. */
  readonly flushPending: Uint8Array;
  /** Entries in the log. */
  readonly pmlFill: Int32Array;
  /** Overflow exits not yet counted. */
  readonly pmlFulls: Float64Array;

  constructor(readonly count: number) {
    this.flushPending = new Uint8Array(count);
    this.pmlFill = new Int32Array(count);
    this.pmlFulls = new Float64Array(count);
  }

  /** The hardware logs one page. */
  logPage(vcpu: number): void {
    if (this.pmlFill[vcpu] === PML_ENTRIES) {
      this.pmlFulls[vcpu] = this.pmlFulls[vcpu] + 1;
      this.pmlFill[vcpu] = 0;
    }
    this.pmlFill[vcpu] = this.pmlFill[vcpu] + 1;
  }

  /** The hardware logs `pages` pages with no exit but for a full log between them. */
  logPages(vcpu: number, pages: number): void {
    if (pages === 0) return;
    const total = this.pmlFill[vcpu] + pages;
    const fulls = overflows(total);
    this.pmlFulls[vcpu] = this.pmlFulls[vcpu] + fulls;
    this.pmlFill[vcpu] = total - fulls * PML_ENTRIES;
  }

  /** Every exit drains the log. */
  drain(vcpu: number): void {
    this.pmlFill[vcpu] = 0;
  }

  /** All other vCPUs, and this one, have a flush to serve. */
  requestFlush(): void {
    this.flushPending.fill(1);
  }

  /** All vCPUs but one have a flush to serve. */
  requestFlushOfOthers(vcpu: number): void {
    const mine = this.flushPending[vcpu];
    this.flushPending.fill(1);
    this.flushPending[vcpu] = mine;
  }
}

/** Overflow exits when `total` entries go into one log without another exit. */
export function overflows(total: number): number {
  return total === 0 ? 0 : Math.floor((total - 1) / PML_ENTRIES);
}
