/**
 * What a stretch of a vCPU's run puts into its page-modification log, whatever the log held before.
 *
 * Every exit drains the log, and a full log is an exit. How often the log runs full therefore depends on its fill at the stretch's beginning only through the
 * pages before the first exit (`head`); the overflows between exits (`inner`) and what the last one has left behind it (`tail`) are the stretch's own.
 * So stretches compose: `then` makes one of two. Hot path: `log`.
 *
 * Models: Linux arch/x86/kvm/vmx/vmx.c vmx_flush_pml_buffer(), handle_pml_full().
 */

/** Entries of a page-modification log. */
export const PML_ENTRIES = 512;

/** Pages logged by one stretch of a run. */
export class LogSpan {
  /** Pages before the first exit. */
  head = 0;
  /** Overflow exits after the first exit. */
  inner = 0;
  /** Entries in the log at the end, once it was drained. */
  tail = 0;
  exited = false;

  /** Whether it left every log as it was. */
  get isEmpty(): boolean {
    return this.head === 0 && !this.exited;
  }

  /** Whether it logged nothing; it may have drained the log. */
  get isPlain(): boolean {
    return this.head === 0 && this.inner === 0 && this.tail === 0;
  }

  /** The hardware logs `pages` pages with no exit but for a full log between them. */
  log(pages: number): void {
    if (!this.exited) {
      this.head += pages;
      return;
    }
    const total = this.tail + pages;
    const fulls = overflows(total);
    this.inner += fulls;
    this.tail = total - fulls * PML_ENTRIES;
  }

  /** The vCPU exits. */
  exit(): void {
    this.exited = true;
    this.tail = 0;
  }

  /** Makes it the stretch of itself and of `next` behind it. */
  then(next: LogSpan): void {
    this.log(next.head);
    if (!next.exited) return;
    this.exited = true;
    this.inner += next.inner;
    this.tail = next.tail;
  }
}

/** Overflow exits when `total` entries go into one log without another exit. */
export function overflows(total: number): number {
  return total === 0 ? 0 : Math.floor((total - 1) / PML_ENTRIES);
}
