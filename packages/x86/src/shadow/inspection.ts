/**
 * The legacy MMU to be looked at: walks through shadow pages, the roots a vCPU holds, and the pages that are alive, with their roles.
 */
import { type BackendInspection, EntryKind, type HeldRoot, type ListedTable, type TableName, type WalkedEntry } from '@mmulab/api';
import { describeRole, heldRoots, tableWord } from '../inspection';
import { INVALID_ROOT } from '../roots/root-cache';
import { hasGptes, isDirect, roleLevel } from '../roots/role';
import type { VcpuRoots } from '../roots/vcpu-roots';
import { spteDescriptor } from '../spte';
import type { LegacyMmu } from './legacy-mmu';
import { indexOf } from './shadow-page';
import { NO_PAGE } from './shadow-page';
import { childOf, isLeaf, USER } from './shadow-spte';

/** Entries of a special root, which stands for four pages. */
const PAE_ROOT = 2 ** 24;

/** U/S of the formats that have it. */
const US = 4n;

/** A leaf as the architecture writes it, in hexadecimal: unlike those of the TDP MMU it may keep user mode out. */
export function shadowDescriptor(entry: number, level: number, gfn: number, ept: boolean, adBits: boolean): string {
  const word = spteDescriptor(entry, level, gfn, ept, adBits);
  return ept || (entry & USER) !== 0 ? word : (BigInt(`0x${word}`) & ~US).toString(16);
}

/** A root of these tables by name. */
export function describePage({ mmu: { pages } }: LegacyMmu, page: number): TableName {
  if (page >= PAE_ROOT) return { name: `PAE root ${page - PAE_ROOT}`, role: 'four pages' };
  return { name: `#${page}`, role: describeRole(pages.role[page]) };
}

/** The walk from a root through its pages to a frame. */
export function walkPages(engine: LegacyMmu, root: number, frame: number, ept: boolean, adBits: boolean): readonly WalkedEntry[] {
  const { pages } = engine.mmu;
  const entries: WalkedEntry[] = [];
  for (let page = engine.roots.pageFor(root, frame); page !== NO_PAGE;) {
    const level = roleLevel(pages.role[page]);
    const index = indexOf(frame, level);
    const entry = pages.entry(page, index);
    const place = { level, index, table: describePage(engine, page) };
    if (entry < 0) {
      entries.push({ ...place, kind: EntryKind.Table, word: tableWord(ept, adBits) });
      page = childOf(entry);
      continue;
    }
    const kind = entry === 0 ? EntryKind.Empty : isLeaf(entry) ? EntryKind.Leaf : EntryKind.Special;
    const word = kind === EntryKind.Leaf ? shadowDescriptor(entry, level, pages.entryGfn(page, index), ept, adBits) : '0';
    entries.push({ ...place, kind, word });
    break;
  }
  return entries;
}

export class ShadowInspection implements BackendInspection {
  readonly format: string;

  /**
   * @param held roots by vCPU
   * @param walksVirtual shadow paging: the hardware walks by virtual frame
   * @param ept entries are those of EPT
   */
  constructor(
    private readonly engine: LegacyMmu,
    private readonly held: VcpuRoots,
    readonly walksVirtual: boolean,
    private readonly ept: boolean,
    private readonly adBits: boolean,
  ) {
    this.format = ept ? 'ept' : walksVirtual ? 'paging' : 'npt';
  }

  walk(vcpu: number, frame: number): readonly WalkedEntry[] {
    const root = this.held.root(vcpu);
    return root === INVALID_ROOT ? [] : walkPages(this.engine, root, frame, this.ept, this.adBits);
  }

  runsNested(vcpu: number): boolean {
    return this.held.isNested(vcpu);
  }

  roots(vcpu: number): readonly HeldRoot[] {
    return heldRoots(this.held, vcpu, root => describePage(this.engine, root));
  }

  tables(limit: number): readonly ListedTable[] {
    const { pages } = this.engine.mmu;
    const listed: ListedTable[] = [];
    for (let page = pages.oldest; page !== NO_PAGE; page = pages.newer(page)) {
      const role = pages.role[page];
      const shadows = hasGptes(role) && !isDirect(role);
      listed.push({ ...describePage(this.engine, page), level: roleLevel(role), gfn: pages.gfn[page], shadows, rootCount: pages.rootCount[page] });
    }
    return listed.reverse().slice(0, limit);
  }
}
