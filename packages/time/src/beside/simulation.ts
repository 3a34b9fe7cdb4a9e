/**
 * A host operation beside running vCPUs, as discrete events: what an access that finds its page taken away waits, and which action took it.
 *
 * Each vCPU goes through its own pages in order, over and over. The host thread goes through all pages, in holds of mmu_lock with yields between them; each hold takes
 * its share of the pages away (protects, clears, zaps them) when it ends. A vCPU that meets such a page exits, queues for the lock, is served and goes on. The lock is
 * first come, first served: whoever arrives is done when all before are. Faults under the shared lock queue for its line alone, unless the host holds it exclusively.
 *
 * A stage event is the end of a run of accesses, of an exit, of a service, or of a hold. Hot path: one pending event per actor in typed arrays, nothing is allocated
 * per event.
 */

/** What is to be simulated; times in ns. */
export interface BesideRequest {
  readonly vcpus: number;
  /** Pages of each vCPU. */
  readonly pages: number;
  readonly accessNs: number;
  /** A fault outside the lock. */
  readonly faultNs: number;
  /** What a fault holds the lock for, or its line where faults share it. */
  readonly holdNs: number;
  /** Whether faults share the lock. */
  readonly isShared: boolean;
  /** Part of the pages that fault again, 0 to 1. */
  readonly refaultShare: number;
  readonly host: {
    /** All holds together. */
    readonly totalNs: number;
    readonly holds: number;
    readonly isShared: boolean;
  };
  readonly seed: number;
}

/** What became of it. */
export interface BesideOutcome {
  /** Stalls of accesses that found their page taken away, from the access until it is done. */
  readonly stalls: { readonly count: number; readonly p50Ns: number; readonly p99Ns: number; readonly maxNs: number };
  /** Stage events. */
  readonly events: number;
}

/** Pages of all vCPUs that are simulated at most: a larger VM is simulated in part, its holds as long as they are. */
const MAX_PAGES = 1 << 21;
/** Accesses between two looks at what the host has done. */
const QUANTUM = 32;

const RUNS = 0;
const EXITS = 1;
const SERVED = 2;

/** Simulates a host operation beside the vCPUs until it is over and every page has been met again. */
export function simulateBeside(request: BesideRequest): BesideOutcome {
  return new BesideSimulation(request).run();
}

class BesideSimulation {
  private readonly pages: number;
  private readonly holds: number;
  private readonly holdOfHostNs: number;
  /** 1: the page was taken away. */
  private readonly taken: Uint8Array;
  private readonly stage: Uint8Array;
  private readonly position: Int32Array;
  private readonly startedNs: Float64Array;
  private readonly untilNs: Float64Array;
  /** Actors by the time of their next event; the host is the last one. */
  private readonly heap: Int32Array;
  private readonly stalls = new StallHistogram();
  private freeNs = 0;
  private done = 0;
  private left = 0;
  /** Faults that are not over. */
  private underway = 0;
  private events = 0;
  private state: number;
  /** Pages taken between two that are left alone, in 1/2^16. */
  private readonly stride: number;
  private carry = 0;

  constructor(private readonly request: BesideRequest) {
    const { vcpus, pages, host, seed } = request;
    this.pages = Math.max(1, Math.min(pages, Math.floor(MAX_PAGES / vcpus)));
    const part = this.pages / pages;
    this.holds = Math.max(1, Math.round(host.holds * part));
    this.holdOfHostNs = host.holds <= 1 ? host.totalNs : host.totalNs / host.holds;
    this.taken = new Uint8Array(this.pages * vcpus);
    this.stage = new Uint8Array(vcpus);
    this.position = new Int32Array(vcpus);
    this.startedNs = new Float64Array(vcpus);
    this.untilNs = new Float64Array(vcpus + 1);
    this.heap = Int32Array.from({ length: vcpus + 1 }, (_, i) => i);
    this.state = seed | 0;
    this.stride = Math.round(Math.min(1, Math.max(0, request.refaultShare)) * 65536);
    // vCPUs are anywhere in their pages.
    for (let v = 0; v < vcpus; v++) {
      this.position[v] = Math.floor(this.random() * this.pages);
      this.untilNs[v] = this.random() * QUANTUM * request.accessNs;
    }
    this.untilNs[vcpus] = this.hold(0);
    for (let at = (vcpus >> 1) + 1; at-- > 0;) this.down(at);
  }

  run(): BesideOutcome {
    const { vcpus } = this.request;
    while (this.done < this.holds || this.left > 0 || this.underway > 0) {
      const actor = this.heap[0] ?? 0;
      const nowNs = this.untilNs[actor] ?? 0;
      this.events++;
      this.untilNs[actor] = actor === vcpus ? this.endHold(nowNs) : this.advance(actor, nowNs);
      this.down(0);
    }
    const { count, maxNs } = this.stalls;
    return {
      stalls: { count, p50Ns: this.stalls.quantile(0.5), p99Ns: this.stalls.quantile(0.99), maxNs },
      events: this.events,
    };
  }

  /** The host asks for the lock. @returns when the hold ends */
  private hold(nowNs: number): number {
    const { host } = this.request;
    if (host.isShared) return nowNs + this.holdOfHostNs;
    const endNs = Math.max(nowNs, this.freeNs) + this.holdOfHostNs;
    this.freeNs = endNs;
    return endNs;
  }

  private endHold(nowNs: number): number {
    const all = this.taken.length;
    const from = Math.floor((all * this.done) / this.holds);
    this.done++;
    const to = Math.floor((all * this.done) / this.holds);
    for (let page = from; page < to; page++) {
      this.carry += this.stride;
      if (this.carry < 65536) continue;
      this.carry -= 65536;
      this.taken[page] = 1;
      this.left++;
    }
    return this.done < this.holds ? this.hold(nowNs) : Infinity;
  }

  private advance(vcpu: number, nowNs: number): number {
    const stage = this.stage[vcpu];
    if (stage === RUNS) return this.endRun(vcpu, nowNs);
    if (stage === EXITS) return this.askForLock(vcpu, nowNs);
    this.underway--;
    this.stalls.add(nowNs - (this.startedNs[vcpu] ?? 0));
    this.stage[vcpu] = RUNS;
    return this.startRun(vcpu, nowNs);
  }

  private endRun(vcpu: number, nowNs: number): number {
    const page = vcpu * this.pages + (this.position[vcpu] ?? 0);
    if (this.taken[page] === 0) return this.startRun(vcpu, nowNs);
    this.taken[page] = 0;
    this.left--;
    this.underway++;
    this.startedNs[vcpu] = nowNs;
    this.stage[vcpu] = EXITS;
    return nowNs + this.jittered(this.request.faultNs);
  }

  /** On to the next page that was taken away, or a few pages. */
  private startRun(vcpu: number, nowNs: number): number {
    const first = vcpu * this.pages;
    let at = this.position[vcpu] ?? 0;
    let count = 0;
    do {
      at = at + 1 === this.pages ? 0 : at + 1;
      count++;
    } while (count < QUANTUM && this.taken[first + at] === 0);
    this.position[vcpu] = at;
    return nowNs + count * this.request.accessNs;
  }

  private askForLock(vcpu: number, nowNs: number): number {
    this.stage[vcpu] = SERVED;
    const endNs = Math.max(nowNs, this.freeNs) + this.jittered(this.request.holdNs);
    this.freeNs = endNs;
    return endNs;
  }

  /** Half of a duration is certain, half exponential: long tails, the mean as it is. */
  private jittered(ns: number): number {
    return ns * (0.5 - 0.5 * Math.log(1 - this.random()));
  }

  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** The actor at a place of the heap has a later event: down it goes; equal times go to the lower actor. */
  private down(from: number): void {
    const { heap, untilNs } = this;
    const size = heap.length;
    const actor = heap[from] ?? 0;
    const ownNs = untilNs[actor] ?? 0;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      let other = heap[child] ?? 0;
      let otherNs = untilNs[other] ?? 0;
      if (child + 1 < size) {
        const right = heap[child + 1] ?? 0;
        const rightNs = untilNs[right] ?? 0;
        if (rightNs < otherNs || (rightNs === otherNs && right < other)) {
          child++;
          other = right;
          otherNs = rightNs;
        }
      }
      if (ownNs < otherNs || (ownNs === otherNs && actor < other)) break;
      heap[at] = other;
      at = child;
    }
    heap[at] = actor;
  }
}

/** Parts of a power of two in the histogram: a quantile is right within 1.6 %. */
const PARTS = 32;

/** Counts of stalls by powers of two, each cut into equal parts; the maximum exact. */
class StallHistogram {
  private readonly bins = new Float64Array(PARTS * 48);
  count = 0;
  maxNs = 0;

  add(ns: number): void {
    this.count++;
    if (ns > this.maxNs) this.maxNs = ns;
    let low = 1;
    let power = 0;
    while (low * 2 <= ns) {
      low *= 2;
      power++;
    }
    const part = ns < 1 ? 0 : Math.floor((ns / low - 1) * PARTS);
    const bin = power * PARTS + part;
    this.bins[bin] = (this.bins[bin] ?? 0) + 1;
  }

  /** The middle of the bin that holds it, at most the maximum. */
  quantile(q: number): number {
    let seen = 0;
    for (let bin = 0; bin < this.bins.length; bin++) {
      seen += this.bins[bin] ?? 0;
      if (seen > 0 && seen >= q * this.count) return Math.min(this.maxNs, 2 ** Math.floor(bin / PARTS) * (1 + ((bin % PARTS) + 0.5) / PARTS));
    }
    return 0;
  }
}
