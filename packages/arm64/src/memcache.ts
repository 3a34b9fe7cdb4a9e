/**
 * Memory caches of the vCPUs: stacks of zeroed pages that table pages come from under mmu_lock.
 *
 * A fault that may map tops its cache up first: when it holds fewer objects than a walk may need, it is filled to its capacity. What a run of faults does to a
 * cache depends on how full it was, so a lifted block remembers the tables its faults took, as runs of equal faults, and plays them again.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_mmu_topup_memory_cache() (min = kvm_mmu_cache_min_pages), KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE.
 */
import type { Counters } from '@mmulab/api';
import type { Journal } from '@mmulab/pgtable';
import { Ev } from './events';

/** Objects a cache is filled to (KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE). */
const CAPACITY = 40;

/** Equal faults in a row, each with a top-up before it. */
interface FaultRun {
  /** Pages each of them took. */
  readonly pages: number;
  /** Whether each was followed by faults that took none: how many does not matter, the first of them fills the cache. */
  readonly freeFaultAfter: boolean;
  readonly count: number;
}

/** Whether two runs differ in nothing but their length. */
function areAlike(one: FaultRun, other: FaultRun): boolean {
  return one.pages === other.pages && one.freeFaultAfter === other.freeFaultAfter;
}

/** The faults of a block, in order. Faults that take no page stand alone at its beginning only; elsewhere they belong to the one before. */
class Recording {
  readonly runs: FaultRun[] = [];

  /** Adds faults at the end. */
  push(run: FaultRun): void {
    const last = this.runs.pop();
    if (last === undefined) this.runs.push(run.pages === 0 ? { ...run, count: 1 } : run);
    else if (run.pages === 0) this.followByFree(last);
    else if (areAlike(last, run)) this.runs.push({ ...last, count: last.count + run.count });
    else this.runs.push(last, run);
  }

  /** A fault without pages follows the last of a run. */
  private followByFree(last: FaultRun): void {
    if (last.pages === 0 || last.freeFaultAfter) {
      this.runs.push(last);
      return;
    }
    if (last.count > 1) this.runs.push({ ...last, count: last.count - 1 });
    this.push({ ...last, freeFaultAfter: true, count: 1 });
  }

  /** Adds the faults of another recording. */
  append({ runs }: Recording): void {
    for (const run of runs) this.push(run);
  }
}

/** Memory caches of all vCPUs of a VM, and the recorder of lifted runs. */
export class MemoryCaches implements Journal {
  /** vCPU whose run is under way. */
  vcpu = 0;
  private readonly objects: Int32Array;
  private readonly recordings: Recording[] = [];
  private top: Recording | undefined = undefined;
  /** Pages the fault under way has taken while recording; -1: none is under way. */
  private pending = -1;
  /** Fills not yet counted, and the pages they took. */
  private fills = 0;
  private filled = 0;
  /** Counts how often a cache has been filled, or pages taken. */
  changes = 0;

  constructor(
    vcpus: number,
    private readonly counters: Counters,
    private readonly minPages: number,
  ) {
    this.objects = new Int32Array(vcpus);
  }

  /** A fault makes sure that it can map. */
  topUp(vcpu: number): void {
    this.fill(vcpu);
    if (this.top === undefined) return;
    this.endFault();
    this.pending = 0;
  }

  /** Whether a fault would find enough. */
  isStocked(vcpu: number): boolean {
    return this.objects[vcpu] >= this.minPages;
  }

  /** The fault takes pages for tables. */
  take(vcpu: number, pages: number): void {
    this.changes++;
    this.objects[vcpu] = this.objects[vcpu] - pages;
    if (this.pending >= 0) this.pending += pages;
  }

  open(): void {
    this.endFault();
    this.top = new Recording();
    this.recordings.push(this.top);
  }

  close(): unknown {
    this.endFault();
    const done = this.recordings.pop() as Recording;
    this.top = this.recordings.at(-1);
    this.top?.append(done);
    return done.runs.length === 0 ? undefined : done;
  }

  replay(effects: unknown): void {
    this.endFault();
    const recording = effects as Recording;
    for (const run of recording.runs) this.repeat(run);
    this.top?.append(recording);
  }

  /** Counts what was filled while a run was recorded: a recorded block must not contain it, because it hangs on what came before. */
  count(): void {
    const now = this.counters.now;
    now[Ev.memcacheTopup] += this.fills;
    now[Ev.memcachePages] += this.filled;
    this.fills = 0;
    this.filled = 0;
  }

  /** Records the fault under way as complete. */
  private endFault(): void {
    if (this.pending >= 0) this.top?.push({ pages: this.pending, freeFaultAfter: false, count: 1 });
    this.pending = -1;
  }

  private repeat({ pages, freeFaultAfter, count }: FaultRun): void {
    for (let n = 0; n < count; n++) {
      this.fill(this.vcpu);
      this.objects[this.vcpu] = this.objects[this.vcpu] - pages;
      if (freeFaultAfter) this.fill(this.vcpu);
    }
  }

  private fill(vcpu: number): void {
    const have = this.objects[vcpu];
    if (have >= this.minPages) return;
    this.changes++;
    this.objects[vcpu] = CAPACITY;
    this.fills++;
    this.filled += CAPACITY - have;
    if (this.top === undefined) this.count();
  }
}
