/**
 * Contents of tables of level-2 entries, each kept once: what makes 1 GiB of a periodic pattern compare as one word.
 *
 * A kept content is a node that lies in no tree and never changes; it holds a reference to each leaf table it names, so those do not change either. Tables in trees stay as
 * they are: each its parent's own. A block takes a content over by copying its words, and until the next store to it is known to have that content. Contents nobody refers to
 * stay until room is needed. Hot path.
 */
import type { LeafTables } from './leaf-table';
import type { NodeArena } from './node-arena';
import { INDEX_MASK as INDEX_BITS, KIND_MASK as KIND_BITS, LEAF_TABLE as LEAF_TABLE_KIND } from './word';

// Bound here: constants of this module's code.
const KIND_MASK: number = KIND_BITS;
const INDEX_MASK: number = INDEX_BITS;
const LEAF_TABLE: number = LEAF_TABLE_KIND;

/** Contents kept at most, and words of them: tables are of 4 to 8192 entries. */
const MAX_KEPT_WORDS = 2 ** 20;
/** Level of the entries. */
const LEVEL = 2;

/** Kept contents of one arena. */
export class NodeContents {
  private readonly byHash = new Map<number, number[]>();
  /** References by node. */
  private readonly refs = new Map<number, number>();
  private readonly limit: number;

  constructor(
    private readonly nodes: NodeArena,
    private readonly leaves: LeafTables,
    private readonly entries: number,
  ) {
    this.limit = Math.max(16, MAX_KEPT_WORDS / entries);
  }

  /** The kept content equal to an owned table of level-2 entries, whose leaf tables become shared records; -1 where there is no room for another one. */
  intern(node: number): number {
    const before = this.known(node);
    if (before >= 0) return before;
    const content = this.find(node);
    this.nodes.content[node] = content;
    return content;
  }

  /** The kept content an owned table is known to have without a look at it; -1 where that is not known. */
  known(node: number): number {
    const { content, tableAttr } = this.nodes;
    const kept = content[node];
    return kept >= 0 && tableAttr[kept] === tableAttr[node] ? kept : -1;
  }

  private find(node: number): number {
    const { byHash } = this;
    const hash = this.shareLeaves(node);
    const bucket = byHash.get(hash);
    const known = bucket?.find(kept => this.equals(kept, node));
    if (known !== undefined) return known;
    if (this.refs.size >= this.limit && !this.makeRoom()) return -1;
    const kept = this.nodes.alloc(0, LEVEL, 0, -1);
    this.copy(node, kept);
    this.refs.set(kept, 0);
    // Room may have been made of the bucket itself.
    const now = byHash.get(hash);
    if (now === undefined) byHash.set(hash, [kept]);
    else now.push(kept);
    return kept;
  }

  share(kept: number): void {
    this.refs.set(kept, (this.refs.get(kept) ?? 0) + 1);
  }

  release(kept: number): void {
    this.refs.set(kept, (this.refs.get(kept) ?? 0) - 1);
  }

  /** Gives a table the entries and attribute of a kept content; what its own were is given back. */
  takeOver(kept: number, node: number): void {
    this.copy(kept, node);
    this.nodes.content[node] = kept;
  }

  private copy(from: number, to: number): void {
    const { nodes, leaves, entries } = this;
    const { words } = nodes;
    const source = from * entries;
    const first = to * entries;
    for (let i = 0; i < entries; i++) {
      const word = words[source + i];
      const old = words[first + i];
      if (word === old) continue;
      if ((word & KIND_MASK) === LEAF_TABLE) leaves.share(word & INDEX_MASK);
      if ((old & KIND_MASK) === LEAF_TABLE) leaves.release(old & INDEX_MASK);
      words[first + i] = word;
    }
    nodes.differing[to] = nodes.differing[from];
    nodes.tableAttr[to] = nodes.tableAttr[from];
  }

  /** Makes all leaf tables of a table shared records. @returns the hash of what it holds then */
  private shareLeaves(node: number): number {
    const { nodes, leaves, entries } = this;
    const first = node * entries;
    let hash = nodes.tableAttr[node];
    for (let pos = first; pos < first + entries; pos++) {
      let word = nodes.words[pos];
      if ((word & KIND_MASK) === LEAF_TABLE) {
        const canonical = leaves.intern(word & INDEX_MASK);
        if (canonical !== (word & INDEX_MASK)) {
          word = LEAF_TABLE | canonical;
          nodes.set(pos, word);
        }
      }
      hash = (Math.imul(hash, 0x01000193) ^ word) | 0;
    }
    return hash;
  }

  private equals(a: number, b: number): boolean {
    const { nodes, entries } = this;
    if (nodes.tableAttr[a] !== nodes.tableAttr[b]) return false;
    const { words } = nodes;
    for (let i = 0; i < entries; i++) if (words[a * entries + i] !== words[b * entries + i]) return false;
    return true;
  }

  /** Drops the contents nobody refers to. @returns whether there were some */
  private makeRoom(): boolean {
    const { nodes, leaves, refs, entries, byHash } = this;
    const before = refs.size;
    for (const [hash, bucket] of byHash) {
      const left = bucket.filter(kept => refs.get(kept) !== 0);
      for (const kept of bucket) {
        if (refs.get(kept) !== 0) continue;
        for (let pos = kept * entries; pos < (kept + 1) * entries; pos++) {
          const word = nodes.words[pos];
          if ((word & KIND_MASK) === LEAF_TABLE) leaves.release(word & INDEX_MASK);
        }
        refs.delete(kept);
        nodes.free(kept);
      }
      if (left.length === 0) byHash.delete(hash);
      else byHash.set(hash, left);
    }
    // Their numbers are given to others.
    nodes.content.fill(-1);
    return refs.size < before;
  }
}
