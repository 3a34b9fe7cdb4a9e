/**
 * Whether looking ahead is worth it. It pays for itself by steps that need no event; what memory can not do costs about as much as some of them. When more has been spent than saved,
 * faults go by events for a while, before it is tried again. What is counted does not hang on it.
 */
const COST = 8;
const FIRST = 128;
const MOST = 4096;
const REST = 1024;

export class LookAheadCredit {
  private left = FIRST;
  /** Faults refused since nothing was left. */
  private refused = 0;

  /** Steps have needed no event. */
  save(steps: number): void {
    this.left = Math.min(MOST, this.left + steps);
  }

  /** Something was performed, or a vCPU had to leave. */
  spend(): void {
    this.left -= COST;
  }

  /** vCPUs had to look again. */
  spendOn(vcpus: number): void {
    this.left -= vcpus;
  }

  /** Asked for each fault: whether it is to go by events. */
  refuses(): boolean {
    if (this.left > 0) return false;
    if (++this.refused === REST) {
      this.refused = 0;
      this.left = FIRST;
    }
    return true;
  }
}
