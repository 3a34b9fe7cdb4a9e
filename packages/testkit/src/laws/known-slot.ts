/**
 * A memslot of a scenario as user space and guests know it: what was written, which bits were taken, what the host dropped, which translations may be kept.
 */
import type { TestRegion } from '../conformance-vm';

/** Pages that are looked at when a whole slot is. */
const SAMPLED = 96;

/** A memslot as user space and guests know it. */
export class KnownSlot {
  exists = true;
  /** It lies somewhere else than the guest maps. */
  away = false;
  readonly: boolean;
  logged = false;
  /** A bitmap was read since logging began. */
  wasRead = false;
  /** By page: its bit may be set; the guest has written it since its bit was last taken; it was set in the bitmap read last; the host dropped it, and nobody wrote it since. */
  readonly maybeSet: Uint8Array;
  readonly owed: Uint8Array;
  readonly read: Uint8Array;
  readonly dropped: Uint8Array;
  /** By page: the host has it PROT_READ; it may be shared with a child that lives, and nobody has written it since. */
  readonly guarded: Uint8Array;
  readonly shared: Uint8Array;
  /** By vCPU and page: 1 a translation for reading may be kept, 2 one for writing. */
  readonly kept: readonly Uint8Array[];

  constructor(
    readonly region: TestRegion & { readonly spec: NonNullable<TestRegion['spec']> },
    vcpus: number,
    readonly isFickle: boolean,
  ) {
    const pages = (): Uint8Array => new Uint8Array(region.npages);
    this.maybeSet = pages();
    this.owed = pages();
    this.read = pages();
    this.dropped = pages();
    this.guarded = pages();
    this.shared = pages();
    this.readonly = region.spec.readonly;
    this.kept = Array.from({ length: vcpus }, pages);
  }

  /** Whether the guest's frames are the slot's. */
  get isHere(): boolean {
    return this.exists && !this.away;
  }

  /** The slot as it would be made anew. */
  get specNow(): NonNullable<TestRegion['spec']> {
    return { ...this.region.spec, readonly: this.readonly };
  }

  /** Whether the host may not write some page of a range. */
  isGuarded(first: number, end: number): boolean {
    return this.guarded.subarray(first, end).includes(1);
  }

  /** What the host has done to a page that must not be writable since; undefined for any other. */
  staleAs(page: number): string | undefined {
    if (this.dropped[page] === 1) return 'dropped the page';
    if (this.guarded[page] === 1) return 'protected the page';
    return this.shared[page] === 1 ? 'shared the page with a child' : undefined;
  }

  /** First page that was written since its bit was taken and is not among those read; -1 where there is none. */
  get lost(): number {
    return this.owed.findIndex((owed, page) => owed === 1 && this.read[page] === 0);
  }

  /** Logging begins anew, or ends. @param isFull whether bits may be set from the beginning */
  restartLog(on: boolean, isFull: boolean): void {
    this.logged = on;
    this.wasRead = false;
    for (const pages of [this.owed, this.read]) pages.fill(0);
    this.maybeSet.fill(isFull ? 1 : 0);
  }

  /** Bits were taken: whoever writes the pages next must set them again. */
  takeBits(first: number, end: number, isTaken: (page: number) => boolean): void {
    for (let page = first; page < end; page++) {
      if (!isTaken(page)) continue;
      this.owed[page] = 0;
      this.maybeSet[page] = 0;
    }
  }

  /** A page is written, or about to be; or it is read, which may set its bit. */
  access(page: number, isWrite: boolean, readsMayLog: boolean): void {
    if (!this.isHere || this.readonly) return;
    if (isWrite || readsMayLog) this.maybeSet[page] = 1;
    if (!isWrite) return;
    this.dropped[page] = 0;
    this.shared[page] = 0;
  }

  /** The memory behind the slot is another. */
  forgetMemory(): void {
    for (const pages of [this.dropped, this.guarded, this.shared]) pages.fill(0);
  }

  get npages(): number {
    return this.region.npages;
  }

  covers(gfn: number): boolean {
    return gfn >= this.region.gfn && gfn < this.region.gfn + this.region.npages;
  }
}

/** Pages of a range: all of a short one, else those at its ends and some between. */
export function sampled(first: number, end: number): readonly number[] {
  const npages = end - first;
  if (npages <= SAMPLED) return Array.from({ length: npages }, (_, i) => first + i);
  const third = SAMPLED / 3;
  const pages: number[] = [];
  for (let i = 0; i < third; i++) pages.push(first + i, first + third + Math.floor((i * (npages - SAMPLED)) / third), end - 1 - i);
  return pages;
}
