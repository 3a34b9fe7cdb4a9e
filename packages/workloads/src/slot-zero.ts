/**
 * Frames of memslot 0, handed out as the selftest library does: first fit from gfn 2 on for what programs allocate, first fit from guest
 * physical 0x180000 on for guest tables. Whatever the host writes before the guest runs is populated; stacks are not.
 *
 * Models: Linux 6.1 tools/testing/selftests/kvm/lib/kvm_util.c, vm_phy_pages_alloc() and vm_nr_pages_required().
 */
import type { Gfn, PopulatedRun } from '@mmulab/api';

/** First frame that is handed out (KVM_UTIL_MIN_PFN). */
const FIRST_GFN = 2;
/** Where guest tables begin, in bytes (KVM_GUEST_PAGE_TABLE_MIN_PADDR). */
const TABLES_FROM_BYTES = 0x180000;
/** Pages every test gets for its image and its data (DEFAULT_GUEST_PHY_PAGES). */
const BASE_PAGES = 512;

/** What the size of memslot 0 depends on. */
export interface SlotZeroSize {
  /** Stack pages of all vCPUs together. */
  readonly stackPages: number;
  /** Pages of test memory: each needs its share of guest tables. */
  readonly extraPages: number;
  /** Entries in one guest table. */
  readonly entriesPerTable: number;
}

/** Pages in memslot 0. */
export function slotZeroPages({ stackPages, extraPages, entriesPerTable }: SlotZeroSize): number {
  const pages = BASE_PAGES + stackPages;
  return pages + Math.floor((pages + extraPages) / entriesPerTable) * 2;
}

/** The allocator of one VM's memslot 0. Two marks suffice: nothing is ever handed back. */
export class SlotZeroFrames {
  private low: Gfn = FIRST_GFN;
  private high: Gfn;
  private readonly tablesFrom: Gfn;
  private readonly present: PopulatedRun[] = [];

  /** @param pageSizeBytes of the machine */
  constructor(pageSizeBytes: number) {
    this.tablesFrom = TABLES_FROM_BYTES / pageSizeBytes;
    this.high = this.tablesFrom;
  }

  /** Takes neighbouring pages that the host does not touch (stacks). */
  takeAbsent(count: number): Gfn {
    const fitsBelow = this.low + count <= this.tablesFrom;
    const gfn = fitsBelow ? this.low : this.high;
    if (fitsBelow) this.low += count;
    else this.high += count;
    return gfn;
  }

  /** Takes neighbouring pages that the host writes before the guest runs (image, descriptor tables). */
  takePresent(count: number): Gfn {
    return this.markPresent(this.takeAbsent(count), count);
  }

  /** Takes neighbouring pages for guest tables. */
  takeTables(count: number): Gfn {
    const gfn = this.high;
    this.high += count;
    return this.markPresent(gfn, count);
  }

  /** First frame that tables may have. */
  get firstTable(): Gfn {
    return this.tablesFrom;
  }

  /** First frame behind everything handed out. */
  get end(): Gfn {
    return this.high;
  }

  /** Populated frames, ascending, neighbours joined. */
  get populated(): readonly PopulatedRun[] {
    const joined: { gfn: Gfn; npages: number }[] = [];
    for (const { gfn, npages } of [...this.present].sort((a, b) => a.gfn - b.gfn)) {
      const last = joined.at(-1);
      if (last !== undefined && last.gfn + last.npages === gfn) last.npages += npages;
      else joined.push({ gfn, npages });
    }
    return joined;
  }

  private markPresent(gfn: Gfn, npages: number): Gfn {
    if (npages > 0) this.present.push({ gfn, npages });
    return gfn;
  }
}
