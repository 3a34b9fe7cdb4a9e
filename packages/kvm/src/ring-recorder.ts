/**
 * What a block of a lifted run does to its vCPU's ring, and to the log its CPU keeps of dirty pages: recorded in order, relative to the block, so that a later block does
 * the same.
 *
 * Exits matter only to a log that may hold something: to that of a block's beginning, which holds what came before, and to one in which a page was logged since.
 */
import { EntryRuns } from './entry-runs';
import type { Memslot } from './memslot';

/** Pages that all came the same way. */
interface Segment {
  readonly isLogged: boolean;
  /** Undefined: an exit. */
  readonly slot: Memslot | undefined;
  /** Frames, from the block's first. */
  readonly pages: EntryRuns;
}

/** What recorded things are done to. Pages count from the memslot's first. */
export interface RingTarget {
  push(slot: Memslot, first: number, step: number, count: number): void;
  log(slot: Memslot, first: number, step: number, count: number): void;
  exit(): void;
}

class Recording {
  readonly segments: Segment[] = [];
  private mayHoldPages = true;

  constructor(readonly base: number) {}

  /** The pages to which one more goes. */
  pagesOf(isLogged: boolean, slot: Memslot): EntryRuns {
    if (isLogged) this.mayHoldPages = true;
    const last = this.segments[this.segments.length - 1];
    if (last?.slot === slot && last.isLogged === isLogged) return last.pages;
    const pages = new EntryRuns();
    this.segments.push({ isLogged, slot, pages });
    return pages;
  }

  exit(): void {
    if (!this.mayHoldPages) return;
    this.mayHoldPages = false;
    this.segments.push({ isLogged: false, slot: undefined, pages: new EntryRuns() });
  }

  /** Makes it what it was and then another, as if that had begun at frame `base`. */
  then({ segments }: Recording, base: number): void {
    const shift = base - this.base;
    for (const { isLogged, slot, pages } of segments) {
      if (slot === undefined) this.exit();
      else for (const { first, step, count } of pages.runs) this.pagesOf(isLogged, slot).addRun(0, first + shift, step, count);
    }
  }
}

/** Recorder of one VM's rings; recordings nest. */
export class RingRecorder {
  private readonly recordings: Recording[] = [];
  private top: Recording | undefined = undefined;

  /** @param hasLog CPUs keep a log: exits matter */
  constructor(private readonly hasLog: boolean) {}

  push(slot: Memslot, gfn: number): void {
    if (this.top !== undefined) this.top.pagesOf(false, slot).add(0, gfn - this.top.base);
  }

  log(slot: Memslot, gfn: number): void {
    if (this.top !== undefined) this.top.pagesOf(true, slot).add(0, gfn - this.top.base);
  }

  exit(): void {
    if (this.hasLog) this.top?.exit();
  }

  open(gfn: number): void {
    this.top = new Recording(gfn);
    this.recordings.push(this.top);
  }

  /** @returns what was recorded, or undefined when nothing */
  close(): unknown {
    const done = this.recordings.pop() as Recording;
    this.top = this.recordings[this.recordings.length - 1];
    this.top?.then(done, done.base);
    return done.segments.length === 0 ? undefined : done;
  }

  /** Does what was recorded once more, for the block at `gfn`. */
  replay(effects: unknown, gfn: number, target: RingTarget): void {
    const recording = effects as Recording;
    for (const { isLogged, slot, pages } of recording.segments) {
      if (slot === undefined) target.exit();
      else for (const { first, step, count } of pages.runs) target[isLogged ? 'log' : 'push'](slot, gfn + first - slot.base, step, count);
    }
    this.top?.then(recording, gfn);
  }
}
