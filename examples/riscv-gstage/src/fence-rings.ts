/**
 * Fence requests: a ring of 64 items per vCPU, and what is done with them at vCPU entry.
 *
 * A request puts an item into every ring that has room and asks all vCPUs to serve their rings; those in the guest are interrupted, and do so at once. If some ring was
 * full, it asks them to fence the whole VMID instead, and the items stay where they are. So a vCPU that keeps running while another's ring is full never empties its
 * own: once both are full, every request is for the whole VMID, for the rest of the VM's life.
 *
 * Models: Linux arch/riscv/kvm/tlb.c make_xfence_request(), kvm_riscv_hfence_process().
 */
import type { Counters } from '@mmulab/api';
import { HeldCounts } from '@mmulab/kvm';
import type { Journal } from '@mmulab/pgtable';
import { Ev } from './events';

const CAPACITY = 64;
/** A fence of more steps than this is one of the whole VMID. */
const MAX_STEPS = 512;
const PAGE_BYTES = 4096;
/** What a vCPU is asked for, as bits. */
const Asked = { Ring: 1, Everything: 2 } as const;

/** Counts that hang on the rings. */
const HELD = [Ev.queued, Ev.overflow, Ev.flush, Ev.local, Ev.localSteps, Ev.widened, Ev.ipi];
const [QUEUED, OVERFLOW, FLUSH, LOCAL, STEPS, WIDENED, IPI] = HELD.keys();

/** Faults in a row that asked for the same before their vCPU went in again: pairs of steps and count. */
interface Entries {
  readonly requests: readonly number[];
  times: number;
}

export class FenceRings implements Journal {
  /** vCPU that acts, or -1 for the host; and the memslot its requests are for. */
  actor = -1;
  scope = 0;
  /** Items by vCPU, each as the memslot it is for and its steps. */
  private readonly rings: { readonly scope: number; readonly steps: number }[][];
  private readonly asked: Uint8Array;
  private readonly inGuest: Uint8Array;
  private readonly recordings: Entries[][] = [];
  /** Requests of the fault under way, while recording. */
  private pending: number[] = [];
  private readonly held: HeldCounts;

  constructor(
    vcpus: number,
    private readonly counters: Counters,
  ) {
    this.rings = Array.from({ length: vcpus }, () => []);
    this.asked = new Uint8Array(vcpus);
    this.inGuest = new Uint8Array(vcpus);
    this.held = new HeldCounts(counters, HELD);
  }

  /** `count` requests for a range of pages each. @param steps HFENCE instructions that a range takes */
  request(npages: number, steps: number, count: number): void {
    const { now } = this.counters;
    now[Ev.hfence] += count;
    now[Ev.hfenceBytes] += npages * PAGE_BYTES * count;
    this.enqueue(steps, count);
    if (this.recordings.length > 0) this.pending.push(steps, count);
  }

  /** A request to flush everything, of every vCPU. */
  flushAll(): void {
    this.counters.now[Ev.hfenceAll] += 1;
    this.ask(Asked.Everything, 1);
  }

  /** A vCPU goes into the guest: what was asked of it is done. */
  enter(vcpu: number): void {
    const recording = this.recordings.at(-1);
    if (recording !== undefined && this.pending.length > 0) append(recording, { requests: this.pending, times: 1 });
    this.pending = [];
    this.inGuest[vcpu] = 1;
    if (this.asked[vcpu] !== 0) this.serve(vcpu);
  }

  /** A vCPU is out of the guest: nobody has to interrupt it. */
  leave(vcpu: number): void {
    this.inGuest[vcpu] = 0;
  }

  /** Whether a vCPU is in the guest and nothing is asked of it: an exit and the entry after it come to nothing here. */
  owesNothing(vcpu: number): boolean {
    return this.inGuest[vcpu] === 1 && this.asked[vcpu] === 0;
  }

  /** Whether all vCPUs are in the guest and have served all: whatever one of them asks for then is served at once, and leaves the rings as they were. */
  areCalm(): boolean {
    return this.rings.every((ring, vcpu) => ring.length === 0 && this.owesNothing(vcpu));
  }

  /** Counts what faults of a vCPU come to beside `hfence.gpa` that each asked calm rings for a fence of one page. Selects counters. */
  countCalm(actor: number, scope: number, times: number): void {
    const add = (vcpu: number, event: number, amount: number): void => {
      this.counters.select(vcpu, scope);
      this.counters.now[event] += amount;
    };
    add(actor, Ev.queued, times);
    add(actor, Ev.ipi, times * (this.rings.length - 1));
    for (const vcpu of this.rings.keys()) {
      add(vcpu, Ev.local, times);
      add(vcpu, Ev.localSteps, times);
    }
  }

  open(): void {
    this.recordings.push([]);
  }

  close(): unknown {
    const done = this.recordings.pop() as Entries[];
    const around = this.recordings.at(-1);
    if (around !== undefined) for (const entries of done) append(around, entries);
    return done.length === 0 ? undefined : done;
  }

  replay(effects: unknown): void {
    const around = this.recordings.at(-1);
    for (const entries of effects as readonly Entries[]) {
      this.again(entries);
      if (around !== undefined) append(around, entries);
    }
  }

  /** Plays equal entries. Once one leaves the rings as it found them, so do all that follow. */
  private again({ requests, times }: Entries): void {
    const { actor, scope } = this;
    const state = (): string => this.rings.map((ring, vcpu) => `${ring.length}/${this.asked[vcpu]}`).join();
    for (let i = 0; i < times; i++) {
      const before = state();
      const counts = [...new Set(this.rings.flatMap((_, vcpu) => [this.held.of(vcpu, scope), this.held.of(vcpu, 0)]))];
      const values = counts.map(vector => vector.slice());
      this.inGuest[actor] = 0;
      for (let at = 0; at < requests.length; at += 2) this.enqueue(requests[at], requests[at + 1]);
      this.inGuest[actor] = 1;
      if (this.asked[actor] !== 0) this.serve(actor);
      if (i === 0 || state() !== before) continue;
      counts.forEach((vector, n) => vector.forEach((value, k) => (vector[k] = value + (value - values[n][k]) * (times - i - 1))));
      return;
    }
  }

  private enqueue(steps: number, count: number): void {
    const item = { scope: this.scope, steps };
    let left = count;
    while (left > 0) {
      // As many as go the same way: to the next ring that is full, or, where vCPUs empty theirs at once, one by one.
      const room = CAPACITY - Math.max(...this.rings.map(ring => ring.length));
      const fit = room === 0 ? left : this.inGuest.includes(1) ? 1 : Math.min(left, room);
      for (const ring of this.rings) for (let i = 0; i < fit && ring.length < CAPACITY; i++) ring.push(item);
      this.held.add(this.actor, this.scope, room === 0 ? OVERFLOW : QUEUED, fit);
      this.ask(room === 0 ? Asked.Everything : Asked.Ring, fit);
      left -= fit;
    }
  }

  private ask(what: number, count: number): void {
    for (let vcpu = 0; vcpu < this.asked.length; vcpu++) {
      this.asked[vcpu] |= what;
      if (this.inGuest[vcpu] === 0) continue;
      this.held.add(this.actor, this.scope, IPI, count);
      this.serve(vcpu);
      // Each further request finds it in the guest again.
      if (what === Asked.Everything) this.held.add(vcpu, 0, FLUSH, count - 1);
    }
  }

  private serve(vcpu: number): void {
    const asked = this.asked[vcpu];
    this.asked[vcpu] = 0;
    if ((asked & Asked.Everything) !== 0) this.held.add(vcpu, 0, FLUSH, 1);
    if ((asked & Asked.Ring) === 0) return;
    for (const { scope, steps } of this.rings[vcpu].splice(0)) {
      this.held.add(vcpu, scope, LOCAL, 1);
      this.held.add(vcpu, scope, steps > MAX_STEPS ? WIDENED : STEPS, steps > MAX_STEPS ? 1 : steps);
    }
  }
}

function append(recording: Entries[], { requests, times }: Entries): void {
  const last = recording.at(-1);
  if (last !== undefined && last.requests.join() === requests.join()) last.times += times;
  else recording.push({ requests, times });
}
