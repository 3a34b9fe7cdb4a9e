/**
 * Pending events of the scheduler: a binary heap of (time, vCPU), earliest first, ties to the lower vCPU. A vCPU has at most one event.
 *
 * The event that was taken leaves a gap at the top, which the next one fills: mostly the same vCPU's next event, so that the heap is put in order once and not twice. Hot path.
 */
export class EventQueue {
  private count = 0;
  /** The top of the heap has been taken. */
  private hasGap = false;
  private readonly times: Float64Array;
  private readonly vcpus: Int32Array;

  /** @param capacity number of vCPUs */
  constructor(capacity: number) {
    this.times = new Float64Array(capacity + 1);
    this.vcpus = new Int32Array(capacity + 1);
  }

  /** Events pending. */
  get size(): number {
    return this.hasGap ? this.count - 1 : this.count;
  }

  /** Whether the earliest event comes before one of `vcpu` at `time`. */
  isBefore(time: number, vcpu: number): boolean {
    let head = 0;
    if (this.hasGap) {
      if (this.count < 2) return false;
      head = this.count > 2 && this.isSlotBefore(2, 1) ? 2 : 1;
    } else if (this.count === 0) {
      return false;
    }
    const headTime = this.times[head];
    return headTime < time || (headTime === time && this.vcpus[head] < vcpu);
  }

  push(time: number, vcpu: number): void {
    if (this.hasGap) {
      this.hasGap = false;
      this.sink(time, vcpu);
    } else {
      this.rise(this.count++, time, vcpu);
    }
  }

  /** Brings the event of a vCPU, which is pending, forward to an earlier time. */
  bringForward(time: number, vcpu: number): void {
    this.closeGap();
    let at = 0;
    while (this.vcpus[at] !== vcpu) at++;
    this.rise(at, time, vcpu);
  }

  /** Takes the earliest event, of which there is one. @returns its vCPU; `time` is its time */
  pop(): number {
    this.closeGap();
    this.hasGap = true;
    return this.vcpus[0];
  }

  /** Time of the event that was taken last, until the next one is pushed. */
  get time(): number {
    return this.times[0];
  }

  private closeGap(): void {
    if (!this.hasGap) return;
    this.hasGap = false;
    const last = --this.count;
    if (last > 0) this.sink(this.times[last], this.vcpus[last]);
  }

  private rise(from: number, time: number, vcpu: number): void {
    const { times, vcpus } = this;
    let at = from;
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

  /** Puts an event at the top, and from there to its place. */
  private sink(time: number, vcpu: number): void {
    const { times, vcpus, count } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && this.isSlotBefore(child + 1, child)) child++;
      const childTime = times[child];
      if (time < childTime || (time === childTime && vcpu < vcpus[child])) break;
      times[at] = childTime;
      vcpus[at] = vcpus[child];
      at = child;
    }
    times[at] = time;
    vcpus[at] = vcpu;
  }

  private isSlotBefore(a: number, b: number): boolean {
    const { times, vcpus } = this;
    const timeA = times[a];
    const timeB = times[b];
    return timeA < timeB || (timeA === timeB && vcpus[a] < vcpus[b]);
  }
}
