/**
 * Pending events of the scheduler: a binary heap of (time, vCPU), earliest first, ties to the lower vCPU. A vCPU has at most one event. Hot path.
 */
export class EventQueue {
  size = 0;
  private readonly times: Float64Array;
  private readonly vcpus: Int32Array;

  /** @param capacity number of vCPUs */
  constructor(capacity: number) {
    this.times = new Float64Array(capacity);
    this.vcpus = new Int32Array(capacity);
  }

  /** Time of the earliest event. Only when there is one. */
  get headTime(): number {
    return this.times[0] ?? Infinity;
  }

  /** Whether the earliest event comes before one of `vcpu` at `time`. */
  isBefore(time: number, vcpu: number): boolean {
    if (this.size === 0) return false;
    const head = this.times[0];
    return head < time || (head === time && this.vcpus[0] < vcpu);
  }

  push(time: number, vcpu: number): void {
    const { times, vcpus } = this;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentTime = times[parent];
      if (parentTime < time || (parentTime === time && vcpus[parent] < vcpu)) break;
      times[at] = parentTime;
      vcpus[at] = vcpus[parent];
      at = parent;
    }
    times[at] = time;
    vcpus[at] = vcpu;
  }

  /** Takes the earliest event. @returns its vCPU; the time is `headTime` before the call */
  pop(): number {
    const { times, vcpus } = this;
    const popped = vcpus[0];
    const size = --this.size;
    const time = times[size];
    const vcpu = vcpus[size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.isSlotBefore(child + 1, child)) child++;
      const childTime = times[child];
      if (time < childTime || (time === childTime && vcpu < vcpus[child])) break;
      times[at] = childTime;
      vcpus[at] = vcpus[child];
      at = child;
    }
    times[at] = time;
    vcpus[at] = vcpu;
    return popped;
  }

  private isSlotBefore(a: number, b: number): boolean {
    const { times, vcpus } = this;
    const timeA = times[a];
    const timeB = times[b];
    return timeA < timeB || (timeA === timeB && vcpus[a] < vcpus[b]);
  }
}
