/**
 * Tables that exist only because huge pages must not be executable, oldest first: what NX recovery takes.
 *
 * A table of the TDP MMU is known by the frame and level of the entry that points to it, so neighbours make a run; a shadow page by its number. All of a VM
 * stand in one list, in the order they came; from 6.18 on each MMU has a list of its own.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c track_possible_nx_huge_page(), untrack_possible_nx_huge_page(); kvm_host.h possible_nx_huge_pages.
 */
import { PAGES_PER_LEVEL } from '@mmulab/api';
import { RunList } from '@mmulab/pgtable';

/** Stands for the level of entries that are shadow pages. */
const PAGE_LEVEL = 16;

/** A listed table of the TDP MMU. */
export interface ListedTable {
  readonly gfn: number;
  /** Level of the entry that points to it. */
  readonly level: number;
}

/** A listed shadow page. */
export interface ListedPage {
  readonly page: number;
}

/** One list: of both kinds, or of one. */
export class NxList {
  private readonly runs = new RunList();

  get length(): number {
    return this.runs.length;
  }

  /** The table that was listed first, or undefined. */
  oldest(): ListedTable | ListedPage | undefined {
    const oldest = this.runs.oldest();
    return oldest?.level === PAGE_LEVEL ? { page: oldest.gfn } : oldest;
  }

  /** Adds the tables below `count` neighbouring entries of a level. @param step frames between them */
  addTables(gfn: number, level: number, step: number, count: number): void {
    this.runs.append(level, gfn, step, count);
  }

  /** Removes the tables within a range of frames, below entries of up to `level`. @returns how many */
  cutTables(gfn: number, npages: number, level: number): number {
    return this.runs.cut(gfn, npages, level);
  }

  /** Removes the table below one entry, and none below that. @returns how many */
  cutTable({ gfn, level }: ListedTable): number {
    return this.runs.cut(gfn, PAGES_PER_LEVEL[level], level, level);
  }

  addPage(page: number): void {
    this.runs.append(PAGE_LEVEL, page, 1);
  }

  /** @returns how many */
  cutPage(page: number): number {
    return this.runs.cut(page, 1, PAGE_LEVEL, PAGE_LEVEL);
  }
}

/** The lists of one VM: the same for both MMUs, or one for each. */
export class NxLists {
  /** Tables of the TDP MMU. */
  readonly tables = new NxList();
  /** Shadow pages. */
  readonly pages: NxList;

  /** @param perMmu shadow pages have a list of their own */
  constructor(perMmu: boolean) {
    this.pages = perMmu ? new NxList() : this.tables;
  }

  get isEmpty(): boolean {
    return this.tables.length + this.pages.length === 0;
  }
}
