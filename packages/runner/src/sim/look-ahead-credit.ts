/**
 * Whether looking ahead is worth it. It pays for itself by steps that need no event. What it spends is counted in eighths of what such a step saves: going over the vCPUs after a change, having one
 * look again, and what memory can not do. When more has been spent than saved (a page that changes with every fault, as up to 6.12 where those leave D out; copies of the zero page), faults go by
 * events for a while before it is tried again. What is counted does not hang on it.
 */
const STEP = 8;
const VISIT = 2;
const LOOK = 10;
const PERFORM = 256;
/** By vCPU: what is there at first, and at most; and how many faults go by events before it is tried again. */
const FIRST = 128;
const MOST = 1024;
const REST = 1024;

export class LookAheadCredit {
  private left: number;
  /** Faults refused since nothing was left. */
  private refused = 0;

  constructor(private readonly vcpus: number) {
    this.left = FIRST * vcpus;
  }

  /** Steps have needed no event. */
  save(steps: number): void {
    this.left = Math.min(MOST * this.vcpus, this.left + steps * STEP);
  }

  /** vCPUs were gone over, and some of them looked again. */
  spend(visits: number, looks: number): void {
    this.left -= visits * VISIT + looks * LOOK;
  }

  /** Something was performed, or a vCPU had to leave. */
  spendOnBackend(): void {
    this.left -= PERFORM;
  }

  /** Whether more has been spent than saved. */
  get isSpent(): boolean {
    return this.left <= 0;
  }

  /** Asked for each fault: whether it is to go by events. */
  refuses(): boolean {
    if (this.left > 0) return false;
    if (++this.refused >= REST * this.vcpus) {
      this.refused = 0;
      this.left = FIRST * this.vcpus;
    }
    return true;
  }
}
