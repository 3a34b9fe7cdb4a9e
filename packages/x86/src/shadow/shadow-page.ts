/**
 * Shadow pages: header and table of each, found by (gfn, role) through a hash, kept in a list from newest to oldest.
 *
 * A page's entry is 0 when empty, positive when it is a leaf or an MMIO mark (attribute bits, see shadow-spte.ts), negative when it points to another page. A
 * page that shadows a guest table also keeps, per entry, the frame it translates to and the guest's own three access bits: those cannot be read back from the
 * entry, which write protection, clean guest entries and the NX workaround change.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu_internal.h struct kvm_mmu_page; mmu.c kvm_mmu_alloc_shadow_page(), kvm_mmu_page_get_gfn(). Hot path.
 */
import { ENTRIES_PER_TABLE as TABLE_ENTRIES, PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';
import { hasGptes, roleAccess, roleLevel } from '../roots/role';
import { grown } from './pte-list';
import { childOf } from './shadow-spte';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;
const ENTRIES_PER_TABLE: number = TABLE_ENTRIES;

/** Flags of a page. */
export const PageFlag = {
  Unsync: 1,
  /** Made because a huge page must not be executable. */
  NxDisallowed: 2,
  /** On the list of possible NX huge pages. */
  NxListed: 4,
  /** On the active list. */
  Active: 8,
} as const;

/** No page. */
export const NO_PAGE = -1;

const HASH_BUCKETS = 4096;
const INVERSE_BLOCK = 1 / ENTRIES_PER_TABLE;
/** By level: 1 over the frames an entry spans, a power of two. */
const INVERSE_SPANS = Float64Array.from(PAGES_PER_LEVEL, span => 1 / span);

/** All shadow pages of a VM, by number. */
export class ShadowPages {
  gfn = new Float64Array(16);
  role = new Int32Array(16);
  rootCount = new Int32Array(16);
  flags = new Int32Array(16);
  /** Emulated writes since the page was last walked through. */
  flood = new Int32Array(16);
  generation = new Int32Array(16);
  unsyncChildren = new Int32Array(16);
  /** Head of the list of parent entries. */
  parents = new Int32Array(16);
  /** Non-empty entries. */
  used = new Int32Array(16);
  readonly tables: (Int32Array | undefined)[] = [];
  readonly translations: (Float64Array | undefined)[] = [];
  readonly unsyncBits: (Int32Array | undefined)[] = [];
  /** Pages that exist, those waiting to be freed included. */
  live = 0;
  /** Pages not yet zapped: what the limit is about. */
  usedPages = 0;
  /** Changes of entries that point to pages, or did. */
  links = 0;
  // The last-level page that was found last: from which root, for which block, and before which change of links.
  private lastRoot = NO_PAGE;
  private lastBlock = 0;
  private lastLinks = 0;
  private lastLowest = NO_PAGE;
  private hashNext = new Int32Array(16);
  private listPrev = new Int32Array(16).fill(NO_PAGE);
  private listNext = new Int32Array(16).fill(NO_PAGE);
  private readonly buckets = new Int32Array(HASH_BUCKETS).fill(NO_PAGE);
  private listHead = NO_PAGE;
  private listTail = NO_PAGE;
  private count = 0;
  private readonly freePages: number[] = [];

  /** Oldest page of the active list, or NO_PAGE. */
  get oldest(): number {
    return this.listTail;
  }

  /** The page made after `page`, or NO_PAGE. */
  newer(page: number): number {
    return this.listPrev[page];
  }

  /** First page of the bucket of a frame, newest first. */
  bucket(gfn: number): number {
    return this.buckets[hashOf(gfn)];
  }

  /** The next page of the same bucket. */
  nextInBucket(page: number): number {
    return this.hashNext[page];
  }

  /** Makes a page: newest of its bucket and of the list. */
  create(gfn: number, role: number, generation: number): number {
    const page = this.freePages.pop() ?? this.grow();
    this.gfn[page] = gfn;
    this.role[page] = role;
    this.rootCount[page] = 0;
    this.flags[page] = PageFlag.Active;
    this.flood[page] = 0;
    this.generation[page] = generation;
    this.unsyncChildren[page] = 0;
    this.parents[page] = 0;
    this.used[page] = 0;
    this.tables[page] ??= new Int32Array(ENTRIES_PER_TABLE);
    if (hasGptes(role)) this.translations[page] ??= new Float64Array(ENTRIES_PER_TABLE);
    this.unsyncBits[page]?.fill(0);
    const bucket = hashOf(gfn);
    this.hashNext[page] = this.buckets[bucket];
    this.buckets[bucket] = page;
    this.listPrev[page] = NO_PAGE;
    this.listNext[page] = this.listHead;
    if (this.listHead === NO_PAGE) this.listTail = page;
    else this.listPrev[this.listHead] = page;
    this.listHead = page;
    this.live++;
    this.usedPages++;
    return page;
  }

  /** Takes a page off the active list. */
  deactivate(page: number): void {
    if ((this.flags[page] & PageFlag.Active) === 0) return;
    this.flags[page] = this.flags[page] & ~PageFlag.Active;
    const prev = this.listPrev[page];
    const next = this.listNext[page];
    if (prev === NO_PAGE) this.listHead = next;
    else this.listNext[prev] = next;
    if (next === NO_PAGE) this.listTail = prev;
    else this.listPrev[next] = prev;
  }

  /** Gives a zapped page back. */
  release(page: number): void {
    const bucket = hashOf(this.gfn[page]);
    let at = this.buckets[bucket];
    if (at === page) {
      this.buckets[bucket] = this.hashNext[page];
    } else {
      while (this.hashNext[at] !== page) at = this.hashNext[at];
      this.hashNext[at] = this.hashNext[page];
    }
    this.live--;
    this.freePages.push(page);
  }

  has(page: number, flag: number): boolean {
    return (this.flags[page] & flag) !== 0;
  }

  setFlag(page: number, flag: number): void {
    this.flags[page] = this.flags[page] | flag;
  }

  clearFlag(page: number, flag: number): void {
    this.flags[page] = this.flags[page] & ~flag;
  }

  level(page: number): number {
    return roleLevel(this.role[page]);
  }

  entry(page: number, index: number): number {
    return (this.tables[page] as Int32Array)[index];
  }

  /** Stores an entry. */
  setEntry(page: number, index: number, value: number): void {
    const table = this.tables[page] as Int32Array;
    const old = table[index];
    if (old === 0 && value !== 0) this.used[page] = this.used[page] + 1;
    else if (old !== 0 && value === 0) this.used[page] = this.used[page] - 1;
    // Either points to a page.
    if ((old | value) < 0) this.links++;
    table[index] = value;
  }

  /** The lowest page on the way to a frame: its entry for it points to no page. */
  lowest(root: number, frame: number): number {
    const block = Math.floor(frame * INVERSE_BLOCK);
    if (root === this.lastRoot && block === this.lastBlock && this.links === this.lastLinks) return this.lastLowest;
    let page = root;
    for (let entry = this.entry(page, indexOf(frame, this.level(page))); entry < 0; entry = this.entry(page, indexOf(frame, this.level(page)))) {
      page = childOf(entry);
    }
    // A page of a higher level stands for one block of many.
    if (this.level(page) > 1) return page;
    this.lastRoot = root;
    this.lastBlock = block;
    this.lastLinks = this.links;
    this.lastLowest = page;
    return page;
  }

  /** Frame an entry translates to: recorded where guest tables are shadowed, else linear. */
  entryGfn(page: number, index: number): number {
    const role = this.role[page];
    if (hasGptes(role)) return Math.floor((this.translations[page] as Float64Array)[index] / 8);
    return this.gfn[page] + index * PAGES_PER_LEVEL[roleLevel(role)];
  }

  /** The guest's own access bits of an entry. */
  entryAccess(page: number, index: number): number {
    const role = this.role[page];
    return hasGptes(role) ? (this.translations[page] as Float64Array)[index] % 8 : roleAccess(role);
  }

  /** Records what an entry translates to, where guest tables are shadowed. */
  setTranslation(page: number, index: number, gfn: number, access: number): void {
    if (hasGptes(this.role[page])) (this.translations[page] as Float64Array)[index] = gfn * 8 + access;
  }

  /** Bits of entries below which something is unsync. */
  unsync(page: number): Int32Array {
    return (this.unsyncBits[page] ??= new Int32Array(ENTRIES_PER_TABLE / 32));
  }

  private grow(): number {
    if (this.count === this.role.length) {
      const size = this.count * 2;
      const gfn = new Float64Array(size);
      gfn.set(this.gfn);
      this.gfn = gfn;
      this.role = grown(this.role, size);
      this.rootCount = grown(this.rootCount, size);
      this.flags = grown(this.flags, size);
      this.flood = grown(this.flood, size);
      this.generation = grown(this.generation, size);
      this.unsyncChildren = grown(this.unsyncChildren, size);
      this.parents = grown(this.parents, size);
      this.used = grown(this.used, size);
      this.hashNext = grown(this.hashNext, size);
      this.listPrev = grown(this.listPrev, size);
      this.listNext = grown(this.listNext, size);
    }
    return this.count++;
  }
}

/** Index of a frame's entry in a shadow table of a level. */
export function indexOf(frame: number, level: number): number {
  // The low bits of a quotient of any size: the conversion to 32 bits keeps them.
  return (frame * INVERSE_SPANS[level]) & (ENTRIES_PER_TABLE - 1);
}

/** Bucket of a frame: a multiplicative hash, of which no count depends. */
function hashOf(gfn: number): number {
  const low = (gfn % 2 ** 32) | 0;
  const high = Math.floor(gfn / 2 ** 32);
  return (Math.imul(low ^ Math.imul(high, 0x5bd1e995), 0x61c88647) >>> 20) & (HASH_BUCKETS - 1);
}
