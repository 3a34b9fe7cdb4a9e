/**
 * Effects of a vCPU's run whose order matters and that no counter holds: the page-modification log, the NX huge page list, flushes the other
 * vCPUs have to serve. Recorded while a block runs page by page, brought about again when a later block takes its answer from memory.
 */
import type { Journal, RunList } from '@mmulab/pgtable';
import { NX_SHADOW_LEVEL } from './shadow/nx-level';
import { PML_ENTRIES, overflows } from './vcpu-state';
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
interface BlockEffects {
  pmlHead: number;
  pmlInner: number;
  pmlTail: number;
  exited: boolean;
  flushed: boolean;
  list: ListChange[];
}

interface Frame extends BlockEffects {
  readonly base: number;
}

/** Journal of one VM; the acting vCPU is set by the backend before each run. */
export class VmJournal implements Journal {
  vcpu = 0;
  private readonly frames: Frame[] = [];
  private top: Frame | undefined;

  /**
   * @param nxList tables of the NX workaround, oldest first
   * @param shadowList those of them that are shadow pages: the same list, or one of their own
   */
  constructor(
    private readonly vcpus: VcpuStates,
    private readonly nxList: RunList,
    private readonly shadowList = nxList,
  ) {}

  /** The hardware logged a page. */
  pmlEntry(): void {
    this.vcpus.logPage(this.vcpu);
    const top = this.top;
    if (top === undefined) return;
    if (!top.exited) {
      top.pmlHead++;
    } else if (top.pmlTail === PML_ENTRIES) {
      top.pmlInner++;
      top.pmlTail = 1;
    } else {
      top.pmlTail++;
    }
  }

  /** The vCPU exited. */
  exit(): void {
    this.vcpus.drain(this.vcpu);
    if (this.top !== undefined) {
      this.top.exited = true;
      this.top.pmlTail = 0;
    }
  }

  /** A remote TLB flush was requested while the vCPU was out of the guest. */
  flush(): void {
    this.vcpus.requestFlush();
    if (this.top !== undefined) this.top.flushed = true;
  }

  /** Tables below neighbouring entries of `level` were put on the NX list. */
  listTables(gfn: number, level: number, step: number, count: number): void {
    this.listOf(level).append(level, gfn, step, count);
    this.top?.list.push({ append: true, offset: gfn - this.top.base, level, step, count });
  }

  /** Tables within a range of frames, below entries of up to `level`, left the list. @returns how many */
  unlistTables(gfn: number, npages: number, level: number): number {
    const removed = this.nxList.cut(gfn, npages, level);
    if (removed > 0) this.top?.list.push({ append: false, offset: gfn - this.top.base, level, step: npages, count: 0 });
    return removed;
  }

  /** The table below the entry of one level alone left the list; not while a run is recorded. @returns how many */
  unlistEntry(gfn: number, npages: number, level: number): number {
    return this.listOf(level).cut(gfn, npages, level, level);
  }

  private listOf(level: number): RunList {
    return level === NX_SHADOW_LEVEL ? this.shadowList : this.nxList;
  }

  open(gfn: number): void {
    this.top = { base: gfn, pmlHead: 0, pmlInner: 0, pmlTail: 0, exited: false, flushed: false, list: [] };
    this.frames.push(this.top);
  }

  /** Whether anything is being recorded. */
  get isRecording(): boolean {
    return this.top !== undefined;
  }

  /** Ends the innermost recording. @returns whether it recorded nothing but exits */
  closePlain(): boolean {
    const effects = this.close();
    return (
      effects === undefined ||
      (effects.pmlHead === 0 && effects.pmlInner === 0 && effects.pmlTail === 0 && !effects.flushed && effects.list.length === 0)
    );
  }

  close(): BlockEffects | undefined {
    const done = this.frames.pop() as Frame;
    this.top = this.frames[this.frames.length - 1];
    if (this.top !== undefined) this.absorb(this.top, done, done.base);
    const nothing = done.pmlHead === 0 && !done.exited && !done.flushed && done.list.length === 0;
    return nothing ? undefined : done;
  }

  replay(effects: unknown, gfn: number): void {
    const block = effects as BlockEffects;
    this.vcpus.logPages(this.vcpu, block.pmlHead);
    if (block.exited) {
      this.vcpus.pmlFulls[this.vcpu] = this.vcpus.pmlFulls[this.vcpu] + block.pmlInner;
      this.vcpus.pmlFill[this.vcpu] = block.pmlTail;
    }
    if (block.flushed) this.vcpus.requestFlushOfOthers(this.vcpu);
    for (const change of block.list) {
      if (change.append) this.listOf(change.level).append(change.level, gfn + change.offset, change.step, change.count);
      else this.nxList.cut(gfn + change.offset, change.step, change.level);
    }
    if (this.top !== undefined) this.absorb(this.top, block, gfn);
  }

  /** Adds what a block at `base` did to the recording around it. */
  private absorb(into: Frame, block: BlockEffects, base: number): void {
    if (!into.exited) {
      into.pmlHead += block.pmlHead;
    } else {
      const total = into.pmlTail + block.pmlHead;
      into.pmlInner += overflows(total);
      into.pmlTail = total - overflows(total) * PML_ENTRIES;
    }
    if (block.exited) {
      into.exited = true;
      into.pmlInner += block.pmlInner;
      into.pmlTail = block.pmlTail;
    }
    if (block.flushed) into.flushed = true;
    for (const change of block.list) this.absorbChange(into, change, change.offset + base - into.base);
  }

  /** Neighbouring appends become one. */
  private absorbChange(into: Frame, change: ListChange, offset: number): void {
    const last = into.list[into.list.length - 1];
    const follows =
      last !== undefined &&
      last.append &&
      change.append &&
      last.level === change.level &&
      last.step === change.step &&
      last.offset + last.step * last.count === offset;
    if (follows) into.list[into.list.length - 1] = { ...last, count: last.count + change.count };
    else into.list.push({ ...change, offset });
  }
}
