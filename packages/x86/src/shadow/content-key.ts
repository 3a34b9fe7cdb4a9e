/**
 * The state of a VM's shadow pages as a key; see content-hash.ts.
 */
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import { ContentHash } from '../content-hash';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE } from './shadow-page';

/** Shadow pages beyond which no key is made. */
const MAX_HASHED_PAGES = 512;

/** All shadow pages and guest entries as a key; undefined where there are too many to be worth it. */
export function shadowContentKey(mmu: ShadowMmu): string | undefined {
  const { pages, memory } = mmu;
  if (pages.live > MAX_HASHED_PAGES) return undefined;
  const hash = new ContentHash();
  hash.add(mmu.generation);
  for (let page = pages.oldest; page !== NO_PAGE; page = pages.newer(page)) addPage(hash, mmu, page);
  return `${pages.live}/${pages.usedPages}/${memory.version}/${hash.text}`;
}

function addPage(hash: ContentHash, { pages }: ShadowMmu, page: number): void {
  hash.add(page);
  hash.add(pages.gfn[page]);
  hash.add(pages.role[page]);
  hash.add(pages.rootCount[page]);
  hash.add(pages.flags[page]);
  hash.add(pages.flood[page]);
  for (let index = 0; index < ENTRIES_PER_TABLE; index++) {
    const entry = pages.entry(page, index);
    if (entry === 0) continue;
    hash.add(index);
    hash.add(entry);
    hash.add(pages.entryGfn(page, index) * 8 + pages.entryAccess(page, index));
  }
}
