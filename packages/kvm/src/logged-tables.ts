/**
 * What dirty logging asks of an architecture's page tables: of a bitmap's words, and of a ring's groups.
 */
import type { BitmapWords, WordTaker } from './bitmap-words';
import type { Memslot } from './memslot';
import type { PageGroups } from './ring-groups';

/** What dirty logging asks of an architecture's page tables. */
export interface LoggedTables {
  /** Logging of a slot starts: protects, splits and flushes what the architecture does then. @param initiallySet the bitmap starts full */
  start(slot: Memslot, initiallySet: boolean): void;
  /** Logging of a slot has stopped. */
  stop(slot: Memslot): void;
  /** A slot was made or has moved that is logged already. Absent: its pages, which nothing maps, need no protection. */
  committed?(slot: Memslot, initiallySet: boolean): void;
  /** What is done for the words of a slot that have bits. @param initiallySet the slot was not protected when logging started */
  taker(slot: Memslot, initiallySet: boolean): WordTaker;
  /** Runs the words over frames [start, end) of a slot, lifted where a word cut at a block's end shows in no count. */
  run(words: BitmapWords, slot: Memslot, start: number, end: number, initiallySet: boolean): void;
  /** Runs the groups of a dirty ring over frames [start, end) of a slot, lifted where a group cut at a block's end shows in no count. Absent: group by group. */
  runGroups?(groups: PageGroups, slot: Memslot, start: number, end: number, initiallySet: boolean): void;
  /** Some bit was taken: the flush at the end. */
  flush(slot: Memslot): void;
  /** The flush after a reset of dirty rings, for the whole VM. Absent: a flush of each memslot. */
  flushAll?(): void;
}
