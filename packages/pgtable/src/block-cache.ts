/**
 * Memory of what an operation does to a block: from the block's words (and the operation's constants) to its new words and the events counted.
 *
 * An open-addressing table over integers; keys and results of one lifter have a fixed length. Hot path.
 */

/** What a block's operation amounts to. */
export interface BlockResult {
  /** New word of each frame map's block. */
  readonly words: Int32Array;
  /** Counters that changed, and by how much. */
  readonly events: Int32Array;
  readonly amounts: Float64Array;
  /** Ordered effects, as the program's journal recorded them; undefined when there were none. */
  readonly effects: unknown;
}

/** Fixed-length integer keys to entries. */
export class BlockCache {
  private keys: Int32Array;
  private entries: (BlockResult | undefined)[];
  private capacity = 256;
  private used = 0;

  /** @param keyLength integers per key */
  constructor(private readonly keyLength: number) {
    this.keys = new Int32Array(this.capacity * keyLength);
    this.entries = new Array<BlockResult | undefined>(this.capacity);
  }

  get size(): number {
    return this.used;
  }

  get(key: Int32Array): BlockResult | undefined {
    return this.entries[this.place(key)];
  }

  set(key: Int32Array, entry: BlockResult): void {
    if (this.used * 2 >= this.capacity) this.grow();
    const at = this.place(key);
    if (this.entries[at] === undefined) {
      this.used++;
      this.keys.set(key, at * this.keyLength);
    }
    this.entries[at] = entry;
  }

  /** Calls `visit` with every key and entry, then forgets them all. */
  drain(visit: (key: Int32Array, entry: BlockResult) => void): void {
    for (let at = 0; at < this.capacity; at++) {
      const entry = this.entries[at];
      if (entry !== undefined) visit(this.keys.subarray(at * this.keyLength, (at + 1) * this.keyLength), entry);
    }
    this.entries.fill(undefined);
    this.used = 0;
  }

  private place(key: Int32Array): number {
    let hash = 0;
    for (let i = 0; i < this.keyLength; i++) hash = (Math.imul(hash, 0x01000193) ^ key[i]) | 0;
    let at = (hash ^ (hash >>> 15)) & (this.capacity - 1);
    while (this.entries[at] !== undefined && !this.equals(at, key)) at = (at + 1) & (this.capacity - 1);
    return at;
  }

  private equals(at: number, key: Int32Array): boolean {
    const first = at * this.keyLength;
    for (let i = 0; i < this.keyLength; i++) if (this.keys[first + i] !== key[i]) return false;
    return true;
  }

  private grow(): void {
    const keys = this.keys;
    const entries = this.entries;
    const old = this.capacity;
    this.capacity *= 2;
    this.keys = new Int32Array(this.capacity * this.keyLength);
    this.entries = new Array<BlockResult | undefined>(this.capacity);
    for (let at = 0; at < old; at++) {
      const entry = entries[at];
      if (entry === undefined) continue;
      const key = keys.subarray(at * this.keyLength, (at + 1) * this.keyLength);
      const to = this.place(key);
      this.keys.set(key, to * this.keyLength);
      this.entries[to] = entry;
    }
  }
}
