/**
 * Who acts in a trace: tasks, each a vCPU or the VM's user space, told apart by what their events say.
 */
import { ChangeQueue } from './change-queue';
import { traceVcpu } from './errors';
import { MAX_VCPUS } from './limits';
import { ExitReason } from './trace-event';
import type { TraceEvent } from './trace-event';

/** A table that is going: where the events of its entries are. */
export interface Removal {
  /** Level of the entries. */
  readonly level: number;
  readonly base: number;
  readonly end: number;
  /** First frame of the entry that is next. */
  next: number;
  /** Entries that are empty have events too. */
  shared: boolean;
}

/** A walk of the host under way. */
export interface HostOperation {
  readonly walk: number;
  readonly level: number;
  /** All of the range up to here is done. */
  cursor: number;
  /** Whether it goes over a whole memslot, so that its end can be told. */
  readonly whole: boolean;
}

/** One task. */
export class Actor {
  vcpu = -1;
  inFault = false;
  gfn = 0;
  kind = 0;
  guestTable = false;
  faultLine = 0;
  /** Another actor changed what the fault looked at, or the host took pages away meanwhile. */
  disturbed = false;
  /** A change was made by the fault. */
  changed = false;
  /** The last fault ended without the change that the simulation would have made: it is to come again. */
  dropped: { readonly gfn: number; readonly line: number; readonly simulated: string } | undefined = undefined;
  lastExit: number = ExitReason.Other;
  /** Simulated changes whose events are to come. */
  readonly queue = new ChangeQueue();
  readonly removals: Removal[] = [];
  /** Tables of 5.10 whose flushes are to come. */
  readonly flushes: { readonly gfn: number; readonly npages: number }[] = [];
  operation: HostOperation | undefined = undefined;
  /** Span of an entry it has frozen. */
  frozenFrom = 0;
  frozenTo = 0;

  constructor(readonly tid: number) {}

  get name(): string {
    return this.vcpu >= 0 ? `vcpu ${this.vcpu}` : `host (task ${this.tid})`;
  }
}

export class Actors {
  private readonly byTid = new Map<number, Actor>();
  private readonly byVcpu = new Map<number, Actor>();
  private last: Actor | undefined = undefined;
  private nextVcpu = 0;

  /** The task of an event; one that says its vCPU's number is told apart from then on. */
  of(event: TraceEvent): Actor {
    const { last } = this;
    if (last !== undefined && last.tid === event.tid) return last;
    let actor = this.byTid.get(event.tid);
    if (actor === undefined) {
      actor = new Actor(event.tid);
      this.byTid.set(event.tid, actor);
    }
    this.last = actor;
    return actor;
  }

  /**
   * The task of an event that only vCPUs have. Where the line has no number, the task keeps the one it has, or is the next vCPU.
   * @returns the task, and the one that was this vCPU before, if another
   */
  vcpuOf(event: TraceEvent): Actor {
    const actor = this.of(event);
    if (event.vcpu < 0 && actor.vcpu >= 0) return actor;
    const vcpu = event.vcpu >= 0 ? event.vcpu : this.freeVcpu();
    if (vcpu >= MAX_VCPUS) throw traceVcpu(event.line, vcpu, MAX_VCPUS);
    if (actor.vcpu !== vcpu) {
      actor.vcpu = vcpu;
      const before = this.byVcpu.get(vcpu);
      if (before !== undefined && before !== actor) {
        before.vcpu = -1;
        before.inFault = false;
      }
      this.byVcpu.set(vcpu, actor);
    }
    return actor;
  }

  /** Tasks that are vCPUs. */
  vcpus(): Iterable<Actor> {
    return this.byVcpu.values();
  }

  all(): Iterable<Actor> {
    return this.byTid.values();
  }

  private freeVcpu(): number {
    while (this.byVcpu.has(this.nextVcpu)) this.nextVcpu++;
    return this.nextVcpu;
  }
}
