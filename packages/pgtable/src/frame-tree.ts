/**
 * Frame maps: one small value per guest frame, in the same storage as page tables.
 *
 * Host page states and dirty bitmaps are frame maps. A frame map has a value everywhere (0 at first), folds like a table, and gives words of whole
 * blocks that compare by content, so that operations lift over page tables and frame maps together. Hot path.
 */
import { AttrTable } from './attr-table';
import type { Geometry } from './geometry';
import type { FrameMap } from './frame-map';
import { KIND_MASK, LEAF_TABLE, UNIFORM, wordAttr, uniformWord } from './word';
import { TableTree } from './table-tree';

/** Level of blocks whose content a map may know: their tables have entries of level 2. */
const CONTENT_LEVEL = 3;

/** Frames that are few beside the others of their table. */
const FEW = 8;

/** One value of 0 to 255 per frame. */
export class FrameTree implements FrameMap {
  readonly tree: TableTree;
  readonly root: number;
  private readonly others = new Uint8Array(FEW);

  constructor(readonly geometry: Geometry) {
    this.tree = new TableTree(geometry, new AttrTable());
    this.root = this.tree.createRoot(uniformWord(1, 0, 0));
  }

  get(gfn: number): number {
    this.tree.locate(this.root, gfn, 1);
    return this.tree.attr;
  }

  set(gfn: number, value: number): void {
    this.tree.locate(this.root, gfn, 1);
    if (this.tree.attr !== value) this.tree.writeAttr(value);
  }

  /** Stores a value over `npages` frames from `gfn` on. */
  setRange(gfn: number, npages: number, value: number): void {
    const end = gfn + npages;
    let at = gfn;
    while (at < end) {
      const level = this.blockLevel(at, end);
      if (level === 1) {
        at = this.setSmall(at, end, value);
        continue;
      }
      this.tree.setWordAt(this.root, level, at, uniformWord(1, value, 0));
      at += this.geometry.pagesAt(level);
    }
  }

  /** Stores a value at frames of one table. @returns the frame after the last */
  private setSmall(gfn: number, end: number, value: number): number {
    const { tree, geometry } = this;
    const count = Math.min(end - gfn, geometry.entries - (gfn % geometry.entries));
    tree.locate(this.root, gfn, 1);
    // What is there already is not stored: that would expand a table whose entries are equal.
    if (tree.attr === value && tree.equalFrom(count) === count) return gfn + count;
    if (geometry.entries - count > FEW || count === 1) tree.writeRun(count, value);
    else this.setMost(gfn, count, value);
    return gfn + count;
  }

  /** Stores a value at all frames of a table but few: at all of them, and then what those had. */
  private setMost(gfn: number, count: number, value: number): void {
    const { tree, root, others, geometry } = this;
    const base = gfn - (gfn % geometry.entries);
    const first = gfn - base;
    const last = geometry.entries - count;
    for (let i = 0; i < last; i++) others[i] = this.get(base + (i < first ? i : i + count));
    tree.setWordAt(root, 2, base, uniformWord(1, value, 0));
    for (let i = 0; i < last; i++) if (others[i] !== value) this.set(base + (i < first ? i : i + count), others[i]);
  }

  /** The value all frames of a block of `level` have, or -1. */
  uniformValue(level: number, gfn: number): number {
    if (level === 1) return this.get(gfn);
    const word = this.tree.wordAt(this.root, level, gfn);
    return (word & KIND_MASK) === UNIFORM ? wordAttr(word) : -1;
  }

  /** Whether every frame of a range has the value. Goes by the largest aligned blocks inside it: an owned table never has one value throughout. */
  isUniform(gfn: number, npages: number, value: number): boolean {
    const end = gfn + npages;
    let at = gfn;
    while (at < end) {
      const level = this.blockLevel(at, end);
      const npages = level === 1 ? this.countEqual(at, end, value) : this.geometry.pagesAt(level);
      if (npages === 0 || (level > 1 && this.uniformValue(level, at) !== value)) return false;
      at += npages;
    }
    return true;
  }

  /** Frames from `gfn` to the end of its table, or to `end`; 0 where one of them has another value. */
  private countEqual(gfn: number, end: number, value: number): number {
    const { tree, geometry } = this;
    const count = Math.min(end - gfn, geometry.entries - (gfn % geometry.entries));
    tree.locate(this.root, gfn, 1);
    return tree.attr === value && tree.equalFrom(count) === count ? count : 0;
  }

  /** The level of the largest aligned block that begins at a frame and ends at or before `end`. */
  private blockLevel(gfn: number, end: number): number {
    const { geometry } = this;
    if (end - gfn < geometry.entries) return 1;
    let level = 1;
    while (level < geometry.levels && gfn % geometry.pagesAt(level + 1) === 0 && gfn + geometry.pagesAt(level + 1) <= end) level++;
    return level;
  }

  /**
   * The largest level whose block around a frame has one value throughout. Leaves that value in the tree's cursor (`tree.attr`).
   */
  uniformLevel(gfn: number): number {
    let level = 1;
    while (level < this.geometry.levels) {
      const span = this.geometry.pagesAt(level + 1);
      const word = this.tree.wordAt(this.root, level + 1, gfn - (gfn % span));
      if ((word & KIND_MASK) !== UNIFORM) break;
      level++;
    }
    this.tree.locate(this.root, gfn, 1);
    return level;
  }

  /** Number of frames with a value other than 0 in a range. */
  countNonZero(gfn: number, npages: number): number {
    const end = gfn + npages;
    let at = gfn;
    let count = 0;
    while (at < end) {
      const level = this.uniformLevel(at);
      const span = this.geometry.pagesAt(level);
      const next = Math.min(end, at - (at % span) + span);
      if (this.tree.attr !== 0) count += next - at;
      at = next;
    }
    return count;
  }

  /** Makes this map equal to another of the same geometry over a range: whole blocks by their words, the rest by neighbours of one value. */
  copyRange(source: FrameMap, gfn: number, npages: number): void {
    const from = source as FrameTree;
    const copies = new Map<number, number>();
    const top = this.geometry.pagesAt(this.geometry.levels);
    const end = gfn + npages;
    for (let base = gfn - (gfn % top); base < end; base += top) this.copyBlock(from, this.geometry.levels, base, gfn, end, copies);
    for (const copy of copies.values()) this.tree.releaseWord(copy);
  }

  /** @param copies leaf tables and kept contents of this map by those of `from` they copy: equal blocks share one */
  private copyBlock(from: FrameTree, level: number, base: number, start: number, end: number, copies: Map<number, number>): void {
    const span = this.geometry.pagesAt(level);
    if (base >= end || base + span <= start) return;
    const word = from.tree.wordAt(from.root, level, base);
    const kind = word & KIND_MASK;
    if (base >= start && base + span <= end) {
      if (kind === UNIFORM) {
        this.tree.setWordAt(this.root, level, base, word);
        return;
      }
      if (kind === LEAF_TABLE) {
        this.tree.setWordAt(this.root, level, base, this.copyTable(from, word, copies));
        return;
      }
      const content = level === CONTENT_LEVEL ? from.tree.knownContent(word) : -1;
      if (content >= 0) return this.copyContent(from, content, base, copies);
    }
    this.copyParts(from, level, base, start, end, copies);
  }

  /** Copies a block whose content is known: like the one before it of the same content, if there was one. */
  private copyContent(from: FrameTree, content: number, base: number, copies: Map<number, number>): void {
    const { tree, root } = this;
    let copy = copies.get(content);
    if (copy === undefined) {
      this.copyParts(from, CONTENT_LEVEL, base, base, base + this.geometry.pagesAt(CONTENT_LEVEL), copies);
      copy = tree.canonicalWordAt(root, CONTENT_LEVEL, base, true);
      if (copy === -1) return;
      tree.shareWord(copy);
      copies.set(content, copy);
      return;
    }
    tree.shareWord(copy);
    tree.setWordAt(root, CONTENT_LEVEL, base, copy);
  }

  private copyParts(from: FrameTree, level: number, base: number, start: number, end: number, copies: Map<number, number>): void {
    const span = this.geometry.pagesAt(level);
    if (level === 2) {
      this.copySmall(from, Math.max(start, base), Math.min(end, base + span));
      return;
    }
    const part = this.geometry.pagesAt(level - 1);
    const first = start <= base ? base : start - ((start - base) % part);
    for (let at = first; at < Math.min(end, base + span); at += part) this.copyBlock(from, level - 1, at, start, end, copies);
  }

  /** Copies frames [start, end) of one table. */
  private copySmall(from: FrameTree, start: number, end: number): void {
    const { tree, root } = from;
    for (let at = start; at < end;) {
      tree.locate(root, at, 1);
      at = this.setSmall(at, at + tree.equalFrom(end - at), tree.attr);
    }
  }

  /** A reference to this map's copy of the leaf table another map's word owns. */
  private copyTable(from: FrameTree, word: number, copies: Map<number, number>): number {
    let copy = copies.get(word);
    if (copy === undefined) {
      copy = this.tree.copyTable(from.tree, word);
      copies.set(word, copy);
    }
    this.tree.shareWord(copy);
    return copy;
  }
}
