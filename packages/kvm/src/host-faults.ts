/**
 * Host faults of vCPUs that interleave: each looks for its page, does the work of what it found, and makes the change unless another was faster.
 *
 * Copies of the zero page, and huge zero pages split or replaced, are announced by pairs of MMU-notifier calls. Of several vCPUs that have begun the same change each calls
 * the notifier; the host lets the first one make it, and the others find their entry changed.
 *
 * Models: Linux mm/memory.c handle_pte_fault(), do_anonymous_page(), wp_page_copy(); mm/huge_memory.c __split_huge_pmd(), do_huge_zero_wp_pmd(). Hot path.
 */
import type { HostFault, HostNotification } from '@mmulab/api';
import { HostWork, countHostWork, countShared, hostWork, notifiedWork } from './host-work';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

const NO_FAULT: HostFault = { ok: false, state: 0, spanLevel: 1, writable: false, notifications: [] };

/** What a host fault came to. */
export const HostPage = { ReadOnly: 0, Writable: 1, Failed: 2 } as const;

/** Takes mappings away before the host changes its pages: invalidate_range_start, or the pair where nothing comes between the two calls. */
export type Invalidate = (slot: Memslot, start: number, end: number) => void;

/** The host fault each vCPU has begun. */
export class HostFaults {
  /** State in which the host found the page. */
  private readonly found: Uint8Array;
  /** Faults whose changes are announced, and the change each has come to. */
  private readonly faults: HostFault[];
  private readonly at: Uint8Array;
  private readonly underWay: Uint8Array;

  constructor(
    vcpus: number,
    private readonly slots: Memslots,
    private readonly invalidate: Invalidate,
  ) {
    this.found = new Uint8Array(vcpus);
    this.faults = new Array<HostFault>(vcpus).fill(NO_FAULT);
    this.at = new Uint8Array(vcpus);
    this.underWay = new Uint8Array(vcpus);
  }

  /** The host begins to look for a page: what it finds now is what it will act upon. */
  ask(vcpu: number, gfn: number): void {
    this.found[vcpu] = this.slots.hostStates.get(gfn);
  }

  /** The state in which a vCPU's host fault has found its page. */
  foundBy(vcpu: number): number {
    return this.found[vcpu];
  }

  /** A vCPU's host fault has found its page in a state, and no notifier call is under way. */
  find(vcpu: number, state: number): void {
    this.found[vcpu] = state;
    this.underWay[vcpu] = 0;
  }

  /** The host has looked, or done the work of what it found. @param done that work; @returns more work (`None`: to look again), or the complement of a `HostPage` */
  settle(vcpu: number, slot: Memslot, gfn: number, write: boolean, done: number): number {
    const { slots } = this;
    const found = this.found[vcpu];
    // A write to a read-only slot asks the host for nothing: it goes to user space.
    if (write && slot.spec.readonly) return ~HostPage.ReadOnly;
    const fault = slots.hostFaultFrom(slot, gfn, found, write);
    if (!fault.ok) return ~HostPage.Failed;
    if (done === HostWork.None) {
      if (fault.notifications.length !== 0) return this.begin(vcpu, slot, fault);
      const work = hostWork(slot, found, fault);
      if (work !== HostWork.None) {
        countHostWork(slots, work);
        return work;
      }
    }
    const state = slots.hostStates.get(gfn);
    if (state !== found) {
      // Another fault was faster.
      this.found[vcpu] = state;
      return HostWork.None;
    }
    if (state !== fault.state) {
      countShared(slots, slot, state, fault);
      slots.setHostState(slot, gfn, fault.spanLevel, fault.state);
    }
    return fault.writable && !slot.spec.readonly ? ~HostPage.Writable : ~HostPage.ReadOnly;
  }

  /** As `settle`, for a kernel side in which the pair of notifier calls is one moment. */
  settleAtOnce(vcpu: number, slot: Memslot, gfn: number, write: boolean, done: number): number {
    if (!this.isUnderWay(vcpu)) return this.settle(vcpu, slot, gfn, write, done);
    this.start(vcpu, slot, gfn);
    const work = this.end(vcpu, slot);
    if (work !== HostWork.None) return work;
    this.ask(vcpu, gfn);
    return this.settle(vcpu, slot, gfn, write, HostWork.None);
  }

  /** Whether the work that was done leads to a notifier call. */
  isUnderWay(vcpu: number): boolean {
    return this.underWay[vcpu] === 1;
  }

  /** invalidate_range_start, and the change unless another fault was faster. @returns whether a change_pte follows */
  start(vcpu: number, slot: Memslot, gfn: number): boolean {
    this.underWay[vcpu] = 0;
    const notification = this.notification(vcpu);
    if (notification === undefined) return false;
    const { level, state } = notification;
    const span = this.slots.geometry.pagesAt(level);
    const base = gfn - (gfn % span);
    this.invalidate(slot, Math.max(base, slot.base), Math.min(base + span, slot.end));
    const expected = this.slots.hostFault(slot, gfn, true).notifications[0];
    if (expected?.level !== level || expected.state !== state) return false;
    this.slots.setHostState(slot, gfn, level, state);
    return notification.changePte;
  }

  /** The pair of calls is over. @returns the work before the fault's next one, `None` after the last */
  end(vcpu: number, slot: Memslot): number {
    this.at[vcpu]++;
    return this.work(vcpu, slot);
  }

  private begin(vcpu: number, slot: Memslot, fault: HostFault): number {
    this.faults[vcpu] = fault;
    this.at[vcpu] = 0;
    return this.work(vcpu, slot);
  }

  private work(vcpu: number, slot: Memslot): number {
    const notification = this.notification(vcpu);
    if (notification === undefined) return HostWork.None;
    this.underWay[vcpu] = 1;
    const work = notifiedWork(slot, notification);
    countHostWork(this.slots, work);
    return work;
  }

  private notification(vcpu: number): HostNotification | undefined {
    return this.faults[vcpu]?.notifications[this.at[vcpu]];
  }
}
