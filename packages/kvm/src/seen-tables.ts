/**
 * Which pages of a guest's page tables the hardware has found mapped for writing since such a mapping may last have gone.
 *
 * The hardware writes to guest table pages on its way (A and D bits). A page it has written once needs no fault again until the host takes
 * mappings away or protects them: then everything is forgotten at once. Bits are kept per table page, and per 2 MiB of guest addresses for walks
 * whose table pages have all been seen. Hot path.
 */
import type { GuestLayout } from './guest-layout';

/** Members per chunk that is emptied together. */
const CHUNK_BITS = 10;

/** A set of integers from 0 on that can be emptied in one step. */
export class EpochSet {
  private readonly words: Int32Array;
  /** Epoch in which a chunk was last written: an older chunk is empty. */
  private readonly epochs: Int32Array;
  private epoch = 1;
  /** Number of members. */
  count = 0;

  /** @param size members are below it */
  constructor(size: number) {
    const chunks = Math.floor(size / 2 ** CHUNK_BITS) + 1;
    this.words = new Int32Array(chunks << (CHUNK_BITS - 5));
    this.epochs = new Int32Array(chunks);
  }

  has(member: number): boolean {
    return this.epochs[member >>> CHUNK_BITS] === this.epoch && ((this.words[member >>> 5] >>> (member & 31)) & 1) !== 0;
  }

  add(member: number): void {
    const chunk = member >>> CHUNK_BITS;
    if (this.epochs[chunk] !== this.epoch) {
      const first = chunk << (CHUNK_BITS - 5);
      this.words.fill(0, first, first + (1 << (CHUNK_BITS - 5)));
      this.epochs[chunk] = this.epoch;
    }
    const word = this.words[member >>> 5];
    const bit = 1 << (member & 31);
    if ((word & bit) !== 0) return;
    this.words[member >>> 5] = word | bit;
    this.count++;
  }

  /** Whether all of [from, to) are members. */
  hasAll(from: number, to: number): boolean {
    for (let at = from; at < to; at++) {
      if (!this.has(at)) return false;
      if ((at & 31) === 0 && this.words[at >>> 5] === -1) at += 31;
    }
    return true;
  }

  addAll(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      this.add(at);
      if ((at & 31) !== 0 || at + 32 > to) continue;
      this.count += 32 - bitsOf(this.words[at >>> 5]);
      this.words[at >>> 5] = -1;
      at += 31;
    }
  }

  clear(): void {
    this.count = 0;
    this.epoch++;
  }
}

/** Bits set in a word. */
function bitsOf(word: number): number {
  let bits = 0;
  for (let left = word; left !== 0; left &= left - 1) bits++;
  return bits;
}

/** Table pages of one guest address space that need no touch. */
export class SeenTables {
  /** Counts how often everything was forgotten. */
  epoch = 1;
  private readonly tables: EpochSet;
  private readonly walks: EpochSet;

  constructor(private readonly layout: GuestLayout) {
    this.tables = new EpochSet(layout.tableCount);
    this.walks = new EpochSet(layout.blockCount);
  }

  /** A mapping of a table page may have gone or lost rights. */
  forget(): void {
    this.epoch++;
    this.tables.clear();
    this.walks.clear();
  }

  /** Whether a walk to a block (GuestLayout.blockOf) touches no page that has not been seen. False where that is not known yet. */
  isWalkSeen(block: number): boolean {
    return this.walks.has(block);
  }

  /** The same for the walk to a virtual frame of the block, found out page by page where it is not known, and noted. */
  isWaySeen(block: number, vfn: number): boolean {
    return this.tables.count === this.layout.tableCount || this.walks.has(block) || this.findWay(block, vfn);
  }

  private findWay(block: number, vfn: number): boolean {
    if (this.touchesWay(vfn)) return false;
    this.walks.add(block);
    return true;
  }

  /** Whether a page of the tables on the way to a virtual frame needs a touch. */
  touchesWay(vfn: number): boolean {
    const { layout } = this;
    for (let level = layout.levels; level >= 1; level--) if (this.needsTouch(level, Math.floor(vfn / layout.spanOf(level)))) return true;
    return false;
  }

  /** All pages of a walk have been touched. @param epoch the epoch in which that began */
  noteWalk(block: number, epoch: number): void {
    if (epoch === this.epoch) this.walks.add(block);
  }

  /** The frame of the table page number `index` of a level if it may need a mapping, or -1. Remembers that it will have one. */
  firstTouch(level: number, index: number): number {
    const table = this.layout.tableNumber(level, index);
    if (table < 0 || this.tables.has(table)) return -1;
    this.tables.add(table);
    return this.layout.tableFrame(level, index);
  }

  /** Whether the table page number `index` of a level, if there is one, may need a mapping. */
  private needsTouch(level: number, index: number): boolean {
    const table = this.layout.tableNumber(level, index);
    return table >= 0 && !this.tables.has(table);
  }

  /** Whether neighbouring pages of one table run need no touch. */
  areSeen(level: number, first: number, count: number): boolean {
    const table = this.layout.tableNumber(level, first);
    return this.tables.hasAll(table, table + count);
  }

  /** Neighbouring pages of one table run have been touched. @param epoch the epoch in which that began */
  noteTables(level: number, first: number, count: number, epoch: number): void {
    const table = this.layout.tableNumber(level, first);
    if (epoch === this.epoch) this.tables.addAll(table, table + count);
  }
}
