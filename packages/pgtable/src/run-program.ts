/**
 * What can be lifted: a program that visits pages one by one, and says of what its outcome depends.
 *
 * An engine remembers what a program did to a block by everything that decides it: the words of the block in the page table and in the frame maps the program
 * names, the attribute of the table above, the program's constants, the phase of its pattern, and its context. Numbers and keys are the engine's: a
 * program says what it means, and the engine makes one number of equal meanings. What is counted for another actor than the one who acts when the block
 * begins is not remembered: a program whose blocks act for several (rounds of shared memory) records and replays those counts in its journal.
 */
import type { FrameMap } from './frame-map';

/** Records effects whose order matters and that are no counters (buffers, lists, pending requests). */
export interface Journal {
  /** Starts recording what happens in the block at `gfn`; recordings nest. */
  open(gfn: number): void;
  /** Ends the innermost recording. @returns what it recorded, or undefined when nothing; the surrounding one contains it too */
  close(): unknown;
  /** Brings recorded effects about again for the block at `gfn`; a surrounding recording contains them. */
  replay(effects: unknown, gfn: number): void;
}

/** Context of a block that must not be lifted. */
export const NOT_LIFTED = -1;

/** A program that visits pages in ascending order. */
export interface RunProgram {
  /** All constants of the operation, its kind among them, as text: programs of equal constants do the same to equal blocks. */
  readonly constants: string;
  /** Frame the pattern starts at, and frames after which it repeats (1: every page alike). */
  readonly origin: number;
  readonly period: number;
  /** Frames between visited pages: 1 for every page. */
  readonly stride: number;
  /** Visits the pages of the pattern within frames [from, to), one by one. */
  block(from: number, to: number): void;
  /** Whether every visit to a page under a leaf of this attribute has no effect at all. */
  isStable(attr: number): boolean;
  /** What else decides the outcome for the block of `level` at `gfn` (limits of the slot): any whole number of 32 bits but NOT_LIFTED, which says that it must not be lifted. */
  context(gfn: number, level: number): number;
  /** What a block is to the pattern, for patterns that are not periodic: equal texts, equal accesses. Absent: what `origin` and `period` say. */
  phase?(base: number, level: number): string;
  /** Pages of a part of a block that are worth being remembered where a run has no more of it. Absent: as many as make up for a look at memory where pages go by memory, too. */
  readonly leastPart?: number;
  readonly journal: Journal | undefined;
  /** Frame maps the program reads or changes: some of the engine's. */
  readonly frameMaps: readonly FrameMap[];
  /** Whether nothing at all happens in [from, to): asked before anything else. Absent: something may. */
  isIdle?(from: number, to: number): boolean;
}
