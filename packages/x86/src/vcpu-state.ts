/**
 * What each vCPU carries between entries: pending requests and the page-modification log.
 *
 * The log is kept as a fill level, to which a lifted block appends what it logged (log-span.ts).
 *
 * Models: Linux arch/x86/kvm/x86.c request handling at vcpu entry, arch/x86/kvm/vmx/vmx.c PML buffer.
 */
import type { DirtyRings } from '@mmulab/kvm';
import { Version } from '@mmulab/pgtable';
import { Ev } from './events';
import { PML_ENTRIES, overflows } from './log-span';
import type { LogSpan } from './log-span';

/** State of all vCPUs of a VM, by vCPU number. */
export class VcpuStates {
  /** Counted up whenever a vCPU may owe what it did not: what was known of its accesses holds no longer. */
  readonly version = new Version();
  /** 1: a remote TLB flush is to be served at the next entry. */
  readonly flushPending: Uint8Array;
  /** Entries in the log. */
  readonly pmlFill: Int32Array;
  /** Overflow exits not yet counted. */
  readonly pmlFulls: Float64Array;

  constructor(
    readonly count: number,
    private readonly rings?: DirtyRings,
  ) {
    this.flushPending = new Uint8Array(count);
    this.pmlFill = new Int32Array(count);
    this.pmlFulls = new Float64Array(count);
  }

  /** The hardware logs one page. */
  logPage(vcpu: number): void {
    if (this.pmlFill[vcpu] === PML_ENTRIES) this.logFull(vcpu);
    this.pmlFill[vcpu] = this.pmlFill[vcpu] + 1;
  }

  /** The vCPU exits because its log is full. */
  logFull(vcpu: number): void {
    this.pmlFulls[vcpu] = this.pmlFulls[vcpu] + 1;
    this.pmlFill[vcpu] = 0;
  }

  /** A stretch of a run logs what it does behind what the log holds. */
  appendLog(vcpu: number, { head, inner, tail, exited }: LogSpan): void {
    const total = this.pmlFill[vcpu] + head;
    const fulls = overflows(total);
    this.pmlFulls[vcpu] = this.pmlFulls[vcpu] + fulls + inner;
    this.pmlFill[vcpu] = exited ? tail : total - fulls * PML_ENTRIES;
  }

  /** Counts the exits because of a full log that are not counted yet, and the pages they have put into dirty rings. */
  countFulls(vcpu: number, now: Float64Array): void {
    this.rings?.countPushes(vcpu, now);
    const fulls = this.pmlFulls[vcpu];
    if (fulls === 0) return;
    this.pmlFulls[vcpu] = 0;
    now[Ev.pmlFull] = now[Ev.pmlFull] + fulls;
    now[Ev.exit] = now[Ev.exit] + fulls;
  }

  /** Every exit drains the log. */
  drain(vcpu: number): void {
    this.pmlFill[vcpu] = 0;
  }

  /** All other vCPUs, and this one, have a flush to serve. */
  requestFlush(): void {
    this.version.bump();
    this.flushPending.fill(1);
  }

  /** All vCPUs but one have a flush to serve. */
  requestFlushOfOthers(vcpu: number): void {
    this.version.bump();
    const mine = this.flushPending[vcpu];
    this.flushPending.fill(1);
    this.flushPending[vcpu] = mine;
  }
}
