/**
 * The guest's page tables as memory: pages of entries that walks read, and that the guest and the walker write.
 *
 * Workloads describe address spaces as runs; a table page is laid out from them when it is first looked at, and from then on is what is stored in it.
 * Spaces that share table pages share them here by frame. What no space knows as a table is an empty one from the first look on: a page the guest has cleared and
 * makes a table of.
 */
import { GuestEntryBit } from '@mmulab/api';
import type { GuestTables } from '@mmulab/api';

/** Bits of a guest entry. */
export const Gpte = { ...GuestEntryBit, Reserved: 128 } as const;

/** One guest table page. */
export interface TablePage {
  readonly frame: number;
  /** Frame each entry points to. */
  readonly gfns: Float64Array;
  readonly bits: Uint8Array;
}

/** Levels a space may have. */
export const MAX_LEVELS = 5;

/** Entries per guest table: 32-bit tables have twice as many. */
export function entriesOf(levels: number): number {
  return levels === 2 ? 1024 : 512;
}

/** By level: frames an entry spans, with 512 entries per table and with 1,024. */
const SPANS = [512, 1024].map(entries => Float64Array.from({ length: MAX_LEVELS + 1 }, (_, level) => entries ** (level - 1)));

/** Frames an entry of each level spans in a space of `levels`. */
export function entrySpans(levels: number): Float64Array {
  return SPANS[levels === 2 ? 1 : 0];
}

/** Which table of a space a frame holds. */
interface TablePlace {
  readonly space: GuestTables;
  readonly level: number;
  /** Its number among the tables of that level. */
  readonly index: number;
}

/** Table pages of all of a VM's address spaces. */
export class GuestMemory {
  /** Changes of entries. */
  version = 0;
  /** Those among them that are the guest's own stores: more than A and D bits may differ. */
  stores = 0;
  private readonly pages = new Map<number, TablePage>();

  /** @param spaces the VM's address spaces, and L1's second-stage tables */
  constructor(private readonly spaces: readonly GuestTables[] = []) {}

  /** The table page at a frame, whatever table it is; an empty one where no space has a table. */
  tableAt(frame: number, levels: number): TablePage {
    return this.pages.get(frame) ?? this.layOutAt(frame, levels, this.placeOf(frame));
  }

  /** The guest stores an entry. @param bits see Gpte; @param gfn frame it points to */
  store(page: TablePage, index: number, bits: number, gfn: number): void {
    page.bits[index] = bits;
    page.gfns[index] = gfn;
    this.version++;
    this.stores++;
  }

  /**
   * The table page a walk meets: number `index` of `level` in a space.
   * @param frame where the entry above says it is
   */
  walked(space: GuestTables, frame: number, level: number, index: number): TablePage {
    const known = this.pages.get(frame);
    if (known !== undefined) return known;
    // Stored by the guest, an entry may lead to a table of another space.
    const place = this.stores === 0 ? { space, level, index } : this.placeOf(frame);
    return this.layOutAt(frame, space.levels, place);
  }

  private placeOf(frame: number): TablePlace | undefined {
    for (const space of this.spaces) {
      if (space.root === frame) return { space, level: space.levels, index: 0 };
      const run = space.tables.find(({ gfn, count }) => frame >= gfn && frame < gfn + count);
      if (run !== undefined) return { space, level: run.level, index: run.first + (frame - run.gfn) };
    }
    return undefined;
  }

  private layOutAt(frame: number, levels: number, place: TablePlace | undefined): TablePage {
    const entries = entriesOf(levels);
    const page: TablePage = { frame, gfns: new Float64Array(entries), bits: new Uint8Array(entries) };
    this.pages.set(frame, page);
    if (place !== undefined) layOut(page, place);
    return page;
  }
}

/** Fills a table page: leaves where a run is mapped at its level, else tables where the space has one. */
function layOut(page: TablePage, { space, level, index }: TablePlace): void {
  const span = entrySpans(space.levels)[level];
  const first = index * page.bits.length;
  const end = (first + page.bits.length) * span;
  const start = first * span;
  if (level > 1) layOutTables(page, space, level, first);
  for (const run of space.runs) {
    if (run.level !== level || run.vfn >= end || run.vfn + run.npages <= start) continue;
    const from = Math.max(0, Math.ceil((run.vfn - start) / span));
    const to = Math.min(page.bits.length, Math.ceil((run.vfn + run.npages - start) / span));
    let bits: number = Gpte.Present | (level > 1 ? Gpte.Large : 0);
    if (run.writable) bits |= Gpte.Writable;
    if (run.user) bits |= Gpte.User;
    if (run.executable) bits |= Gpte.Executable;
    if (run.accessed) bits |= Gpte.Accessed;
    if (run.dirty) bits |= Gpte.Dirty;
    for (let i = from; i < to; i++) {
      page.bits[i] = bits;
      page.gfns[i] = run.gfn + (start + i * span - run.vfn);
    }
  }
}

/** Entries of a table that point to tables of the space. @param first number of its first entry among those of its level */
function layOutTables(page: TablePage, space: GuestTables, level: number, first: number): void {
  for (const run of space.tables) {
    if (run.level !== level - 1) continue;
    const from = Math.max(run.first, first);
    const to = Math.min(run.first + run.count, first + page.bits.length);
    for (let number = from; number < to; number++) {
      page.bits[number - first] = tableBits(space);
      page.gfns[number - first] = run.gfn + (number - run.first);
    }
  }
}

/** Entries that point to tables allow what any leaf may; their A bits start like those of the leaves. */
function tableBits(space: GuestTables): number {
  const user = space.runs.some(run => run.user) ? Gpte.User : 0;
  const accessed = space.runs.length > 0 && space.runs.every(run => run.accessed) ? Gpte.Accessed : 0;
  return Gpte.Present | Gpte.Writable | Gpte.Executable | user | accessed;
}
