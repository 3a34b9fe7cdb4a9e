/**
 * What becomes of host pages when the host drops a range (MADV_DONTNEED): the same on every architecture.
 *
 * Blocks of the backing's page size that go as a whole change together, by the state of their first page; of those at the ends of the range that go in part,
 * each page changes by its own state, and a huge page among them is broken up first, which is an MMU notification of its own.
 *
 * Models: Linux mm/memory.c zap_page_range_single(), zap_pmd_range(); mm/huge_memory.c __split_huge_pmd().
 */
import type { DroppedPages, MemslotSpec } from '@mmulab/api';
import type { Geometry, FrameMap } from '@mmulab/pgtable';
import { eachFrameRun } from './frame-runs';

/** A range of frames. */
export interface FrameRange {
  readonly start: number;
  /** The first frame behind it. */
  readonly end: number;
}

/**
 * Drops the host pages of frames [start, end) of a slot.
 * @param frames host states
 * @returns blocks around the ends of the range whose huge page the host broke up, at most two
 */
export function dropPages(frames: FrameMap, geometry: Geometry, spec: MemslotSpec, { start, end }: FrameRange): readonly FrameRange[] {
  const { dropped, pageLevel, contiguous = 1 } = spec.backing;
  if (dropped === undefined) {
    leaveUntouched(frames, spec, { start, end });
    return [];
  }
  const span = geometry.pagesAt(pageLevel) * contiguous;
  const broken: FrameRange[] = [];
  for (let at = start; at < end;) {
    const base = at - (at % span);
    if (at === base && base + span <= end) {
      at = dropBlocks(frames, geometry, dropped.block, pageLevel, { start: at, end });
      continue;
    }
    const block = { start: Math.max(base, spec.baseGfn), end: Math.min(base + span, spec.baseGfn + spec.npages) };
    const part = { start: at, end: Math.min(block.end, end) };
    // A block that the slot's edge cuts has small pages, whatever its state says.
    if (dropPart(frames, dropped, block, part) && block.end - block.start === span) broken.push(block);
    at = part.end;
  }
  return broken;
}

/** Pages are untouched again; memory that is protected stays so. */
function leaveUntouched(frames: FrameMap, { backing }: MemslotSpec, { start, end }: FrameRange): void {
  const { untouched = [] } = backing.changes ?? {};
  const kept: [number, number, number][] = [];
  eachFrameRun(frames, start, end - start, (first, npages, state) => {
    const next = untouched[state] ?? 0;
    if (next !== 0) kept.push([first, npages, next]);
  });
  frames.setRange(start, end - start, 0);
  for (const [first, npages, next] of kept) frames.setRange(first, npages, next);
}

/**
 * Breaks up the huge pages that a range covers in part, and drops nothing.
 * @returns their blocks
 */
export function breakBlocks(frames: FrameMap, geometry: Geometry, spec: MemslotSpec, { start, end }: FrameRange): readonly FrameRange[] {
  const { dropped, pageLevel } = spec.backing;
  if (dropped === undefined || start === end) return [];
  const span = geometry.pagesAt(pageLevel);
  const ends = new Set([start - (start % span), end - 1 - ((end - 1) % span)]);
  return [...ends].flatMap(base => {
    const block = { start: Math.max(base, spec.baseGfn), end: Math.min(base + span, spec.baseGfn + spec.npages) };
    // Whole blocks stay; one that the slot's edge cuts has small pages, whatever its state says.
    if ((base >= start && base + span <= end) || block.end - block.start !== span) return [];
    return dropPart(frames, dropped, block, { start: 0, end: 0 }) ? [block] : [];
  });
}

/** Drops the block at the beginning of a range, and with it as many as have the same state throughout. @returns where to go on */
function dropBlocks(frames: FrameMap, geometry: Geometry, becomes: readonly number[], pageLevel: number, { start, end }: FrameRange): number {
  let level = pageLevel;
  while (level < geometry.levels && isWhole(frames, geometry, level + 1, start, end)) level++;
  const npages = geometry.pagesAt(level);
  frames.setRange(start, npages, becomes[frames.get(start)] ?? 0);
  return start + npages;
}

function isWhole(frames: FrameMap, geometry: Geometry, level: number, start: number, end: number): boolean {
  const npages = geometry.pagesAt(level);
  return start % npages === 0 && start + npages <= end && frames.uniformValue(level, start) >= 0;
}

/** Drops pages of a block while others stay. @returns whether a huge page was broken up */
function dropPart(frames: FrameMap, { page, kept }: DroppedPages, block: FrameRange, part: FrameRange): boolean {
  let isBroken = false;
  for (let gfn = block.start; gfn < block.end; gfn++) {
    const state = frames.get(gfn);
    const isDropped = gfn >= part.start && gfn < part.end;
    if ((kept[state] ?? state) !== state) isBroken = true;
    frames.set(gfn, (isDropped ? page[state] : kept[state]) ?? 0);
  }
  return isBroken;
}
