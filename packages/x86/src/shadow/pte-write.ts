/**
 * Emulated writes to write-tracked guest tables: what the new value makes of the pages that shadow the table.
 *
 * The entries that stand for the written one are dropped; a page that is written again and again without being walked (the third time counts) is taken for no
 * table any more and zapped, as is one that is written across entries.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_mmu_pte_write(), detect_write_flooding(), detect_write_misaligned(), get_written_sptes(),
 * shadow_page_table_clear_flood().
 */
import { Ev } from '../events';
import { Role, hasGptes, roleLevel } from '../roots/role';
import type { ShadowMmu } from './shadow-mmu';
import { NO_PAGE, indexOf } from './shadow-page';
import { childOf } from './shadow-spte';
import type { TableWrite } from './table-writer';

/** The write from which on a table is taken for flooded. */
const FLOOD_WRITES = 3;

/** The guest wrote to a tracked table; the new value is in memory. */
export function tableWritten(mmu: ShadowMmu, write: TableWrite): void {
  const { pages } = mmu;
  if (mmu.track.indirectPages === 0) return;
  mmu.slots.work.lock('write');
  mmu.count(Ev.mmuPteWrite);
  const zapped: number[] = [];
  let flush = false;
  for (let page = pages.bucket(write.gfn); page !== NO_PAGE;) {
    const next = pages.nextInBucket(page);
    const role = pages.role[page];
    if (pages.gfn[page] === write.gfn && (role & Role.Invalid) === 0 && hasGptes(role)) {
      if (isMisaligned(role, write) || isFlooded(mmu, page)) {
        mmu.prepareZap(page, zapped);
        mmu.count(Ev.mmuFlooded);
      } else {
        flush = zapWritten(mmu, page, role, write) || flush;
      }
    }
    page = next;
  }
  if (zapped.length > 0) mmu.commit(zapped);
  else if (flush) mmu.flush();
}

/** The tables on the way to a faulting address are in use: their write counts start over. */
export function clearFlood(mmu: ShadowMmu, root: number, frame: number): void {
  const { pages } = mmu;
  let page = root;
  for (;;) {
    pages.flood[page] = 0;
    const entry = pages.entry(page, indexOf(frame, pages.level(page)));
    if (entry >= 0) return;
    page = childOf(entry);
  }
}

function isFlooded(mmu: ShadowMmu, page: number): boolean {
  const { pages } = mmu;
  if (pages.level(page) === 1) return false;
  const writes = pages.flood[page] + 1;
  pages.flood[page] = writes;
  return writes >= FLOOD_WRITES;
}

/** A write across entries, or one too short to be an entry unless it is the one byte at its start. */
function isMisaligned(role: number, { offset, bytes }: TableWrite): boolean {
  const size = (role & Role.Has4ByteGpte) !== 0 ? 4 : 8;
  if (offset % size === 0 && bytes === 1) return false;
  return Math.floor(offset / size) !== Math.floor((offset + bytes - 1) / size) || bytes < 4;
}

/** Drops the entries that stand for the written one. @returns whether any was present */
function zapWritten(mmu: ShadowMmu, page: number, role: number, { gfn, offset }: TableWrite): boolean {
  const level = roleLevel(role);
  const small = (role & Role.Has4ByteGpte) !== 0;
  const written = Math.floor(offset / (small ? 4 : 8));
  let first = written;
  let count = 1;
  if (small) {
    // One entry of a 32-bit directory covers two of ours; a quadrant holds a part of the table.
    const perQuadrant = level === 1 ? 512 : 256;
    if (Math.floor(written / perQuadrant) !== ((role >> Role.QuadrantShift) & 3)) return false;
    first = (written % perQuadrant) * (level === 1 ? 1 : 2);
    count = level === 1 ? 1 : 2;
  }
  const table = mmu.memory.tableAt(gfn, small ? 2 : 4);
  const isEmptyNow = table.bits[written] === 0 && table.gfns[written] === 0;
  let flush = false;
  for (let index = first; index < first + count; index++) {
    flush = mmu.zapEntry(page, index, undefined) || flush;
    if (!isEmptyNow && level > 1) mmu.count(Ev.mmuPdeZapped);
  }
  return flush;
}
