/**
 * Single accesses by memory of what they do, for vCPUs that touch page after page.
 *
 * What an access hangs on beside the page itself changes seldom: the vCPU's root, its guest's mapping, the memslot, that it owes nothing at its next entry, that the hardware
 * has been here before. A backend surveys it once, for the stretch of guest addresses around an access; while its version stands still and the hardware's walk to the
 * block has been seen, an access of the stretch is a question to the engine's memory of pages. The vCPU's second access in a row to a block of 2 MiB opens a view of
 * it: before, finding what a view shows costs more than it saves. Accesses told many at a time (`touchAll`) go by batches and open no views.
 *
 * The version is counted up by whatever takes away what a survey found: requests to vCPUs, other roots, registers or mappings, and all that is asked of the host. What
 * becomes of page tables and host pages is read anew each time. Hot path: `touch`, `touchAll`.
 */
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import type { AccessBatch, AccessKind } from '@mmulab/api';
import { MAX_BATCH as BATCH_SIZE, PageBatch } from '@mmulab/pgtable';
import type { BlockView, PageCache, PageOutcomes, Version } from '@mmulab/pgtable';
import type { NumberedRun } from './guest-layout';
import type { Memslot } from './memslot';
import type { SeenTables } from './seen-tables';

// Bound here: a name that another package re-exports is a call of a getter.
const BLOCK_PAGES = ENTRIES_PER_TABLE;
const INVERSE_BLOCK = 1 / BLOCK_PAGES;
const MAX_BATCH: number = BATCH_SIZE;
/** Kinds of access. */
const KINDS = 3;
/** Views that are opened of one block before it is left to single accesses: tables around it change all the time. */
const MAX_VIEWS = 8;

/** What holds for a vCPU's accesses to a stretch of guest addresses. */
export class Stretch {
  /** Version it holds for. */
  version = -1;
  /** Whether accesses go by memory: then all that follows is set. */
  isKnown = false;
  /** First virtual frame, and first one after it. */
  from = 0;
  end = 0;
  /** From virtual frames to guest frames. */
  shift = 0;
  root = 0;
  /** The walks that have been seen, and what makes a block of the stretch a number there. */
  seen: SeenTables | undefined = undefined;
  blockShift = 0;
  /** By kind of access. */
  readonly outcomes: (PageOutcomes | undefined)[] = [undefined, undefined, undefined];
  /** The block touched last, and how many views of it have been opened. */
  block = -1;
  views = 0;

  /** Covers what a run of the guest's mapping and a memslot have in common; without a slot, the page alone. */
  cover(run: NumberedRun, slot: Memslot | undefined, vfn: number): void {
    const shift = run.gfn - run.vfn;
    this.from = slot === undefined ? vfn : Math.max(run.vfn, slot.base - shift);
    this.end = slot === undefined ? vfn + 1 : Math.min(run.end, slot.end - shift);
    this.shift = shift;
    this.blockShift = run.blockNumber - run.firstBlock;
  }
}

/** Who knows what accesses hang on. */
export interface Surveyor {
  /** Finds what holds for a vCPU's accesses around a virtual frame it has just touched. Sets `isKnown` and, where it is true, what follows there; `from` and `end` always. */
  survey(stretch: Stretch, vcpu: number, vfn: number): void;
  /** What accesses of a kind do in a stretch that is known. */
  outcomesOf(stretch: Stretch, kind: number): PageOutcomes;
}

/** Makes one access of a vCPU, all its faults included. */
export type TouchOne = (vcpu: number, vfn: number, kind: AccessKind) => void;

/** A batch of accesses, each by itself. */
export function touchEach({ count, vcpus, vfns, kinds }: AccessBatch, touch: TouchOne): void {
  for (let i = 0; i < count; i++) touch(vcpus[i], vfns[i], kinds[i] as AccessKind);
}

/** Known accesses of all vCPUs of one VM. */
export class KnownTouches {
  private readonly stretches: readonly Stretch[];
  /** By vCPU and kind of access. */
  private readonly views: readonly BlockView[];
  /** Accesses under way. */
  private readonly batch: PageBatch;

  /** @param pages memory that may hold counts back; @param version see above */
  constructor(
    vcpus: number,
    private readonly pages: PageCache,
    private readonly version: Version,
    private readonly surveyor: Surveyor,
  ) {
    version.within = pages.version;
    this.batch = new PageBatch(pages);
    this.stretches = Array.from({ length: vcpus }, () => new Stretch());
    this.views = Array.from({ length: vcpus * KINDS }, () => pages.makeView());
  }

  /** An access, by memory. Nobody needs to be selected: it changes nothing but the page, its host page and its dirty bit. @returns false when nothing was done */
  touch(vcpu: number, vfn: number, kind: number): boolean {
    const view = this.views[vcpu * KINDS + kind];
    const index = vfn - view.first;
    if (index >= 0 && index < BLOCK_PAGES && this.pages.touch(view, index)) return true;
    return this.touchUnseen(vcpu, vfn, kind);
  }

  /**
   * A batch of accesses: those that are known by memory, together, each of the others by itself.
   * @param touch makes one of them, by memory or not
   */
  touchAll(batch: AccessBatch, touch: TouchOne): void {
    const { count, vcpus, vfns, kinds } = batch;
    // Accesses that go together next; where none can, so many go by themselves before it is tried again.
    let reach = MAX_BATCH;
    let alone = 1;
    let at = 0;
    while (at < count) {
      const end = Math.min(at + reach, count);
      const known = this.gather(batch, at, end);
      const done = known === 0 ? 0 : this.batch.bring();
      at += done;
      if (at === end) {
        reach = Math.min(2 * reach, MAX_BATCH);
        continue;
      }
      // What those behind it were to do may not hold any more: where that happens often there had better be few.
      if (done < known) reach = Math.max(reach >> 2, 1);
      alone = done === 0 ? Math.min(2 * alone, MAX_BATCH) : 1;
      for (const until = Math.min(at + alone, count); at < until; at++) touch(vcpus[at], vfns[at], kinds[at] as AccessKind);
    }
  }

  /** What was known of one vCPU's accesses holds no longer. */
  forget(vcpu: number): void {
    this.stretches[vcpu].version = -1;
    for (let kind = 0; kind < KINDS; kind++) this.views[vcpu * KINDS + kind].version = -1;
  }

  /** An access was made the long way: looks around, for the next one. */
  survey(vcpu: number, vfn: number): void {
    const stretch = this.stretches[vcpu];
    const { now } = this.version;
    if (stretch.version === now && vfn >= stretch.from && vfn < stretch.end) return;
    stretch.version = now;
    stretch.block = -1;
    stretch.outcomes.fill(undefined);
    this.surveyor.survey(stretch, vcpu, vfn);
  }

  /** The same where there is no view, or none that says what it does. */
  private touchUnseen(vcpu: number, vfn: number, kind: number): boolean {
    const stretch = this.stretches[vcpu];
    if (stretch.version !== this.version.now || !stretch.isKnown || vfn < stretch.from || vfn >= stretch.end) return false;
    const block = (vfn * INVERSE_BLOCK) | 0;
    const isNew = block !== stretch.block;
    if (isNew && !this.enter(stretch, block, vfn)) return false;
    const outcomes = stretch.outcomes[kind] ?? this.outcomesOf(stretch, kind);
    const gfn = vfn + stretch.shift;
    if (!this.pages.bring(outcomes, stretch.root, gfn, vcpu)) return false;
    if (!isNew && stretch.views < MAX_VIEWS) this.open(stretch, outcomes, block, gfn, vcpu, kind);
    return true;
  }

  /** The first access to a block. @returns whether the hardware's walk to it touches nothing */
  private enter(stretch: Stretch, block: number, vfn: number): boolean {
    if (stretch.seen?.isWaySeen(block + stretch.blockShift, vfn) !== true) return false;
    stretch.block = block;
    stretch.views = 0;
    return true;
  }

  /** Adds accesses of a batch to those to be brought about together, up to the first one of which it is not known what it hangs on. @returns how many */
  private gather({ vcpus, vfns, kinds }: AccessBatch, from: number, end: number): number {
    const { stretches, batch } = this;
    const { now } = this.version;
    batch.begin();
    for (let i = from; i < end; i++) {
      const vcpu = vcpus[i];
      const vfn = vfns[i];
      const kind = kinds[i];
      const stretch = stretches[vcpu];
      if (stretch.version !== now || !stretch.isKnown || vfn < stretch.from || vfn >= stretch.end) return i - from;
      const block = (vfn * INVERSE_BLOCK) | 0;
      if (block !== stretch.block && stretch.seen?.isWaySeen(block + stretch.blockShift, vfn) !== true) return i - from;
      batch.add(stretch.outcomes[kind] ?? this.outcomesOf(stretch, kind), stretch.root, vfn + stretch.shift, vcpu);
    }
    return end - from;
  }

  /** Opens a view of a block that lies wholly within the stretch, and on one table. */
  private open(stretch: Stretch, outcomes: PageOutcomes, block: number, gfn: number, vcpu: number, kind: number): void {
    const first = block * BLOCK_PAGES;
    stretch.views++;
    if (first < stretch.from || first + BLOCK_PAGES > stretch.end || stretch.shift % BLOCK_PAGES !== 0) return;
    if (this.pages.blockPages === BLOCK_PAGES) this.pages.open(this.views[vcpu * KINDS + kind], outcomes, stretch.root, gfn, vcpu, first);
  }

  private outcomesOf(stretch: Stretch, kind: number): PageOutcomes {
    const outcomes = this.surveyor.outcomesOf(stretch, kind);
    stretch.outcomes[kind] = outcomes;
    return outcomes;
  }
}
