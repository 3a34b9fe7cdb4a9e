/**
 * Memory caches of the vCPUs: stacks of zeroed pages that table pages come from under mmu_lock.
 *
 * A fault that may map tops its cache up first: when it holds fewer objects than a walk may need, it is filled to its capacity. What a run of faults does to a
 * cache depends on how full it was, so a lifted block remembers the tables each fault took, as runs of equal symbols, and plays them again.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_mmu_topup_memory_cache() (min = kvm_mmu_cache_min_pages), KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE.
 */
import type { Counters } from '@mmulab/api';
import type { Journal } from '@mmulab/pgtable';
import { Ev } from './events';

/** Objects a cache is filled to (KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE). */
const CAPACITY = 40;

/**
 * What one block did, as pairs (symbol, count). A symbol is twice the pages taken by one fault, plus one when faults that took none followed; symbol 1: such
 * faults at the block's beginning.
 */
type Recording = number[];

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
    this.pushPending();
    this.pending = 0;
  }

  /** The fault takes pages for tables. */
  take(vcpu: number, pages: number): void {
    this.objects[vcpu] = this.objects[vcpu] - pages;
    if (this.pending >= 0) this.pending += pages;
  }

  open(): void {
    this.pushPending();
    this.top = [];
    this.recordings.push(this.top);
  }

  close(): unknown {
    this.pushPending();
    const done = this.recordings.pop() as Recording;
    this.top = this.recordings.at(-1);
    if (this.top !== undefined) appendAll(this.top, done);
    return done.length === 0 ? undefined : done;
  }

  replay(effects: unknown): void {
    this.pushPending();
    const recording = effects as Recording;
    for (let i = 0; i < recording.length; i += 2) this.repeat(recording[i], recording[i + 1]);
    if (this.top !== undefined) appendAll(this.top, recording);
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
  private pushPending(): void {
    if (this.pending >= 0 && this.top !== undefined) append(this.top, this.pending === 0 ? 1 : this.pending * 2, 1);
    this.pending = -1;
  }

  private repeat(symbol: number, count: number): void {
    const pages = symbol >> 1;
    for (let n = 0; n < count; n++) {
      this.fill(this.vcpu);
      this.objects[this.vcpu] = this.objects[this.vcpu] - pages;
      if ((symbol & 1) === 1) this.fill(this.vcpu);
    }
  }

  private fill(vcpu: number): void {
    const have = this.objects[vcpu];
    if (have >= this.minPages) return;
    this.objects[vcpu] = CAPACITY;
    this.fills++;
    this.filled += CAPACITY - have;
    if (this.top === undefined) this.count();
  }
}

/** Adds a symbol. A fault without pages joins the one before it. */
function append(recording: Recording, symbol: number, count: number): void {
  const last = recording.length - 2;
  if (last < 0) {
    recording.push(symbol, symbol === 1 ? 1 : count);
    return;
  }
  const lastSymbol = recording[last];
  if (symbol === 1) {
    if ((lastSymbol & 1) === 1) return;
    splitLast(recording);
    recording[recording.length - 2] = lastSymbol | 1;
    join(recording);
    return;
  }
  if (lastSymbol === symbol) recording[last + 1] = recording[last + 1] + count;
  else recording.push(symbol, count);
}

function appendAll(into: Recording, from: Recording): void {
  for (let i = 0; i < from.length; i += 2) append(into, from[i], from[i + 1]);
}

/** Takes the last fault out of its run, so that it can change. */
function splitLast(recording: Recording): void {
  const count = recording[recording.length - 1];
  if (count === 1) return;
  const symbol = recording[recording.length - 2];
  recording[recording.length - 1] = count - 1;
  recording.push(symbol, 1);
}

/** Joins the last two runs when they are equal. */
function join(recording: Recording): void {
  const last = recording.length - 2;
  if (last >= 2 && recording[last] === recording[last - 2]) {
    recording[last - 1] = recording[last - 1] + recording[last + 1];
    recording.length = last;
  }
}
