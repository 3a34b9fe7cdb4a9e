/**
 * What accesses to one stretch of a last-level guest table did, remembered: the whole of what they depend on, and of what they changed, in a word per entry.
 *
 * A word holds what belongs to one frame: the guest's entry and ours, the access rights noted beside ours, the state of the host's page, the dirty bit. What else the
 * accesses depend on stands in a short list of facts. Hot path.
 */

/** Layout of a word: bits of the guest's entry, of ours, its noted rights, the host's state, the dirty bit. */
export const Packed = {
  EntryShift: 8,
  EntryMask: 0xfff,
  AccessShift: 20,
  AccessMask: 7,
  HostShift: 23,
  HostMask: 63,
  DirtyShift: 29,
  GuestMask: 0xff,
} as const;

/** What one stretch of accesses did. */
export interface BlockOutcome {
  /** Words of the entries after it. */
  readonly after: Int32Array;
  /** Whether an entry, the guest's or ours, is another one after it. */
  readonly movesEntries: boolean;
  /** Stretches of one host state, and of one dirty bit, in which that of some frame is another one after it: see `movedRuns`. */
  readonly hostRuns: Int32Array;
  readonly dirtyRuns: Int32Array;
  /** Counters that moved, and by how much. */
  readonly counters: Int32Array;
  readonly amounts: Float64Array;
  /** Changes of guest entries, and of host pages. */
  readonly guestChanges: number;
  readonly hostChanges: number;
  /** Effects with an order of their own; see VmJournal. */
  readonly effects: unknown;
}

interface Remembered extends BlockOutcome {
  readonly facts: Float64Array;
  readonly before: Int32Array;
  readonly next: Remembered | undefined;
}

/** More stretches than this are not worth remembering: what does not repeat among so many does not repeat. */
const MAX_REMEMBERED = 512;

/** Outcomes by facts and words. */
export class BlockMemory {
  private readonly buckets = new Map<number, Remembered>();
  private count = 0;

  /** What accesses did that met the same. @param words of `length` entries */
  find(facts: Float64Array, words: Int32Array, length: number): BlockOutcome | undefined {
    for (let at = this.buckets.get(hashOf(facts, words, length)); at !== undefined; at = at.next) {
      if (at.before.length === length && equal(at.facts, facts, facts.length) && equal(at.before, words, length)) return at;
    }
    return undefined;
  }

  /** Remembers what accesses did; forgets all others when there are too many. */
  add(facts: Float64Array, words: Int32Array, length: number, outcome: BlockOutcome): void {
    if (this.count === MAX_REMEMBERED) {
      this.buckets.clear();
      this.count = 0;
    }
    this.count++;
    const hash = hashOf(facts, words, length);
    this.buckets.set(hash, { ...outcome, facts: facts.slice(), before: words.slice(0, length), next: this.buckets.get(hash) });
  }
}

/** What words say of entries. */
const ENTRIES = Packed.GuestMask | (Packed.EntryMask << Packed.EntryShift) | (Packed.AccessMask << Packed.AccessShift);

/** Whether words say another thing of some entry. @param length words compared */
export function movesEntries(before: Int32Array, after: Int32Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (((before[i] ^ after[i]) & ENTRIES) !== 0) return true;
  return false;
}

/**
 * The stretches of one value of a part of the words in which some word had another one: whole, since frame maps store whole blocks at once.
 * @returns of each stretch its first word, the number of words and the value
 */
export function movedRuns(before: Int32Array, after: Int32Array, length: number, shift: number, mask: number): Int32Array {
  const runs: number[] = [];
  for (let i = 0; i < length;) {
    const start = i;
    const value = (after[i] >> shift) & mask;
    let hasMoved = false;
    for (; i < length && ((after[i] >> shift) & mask) === value; i++) hasMoved ||= ((before[i] >> shift) & mask) !== value;
    if (hasMoved) runs.push(start, i - start, value);
  }
  return Int32Array.from(runs);
}

function equal(a: Int32Array | Float64Array, b: Int32Array | Float64Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function hashOf(facts: Float64Array, words: Int32Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < facts.length; i++) hash = Math.imul(hash ^ facts[i], 0x01000193);
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ words[i], 0x01000193) ^ (hash >>> 15);
  return hash;
}
