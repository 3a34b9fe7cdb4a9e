/**
 * What a backend sees of an engine: roots, page walks, range walks, lifted programs.
 *
 * Two engines stand behind this interface: the table engine of this package, and the testkit's naive oracle that keeps plain maps and visits
 * pages one by one. A backend runs on either unchanged; both must count the same.
 */
import { EntryKind } from '@mmulab/api';
import type { Counters, Entry, Protocol, Rule } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import type { Geometry } from './geometry';
import type { Bookkeeper, MmOps } from './mm-ops';
import type { PageCache } from './page-cache';
import type { FrameMap } from './frame-map';
import type { RunProgram } from './run-program';

/** Told of what each walk over a range met. */
export interface WalkCounts {
  /**
   * @param visited leaves (and special entries, where the rule is shown them) the rule was shown, and those that went with their table
   * @param changed of these: those that are different now, or gone
   * @param tables tables whose entries it went over
   */
  walked(visited: number, changed: number, tables: number): void;
}

/** How many of the calls that a walk over [start, end) stands for meet an entry of `npages` pages from `base` on. */
export function callsOver({ pieces }: Pick<RangeOptions<unknown>, 'pieces'>, start: number, end: number, base: number, npages: number): number {
  if (pieces === undefined) return 1;
  const first = Math.max(start, base) - start;
  const last = Math.min(end, base + npages) - 1 - start;
  return Math.floor(last / pieces) - Math.floor(first / pieces) + 1;
}

/** How many frames from `gfn` on, `stride` apart, at most `limit`, leaves map that are good. Moves the engine's cursor. @param isGood of an attribute */
export function leavesAhead(engine: Engine, root: number, gfn: number, stride: number, limit: number, isGood: (attr: number) => boolean): number {
  const { pageCache } = engine;
  if (pageCache !== undefined) return pageCache.leavesAhead(root, gfn, stride, limit, isGood);
  for (let n = 0; n < limit; n++) {
    const { kind, attr } = engine.lookup(root, gfn + n * stride, 1);
    if (kind !== EntryKind.Leaf || !isGood(attr)) return n;
  }
  return limit;
}

/** What an engine is built from. */
export interface EngineParts {
  readonly geometry: Geometry;
  readonly attrs: AttrTable;
  readonly protocols: readonly Protocol[];
  readonly book: Bookkeeper;
  readonly mmOps: MmOps;
  /** Frame maps that lifted programs read or change; made by the same factory. */
  readonly frameMaps: readonly FrameMap[];
  readonly counters: Counters;
  /** Absent: nobody counts what walks meet. */
  readonly work?: WalkCounts | undefined;
}

/** How a range walk moves, and when one visit may stand for many. */
export interface RangeOptions<Op> {
  /** Lowest level visited. */
  readonly minLevel: number;
  /** Whether the rule is shown table entries; otherwise the walk just goes into them. */
  readonly tables: boolean;
  /** Whether the rule is shown special entries. */
  readonly specials: boolean;
  /** Whether the rule is shown table entries (once more) after what they hold: arm64's TABLE_POST. Absent: not. */
  readonly post?: boolean;
  /** The walk stands for calls over neighbouring pieces of so many pages, from its start on: each would meet anew what it shares with others. Absent: one call. */
  readonly pieces?: number | undefined;
  /** Whether all entries of `level` within the block see the same surroundings. Absent: always. */
  uniform?(op: Op, gfn: number, npages: number, level: number): boolean;
}

/** Page tables of one kind over one arena. Roots are indices. */
export interface Engine {
  /** Accesses to single pages by memory of what they do, in engines that have one. */
  readonly pageCache?: PageCache | undefined;
  createRoot(): number;
  /** Gives a root's storage back. Counts nothing: see `clearRoot`. */
  freeRoot(root: number): void;
  /** The lowest entry for a frame at or above level `goal`. The entry is the engine's cursor: it moves with the next call. */
  lookup(root: number, gfn: number, goal: number): Entry;
  /**
   * Walks to one page and runs a rule until it ends.
   * @param goal lowest level the walk may stop at
   * @returns the outcome of the verdict that ended the walk
   */
  page<Op>(rule: Rule<Op>, op: Op, root: number, gfn: number, goal: number): number;
  /**
   * Walks to each page of frames [start, end) as `page` does with goal 1. Neighbours that hold the same are shown to the rule once, which counts its pages by the entry's
   * `start` and `end`, and ends the walk with each of its verdicts. Absent: each is walked to by itself.
   */
  pages?<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number): void;
  /** Runs a rule over the entries that overlap frames [start, end). @returns the Effect bits verdicts asked for */
  range<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number;
  /** Runs a page-by-page program over frames [start, end), lifted where it may be. */
  run(program: RunProgram, root: number, start: number, end: number): void;
  /** Changes the attribute of the table below the entry of `level` that maps a frame, if there is one. */
  setTableAttr(root: number, gfn: number, level: number, tableAttr: number): void;
  /** Number of tables of a root, virtual ones and the root's own included. */
  tableCount(root: number): number;
  /** Empties a root: everything below it is removed and accounted, the root's own entries too. */
  clearRoot(root: number): void;
}

/** Where engines and frame maps come from. */
export const EngineFactory = Symbol.for('mmulab.EngineFactory');
export interface EngineFactory {
  makeEngine(parts: EngineParts): Engine;
  makeFrameMap(geometry: Geometry): FrameMap;
}
