/**
 * How KVM_RESET_DIRTY_RINGS protects the pages of collected entries again: in groups, one call of the architecture's per group.
 *
 * A group are neighbouring entries of one memslot whose pages fit a mask of 64: an entry joins when its page lies less than 64 above the group's lowest, or below it
 * and less than 64 under the highest. An entry that does not opens the next group. Pages at equal steps make equal groups: those are handed on as a stretch, which the
 * engine may lift.
 *
 * Models: Linux virt/kvm/dirty_ring.c kvm_dirty_ring_reset(), kvm_reset_dirty_gfn(). Hot path.
 */
import type { FrameMap, RunProgram } from '@mmulab/pgtable';
import { WORD_PAGES, type WordTaker } from './bitmap-words';
import type { EntryRun } from './entry-runs';

/** Pages of a memslot at equal steps, ascending, in whole groups. */
export class PageGroups implements RunProgram {
  readonly period: number;
  readonly journal = undefined;
  readonly frameMaps: readonly FrameMap[] = [];

  /**
   * @param constants equal for stretches whose groups do the same to equal pages
   * @param origin lowest page, as a frame
   * @param stride frames from page to page
   * @param end frame behind the highest page
   */
  constructor(
    readonly constants: string,
    readonly origin: number,
    readonly stride: number,
    readonly end: number,
    private readonly taker: WordTaker,
  ) {
    this.period = pagesPerGroup(stride) * stride;
  }

  /** Whether no group crosses the end of a block of `npages` frames. */
  fitsBlocks(npages: number): boolean {
    return this.period === this.stride || (npages % this.period === 0 && this.origin % this.period === 0);
  }

  block(from: number, to: number): void {
    const { origin, period, stride, taker } = this;
    const start = Math.max(from, origin);
    const end = Math.min(to, this.end);
    let low = origin + Math.ceil((start - origin) / stride) * stride;
    while (low < end) {
      const groupEnd = origin + (Math.floor((low - origin) / period) + 1) * period;
      const last = low + Math.floor((Math.min(groupEnd, end) - 1 - low) / stride) * stride;
      taker.word(low, last);
      if (taker.page !== undefined) for (let gfn = low; gfn <= last; gfn += stride) taker.page(gfn);
      low = last + stride;
    }
  }

  isStable(): boolean {
    return false;
  }

  context(): number {
    return 0;
  }
}

/** Entries of a whole group of pages at a step. */
export function pagesPerGroup(step: number): number {
  return Math.floor((WORD_PAGES - 1) / Math.abs(step)) + 1;
}

/** Takes the groups of a ring. */
export interface GroupTaker {
  /** One group. @param pages ascending, each once */
  group(slot: number, pages: readonly number[]): void;
  /** `groups` whole groups of pages at a step: `low` is the lowest page, `step` what lies between neighbours (more than 0). */
  stretch(slot: number, low: number, step: number, groups: number): void;
}

/** Tells the groups of entries in the order in which they are made. */
export function eachGroup(runs: readonly EntryRun[], taker: GroupTaker): void {
  let slot = 0;
  let lowest = 0;
  let highest = 0;
  const pages: number[] = [];
  const joins = (run: EntryRun, page: number): boolean => {
    if (pages.length === 0 || run.slot !== slot) return false;
    return page >= lowest ? page - lowest < WORD_PAGES : lowest - page < WORD_PAGES && highest - page < WORD_PAGES;
  };
  const close = (): void => {
    if (pages.length === 0) return;
    taker.group(slot, ascending(pages));
    pages.length = 0;
  };
  for (const run of runs) {
    const { first, step, count } = run;
    const perGroup = pagesPerGroup(step);
    for (let i = 0; i < count; i++) {
      const page = first + i * step;
      if (!joins(run, page)) {
        close();
        // Whole groups from here on; what is left, or the last of them, may go on in the next run.
        const whole = Math.floor((count - i - 1) / perGroup);
        if (whole > 1) {
          const far = page + (whole * perGroup - 1) * step;
          taker.stretch(run.slot, Math.min(page, far), Math.abs(step), whole);
          i += whole * perGroup - 1;
          continue;
        }
        slot = run.slot;
        lowest = page;
        highest = page;
      }
      pages.push(page);
      lowest = Math.min(lowest, page);
      highest = Math.max(highest, page);
    }
  }
  close();
}

function ascending(pages: readonly number[]): readonly number[] {
  return [...new Set(pages)].sort((a, b) => a - b);
}
