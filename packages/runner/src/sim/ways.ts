/**
 * The ways of vCPUs that look ahead (look-ahead.ts): for each a list of steps, the last of which is its event. Hot path.
 */

/** Steps of a way at most. */
export const DEPTH = 16;

export class Ways {
  // From vcpu * DEPTH on: what is due, and when it happens. Of steps before the last: the outcome.
  readonly situations: Int32Array;
  readonly times: Float64Array;
  readonly outcomes: Int32Array;
  /** By vCPU: steps before the last, and the page of the last. */
  readonly length: Int32Array;
  readonly page: Int32Array;

  constructor(vcpus: number) {
    const steps = vcpus * DEPTH;
    this.situations = new Int32Array(steps);
    this.times = new Float64Array(steps);
    this.outcomes = new Int32Array(steps);
    this.length = new Int32Array(vcpus);
    this.page = new Int32Array(vcpus);
  }

  /** Place of a vCPU's last step. */
  last(vcpu: number): number {
    return vcpu * DEPTH + this.length[vcpu];
  }

  /** The only step of a vCPU from now on. */
  start(vcpu: number, situation: number, page: number, time: number): void {
    const at = vcpu * DEPTH;
    this.length[vcpu] = 0;
    this.page[vcpu] = page;
    this.situations[at] = situation;
    this.times[at] = time;
  }

  /** The first of a vCPU's steps that happens after something another one does at a time; the last one, if none does. */
  firstAfter(vcpu: number, time: number, by: number): number {
    const first = vcpu * DEPTH;
    let at = first + this.length[vcpu];
    while (at > first && (this.times[at - 1] > time || (this.times[at - 1] === time && vcpu > by))) at--;
    return at;
  }

  /** Makes room in a full list: steps before a time are made for good, and forgotten. @returns how many */
  forgetBefore(vcpu: number, time: number): number {
    const { situations, times, outcomes } = this;
    const first = vcpu * DEPTH;
    const last = first + DEPTH - 1;
    let from = first;
    while (from < last && times[from] < time) from++;
    for (let at = from; at <= last; at++) {
      const to = first + at - from;
      situations[to] = situations[at];
      times[to] = times[at];
      outcomes[to] = outcomes[at];
    }
    return from - first;
  }
}
