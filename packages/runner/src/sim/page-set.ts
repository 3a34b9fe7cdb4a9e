/**
 * How many different pages runs of accesses touch, without a list of pages: long runs are kept as lattices (first page, last page, stride), and what a later one has in common
 * with those before is taken off. Only where lattices of different strides cross are pages looked at one by one. Short runs and single pages, of which a program may make very
 * many, are bits by block.
 */
import { PageBits } from './page-bits';

/** Pages of a run that is kept as bits, at most. */
const MOST_BITS = 4096;

/** Pages `first`, `first + stride`, … up to `last`, which is one of them. */
interface Lattice {
  readonly first: number;
  readonly last: number;
  readonly stride: number;
}

/** Pages that were touched. */
export class PageSet {
  private lattices: Lattice[] = [];
  /** Pages of short runs, in no lattice. */
  private readonly bits = new PageBits();
  /** Pages touched at random, by region. */
  private readonly regions = new Map<string, Region>();
  private listed = 0;

  /** Different pages. */
  get size(): number {
    let size = this.listed;
    for (const { marks, frames } of this.regions.values()) size += marked(marks, frames);
    return size;
  }

  /** A run of accesses. */
  add(vfn: number, count: number, stride: number): void {
    if (count <= 0) return;
    // A vCPU that goes on where it was goes on with the last lattice.
    const last = this.lattices.at(-1);
    const step = count === 1 ? (last?.stride ?? 1) : stride;
    const run = { first: vfn, last: vfn + (count - 1) * step, stride: step };
    if (last !== undefined && last.stride === step && run.first === last.last + step && this.lattices.length === 1 && this.bits.isEmpty) {
      this.lattices = [{ ...last, last: run.last }];
      this.listed += count;
      return;
    }
    let rest: readonly Lattice[] = [run];
    for (const known of this.lattices) rest = rest.flatMap(part => without(part, known));
    for (const part of rest) this.listed += this.keep(part);
  }

  /** Marks of a region that is touched at random, by number of the page: whoever touches one sets its mark. Regions are apart from each other and from runs. */
  region(vfn: number, count: number, frames: number): Uint8Array {
    const key = `${vfn}/${count}/${frames}`;
    const known = this.regions.get(key) ?? { marks: new Uint8Array(count), frames };
    this.regions.set(key, known);
    return known.marks;
  }

  /** Keeps a run that is in no lattice. @returns how many of its pages are new */
  private keep(run: Lattice): number {
    const count = pagesOf(run);
    if (this.lattices.length > 0 && count <= MOST_BITS) return this.bits.set(run);
    this.lattices.push(run);
    return count - this.bits.take(run);
  }
}

interface Region {
  readonly marks: Uint8Array;
  /** Host frames of a page: a whole number, or 1/n. */
  readonly frames: number;
}

/** Frames with a mark; of several pages in one frame one is enough. */
function marked(marks: Uint8Array, frames: number): number {
  const perFrame = frames < 1 ? Math.round(1 / frames) : 1;
  let count = 0;
  for (let page = 0; page < marks.length; page += perFrame) {
    let isTouched = false;
    for (let i = page; i < page + perFrame && i < marks.length; i++) isTouched = isTouched || marks[i] === 1;
    if (isTouched) count++;
  }
  return count;
}

function pagesOf({ first, last, stride }: Lattice): number {
  return (last - first) / stride + 1;
}

/** The pages of a run that another does not have. */
function without(run: Lattice, other: Lattice): readonly Lattice[] {
  if (run.last < other.first || run.first > other.last) return [run];
  const { stride } = run;
  const isCovered = other.stride === 1 || (other.stride === stride && (run.first - other.first) % stride === 0);
  if (isCovered) return [...upTo(run, other.first - 1), ...from(run, other.last + 1)];
  if (other.stride === stride) return [run];
  return pages(run).filter(({ first }) => first < other.first || first > other.last || (first - other.first) % other.stride !== 0);
}

function upTo({ first, last, stride }: Lattice, limit: number): readonly Lattice[] {
  if (limit < first) return [];
  return [{ first, last: Math.min(last, limit - ((limit - first) % stride)), stride }];
}

function from({ first, last, stride }: Lattice, limit: number): readonly Lattice[] {
  const begin = Math.max(first, first + Math.ceil((limit - first) / stride) * stride);
  return begin > last ? [] : [{ first: begin, last, stride }];
}

/** One by one. */
function pages(run: Lattice): readonly Lattice[] {
  return Array.from({ length: pagesOf(run) }, (_, i) => ({
    first: run.first + i * run.stride,
    last: run.first + i * run.stride,
    stride: run.stride,
  }));
}
