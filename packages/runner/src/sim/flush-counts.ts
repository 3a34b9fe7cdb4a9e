/**
 * Finds flushes in what is counted: a vCPU, or the host, that counts a request has asked all vCPUs to flush; a vCPU that counts a served one has flushed. Where an architecture
 * invalidates by broadcast, asking and serving are one moment.
 */
import { TIMELINE_HOST, type EventDef, type RunTimeline } from '@mmulab/api';
import type { RunCounters } from './counters';

const REQUEST = 'remote_tlb_flush_requests';
const SERVED = 'tlb_flush';
/** Invalidations that reach every CPU at once; those by address are told of too. */
const BROADCASTS = ['tlbi.ipa', 'tlbi.vmid', 'tlbi.range'];
/** Of these: not broadcast. */
const LOCAL = 'tlbi.ipa_local';

export class FlushCounts {
  private readonly asked: readonly number[];
  private readonly local: number;
  /** -1 where flushes are broadcast. */
  private readonly served: number;
  private askedBefore = 0;
  private servedBefore = 0;

  /** @param vcpus number of vCPUs that a broadcast reaches */
  constructor(
    events: readonly EventDef[],
    private readonly counters: RunCounters,
    private readonly timeline: RunTimeline,
    private readonly vcpus: number,
  ) {
    const indexOf = (name: string): number => events.findIndex(event => event.name === name);
    this.served = indexOf(SERVED);
    this.asked = (this.served < 0 ? BROADCASTS : [REQUEST]).map(indexOf).filter(index => index >= 0);
    this.local = this.served < 0 ? indexOf(LOCAL) : -1;
  }

  /** An actor is about to do something. */
  begin(actor: number): void {
    this.askedBefore = this.askedBy(actor);
    this.servedBefore = this.servedBy(actor);
  }

  /** It has done it: tells of the flushes in it. */
  tell(actor: number, timePs: number): void {
    const hasAsked = this.askedBy(actor) > this.askedBefore;
    if (hasAsked) this.timeline.flushAsked(actor, timePs);
    if (this.served >= 0) {
      if (this.servedBy(actor) > this.servedBefore) this.timeline.flushServed(actor, timePs);
    } else if (hasAsked) {
      for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.timeline.flushServed(vcpu, timePs);
    }
  }

  private askedBy(actor: number): number {
    const all = this.asked.reduce((sum, index) => sum + this.counters.countOf(actor, index), 0);
    return this.local < 0 ? all : all - this.counters.countOf(actor, this.local);
  }

  private servedBy(actor: number): number {
    return this.served < 0 || actor === TIMELINE_HOST ? 0 : this.counters.countOf(actor, this.served);
  }
}
