/**
 * Effects of a vCPU's run whose order matters and that no counter holds: the page-modification log, dirty rings, the NX huge page list, flushes the other
 * vCPUs have to serve. Recorded while a block runs page by page, brought about again when a later block takes its answer from memory.
 */
import type { DirtyRings } from '@mmulab/kvm';
import type { Journal } from '@mmulab/pgtable';
import { LogSpan } from './log-span';
import type { NxList } from './nx-lists';
import type { VcpuStates } from './vcpu-state';

/** One change of the NX list, relative to the block. */
interface ListChange {
  readonly append: boolean;
  readonly offset: number;
  readonly level: number;
  /** Frames between entries of an append; frames of a cut. */
  readonly step: number;
  readonly count: number;
}

/** What one block did. */
class BlockEffects {
  readonly log = new LogSpan();
  flushed = false;
  /** What became of dirty rings, as these recorded it; they keep what blocks around it record themselves. */
  rings: unknown = undefined;
  readonly list: ListChange[] = [];

  constructor(readonly base: number) {}

  /** Whether it did nothing but exit. */
  get isPlain(): boolean {
    return this.log.isPlain && !this.flushed && this.rings === undefined && this.list.length === 0;
  }

  get isEmpty(): boolean {
    return this.log.isEmpty && !this.flushed && this.rings === undefined && this.list.length === 0;
  }

  /** Makes it what it was and then `next`, as if that had begun at frame `base`. */
  then(next: BlockEffects, base: number): void {
    this.log.then(next.log);
    this.flushed = this.flushed || next.flushed;
    for (const change of next.list) this.append({ ...change, offset: change.offset + base - this.base });
  }

  /** Neighbouring appends become one. */
  private append(change: ListChange): void {
    const last = this.list[this.list.length - 1];
    if (last !== undefined && follows(last, change)) this.list[this.list.length - 1] = { ...last, count: last.count + change.count };
    else this.list.push(change);
  }
}

/** Whether two appends are neighbours that make one. */
function follows(last: ListChange, next: ListChange): boolean {
  const isSameKind = last.append && next.append && last.level === next.level && last.step === next.step;
  return isSameKind && last.offset + last.step * last.count === next.offset;
}

/** Journal of one VM; the acting vCPU is set by the backend before each run. */
export class VmJournal implements Journal {
  vcpu = 0;
  private readonly frames: BlockEffects[] = [];
  private top: BlockEffects | undefined;

  /** @param nxTables tables of the NX workaround. (Shadow pages join theirs one by one: their faults are never recorded.) */
  constructor(
    private readonly vcpus: VcpuStates,
    private readonly nxTables: NxList,
    private readonly rings?: DirtyRings,
  ) {}

  /**
   * Before the hardware logs another page: whether the exit of a log that is full makes the dirty ring soft full. Then the vCPU goes to user space, and the access
   * is made again.
   */
  isRingFilledByLog(): boolean {
    if (this.rings?.isFilledByLog(this.vcpu) !== true) return false;
    this.vcpus.logFull(this.vcpu);
    return true;
  }

  /** The hardware logged a page. */
  pmlEntry(): void {
    this.vcpus.logPage(this.vcpu);
    this.top?.log.log(1);
  }

  /** The vCPU exited. */
  exit(): void {
    this.vcpus.drain(this.vcpu);
    this.rings?.exit(this.vcpu);
    this.top?.log.exit();
  }

  /** A remote TLB flush was requested while the vCPU was out of the guest. */
  flush(): void {
    this.vcpus.requestFlush();
    if (this.top !== undefined) this.top.flushed = true;
  }

  /** Tables below neighbouring entries of `level` were put on the NX list. */
  listTables(gfn: number, level: number, step: number, count: number): void {
    this.nxTables.addTables(gfn, level, step, count);
    this.top?.list.push({ append: true, offset: gfn - this.top.base, level, step, count });
  }

  /** Tables within a range of frames, below entries of up to `level`, left the list. @returns how many */
  unlistTables(gfn: number, npages: number, level: number): number {
    const removed = this.nxTables.cutTables(gfn, npages, level);
    if (removed > 0) this.top?.list.push({ append: false, offset: gfn - this.top.base, level, step: npages, count: 0 });
    return removed;
  }

  open(gfn: number): void {
    this.top = new BlockEffects(gfn);
    this.frames.push(this.top);
    this.rings?.open(gfn);
  }

  /** Whether anything is being recorded. */
  get isRecording(): boolean {
    return this.top !== undefined;
  }

  /** Ends the innermost recording. @returns whether it recorded nothing but exits */
  closePlain(): boolean {
    return this.end().isPlain;
  }

  close(): unknown {
    const done = this.end();
    return done.isEmpty ? undefined : done;
  }

  replay(effects: unknown, gfn: number): void {
    const block = effects as BlockEffects;
    this.vcpus.appendLog(this.vcpu, block.log);
    if (block.rings !== undefined) this.rings?.replay(block.rings, gfn);
    if (block.flushed) this.vcpus.requestFlushOfOthers(this.vcpu);
    for (const change of block.list) {
      if (change.append) this.nxTables.addTables(gfn + change.offset, change.level, change.step, change.count);
      else this.nxTables.cutTables(gfn + change.offset, change.step, change.level);
    }
    this.top?.then(block, gfn);
  }

  /** Ends the innermost recording: it belongs to the one around it, too. */
  private end(): BlockEffects {
    const done = this.frames.pop() as BlockEffects;
    done.rings = this.rings?.close();
    this.top = this.frames[this.frames.length - 1];
    this.top?.then(done, done.base);
    return done;
  }
}
