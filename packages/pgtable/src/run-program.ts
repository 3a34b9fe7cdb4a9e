/**
 * What can be lifted: a program that visits pages one by one, and says of what its outcome depends.
 */

/** Records effects whose order matters and that are no counters (buffers, lists, pending requests). */
export interface Journal {
  /** Starts recording what happens in the block at `gfn`; recordings nest. */
  open(gfn: number): void;
  /** Ends the innermost recording. @returns what it recorded, or undefined when nothing; the surrounding one contains it too */
  close(): unknown;
  /** Brings recorded effects about again for the block at `gfn`; a surrounding recording contains them. */
  replay(effects: unknown, gfn: number): void;
}

/** A program that visits pages in ascending order. */
export interface RunProgram {
  /** Equal for programs that do the same to equal blocks: all constants of the operation, interned. */
  readonly key: number;
  /** Frame the pattern starts at, and frames after which it repeats (1: every page alike). */
  readonly origin: number;
  readonly period: number;
  /** Frames between visited pages: 1 for every page. */
  readonly stride: number;
  /** Visits the pages of the pattern within frames [from, to), one by one. */
  block(from: number, to: number): void;
  /** Whether every visit to a page under a leaf of this attribute has no effect at all. */
  isStable(attr: number): boolean;
  /** What else decides the outcome for the block of `level` at `gfn` (limits of the slot): a small number, or -1 when it must not be lifted. */
  context(gfn: number, level: number): number;
  /** Where in its pattern a block begins, for patterns that are not periodic: equal numbers, equal accesses. Absent: what `origin` and `period` say. */
  phase?(base: number, level: number): number;
  readonly journal: Journal | undefined;
  /** Frame maps the program reads or changes, as bits by their number in the engine. */
  readonly frameMaps: number;
  /** Whether nothing at all happens in [from, to): asked before anything else. Absent: something may. */
  isIdle?(from: number, to: number): boolean;
}
