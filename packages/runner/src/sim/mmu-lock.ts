/**
 * mmu_lock in virtual time: a reader-writer lock that serves waiters in the order they came, as the kernel's queued rwlock does. A reader waits
 * when anyone waits before it; neighbouring readers in the queue get in together. Hot path.
 *
 * Models: Linux kernel/locking/qrwlock.c (a backend whose kernel has a spinlock names every stage a writer).
 */
export class MmuLock {
  /** vCPUs that the last `release` let in, in order. */
  readonly granted: Int32Array;
  private readonly waiting: Int32Array;
  /** 1 for a writer, by vCPU. */
  private readonly wantsWrite: Uint8Array;
  private head = 0;
  private count = 0;
  private readers = 0;
  private isWriteLocked = false;

  /** @param vcpus most vCPUs that may wait */
  constructor(vcpus: number) {
    this.granted = new Int32Array(vcpus);
    this.waiting = new Int32Array(vcpus);
    this.wantsWrite = new Uint8Array(vcpus);
  }

  /** Whether nobody holds the lock or waits for it. */
  get isIdle(): boolean {
    return this.count === 0 && this.readers === 0 && !this.isWriteLocked;
  }

  /** Whether a writer holds it, or anybody waits for it. */
  get isWanted(): boolean {
    return this.count > 0 || this.isWriteLocked;
  }

  /** Takes the lock or queues. @returns whether the vCPU has it now */
  acquire(vcpu: number, write: boolean): boolean {
    this.wantsWrite[vcpu] = write ? 1 : 0;
    if (this.count === 0 && this.admits(write)) {
      this.take(write);
      return true;
    }
    this.waiting[(this.head + this.count++) % this.waiting.length] = vcpu;
    return false;
  }

  /** Takes the lock if it is free, whoever waits. @returns whether the vCPU has it */
  tryAcquire(write: boolean): boolean {
    const isFree = this.admits(write);
    if (isFree) this.take(write);
    return isFree;
  }

  /** Gives up the lock. @returns how many vCPUs get in, listed in `granted` */
  release(write: boolean): number {
    if (write) this.isWriteLocked = false;
    else this.readers--;
    let admitted = 0;
    while (this.count > 0) {
      const vcpu = this.waiting[this.head];
      const wantsWrite = this.wantsWrite[vcpu] === 1;
      if (!this.admits(wantsWrite)) break;
      this.take(wantsWrite);
      this.head = (this.head + 1) % this.waiting.length;
      this.count--;
      this.granted[admitted++] = vcpu;
    }
    return admitted;
  }

  private admits(write: boolean): boolean {
    return !this.isWriteLocked && (!write || this.readers === 0);
  }

  private take(write: boolean): void {
    if (write) this.isWriteLocked = true;
    else this.readers++;
  }
}
