/**
 * Last-level shadow pages that fall out of step with their guest table, and how they are brought in line again.
 *
 * Write protection of a last-level table is given up at the guest's first write to it: the table becomes writable and its shadow unsync. It stays so until the
 * guest flushes its TLB, which is when the guest itself may expect its changes to show. Then the frame is protected again and each entry is
 * compared with the guest's.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c mmu_sync_children(), kvm_mmu_sync_roots(), kvm_mmu_invalidate_addr();
 * paging_tmpl.h FNAME(sync_page)(), FNAME(invlpg)(). Hot path.
 */
import { ENTRIES_PER_TABLE as TABLE_ENTRIES, PAGES_PER_LEVEL as LEVEL_PAGES } from '@mmulab/api';
import { Access, Role, hasGptes, roleAccess } from '../roots/role';
import { Spte } from '../spte';
import { Gpte } from './guest-memory';
import { accessOf } from './guest-walk';
import type { ShadowMmu } from './shadow-mmu';
import { PageFlag } from './shadow-page';
import { childOf, isLeaf } from './shadow-spte';
import { guestIndex } from './shadow-leaves';
import type { ShadowLeaves } from './shadow-leaves';

// Bound here: a name that another package re-exports is a call of a getter.
const PAGES_PER_LEVEL: readonly number[] = LEVEL_PAGES;
const ENTRIES_PER_TABLE: number = TABLE_ENTRIES;

/** Role bits in which a page may differ from the root it is synchronised for. */
const ROLE_IGNORED = 15 | (Access.All << Role.AccessShift) | (3 << Role.QuadrantShift) | Role.Passthrough;

/** Unsync pages of one VM. */
export class ShadowSync {
  /** Role of the root in use: pages of another kind are not synchronised. */
  rootRole = 0;

  constructor(
    private readonly mmu: ShadowMmu,
    private readonly leaves: ShadowLeaves,
  ) {}

  /** Whether something below a root page is out of step. */
  isUnsync(page: number): boolean {
    return this.mmu.pages.has(page, PageFlag.Unsync) || this.mmu.pages.unsyncChildren[page] > 0;
  }

  /** Brings all that lies below a page in line, batch by batch: protects the frames first, with one flush for all, then compares entries. */
  syncChildren(page: number, role: number): void {
    const { mmu } = this;
    const zapped: number[] = [];
    let flush = false;
    for (let batch = mmu.unsync.walk(page); batch !== undefined; batch = mmu.unsync.walk(page)) {
      let isProtected = false;
      for (let at = batch.next(-1); at >= 0; at = batch.next(at)) isProtected = mmu.writeProtectGfn(mmu.pages.gfn[batch.page(at)]) || isProtected;
      if (isProtected) {
        mmu.flushOrCommit(zapped, true);
        flush = false;
      }
      for (let at = batch.next(-1); at >= 0; at = batch.next(at)) {
        mmu.endUnsync(batch.page(at));
        flush = this.syncOne(batch.page(at), role, zapped) > 0 || flush;
        batch.clearWay();
      }
    }
    mmu.flushOrCommit(zapped, flush);
  }

  /** Compares one page with its guest table. Whether it counts as in step is up to the caller, who knows of its frame. @returns -1: it was zapped; else whether a flush is owed */
  syncOne(page: number, role: number, zapped: number[]): number {
    const { mmu } = this;
    if (((pageRole(mmu, page) ^ role) & ~ROLE_IGNORED) !== 0 || !hasGptes(pageRole(mmu, page))) {
      mmu.prepareZap(page, zapped);
      return -1;
    }
    let flush = false;
    if (mmu.pages.used[page] > 0) for (let index = 0; index < ENTRIES_PER_TABLE; index++) flush = this.syncEntry(page, index) || flush;
    return flush ? 1 : 0;
  }

  /** The guest invalidates one translation: what an unsync page says of it is thrown away (6.12: compared). */
  invlpg(root: number, vfn: number): void {
    const { mmu } = this;
    const { pages } = mmu;
    let page = root;
    for (;;) {
      const index = Math.floor(vfn / PAGES_PER_LEVEL[pages.level(page)]) % ENTRIES_PER_TABLE;
      const entry = pages.entry(page, index);
      if (entry >= 0) {
        if (pages.has(page, PageFlag.Unsync)) this.invalidateEntry(page, index);
        return;
      }
      if (pages.unsyncChildren[page] === 0) return;
      page = childOf(entry);
    }
  }

  private invalidateEntry(page: number, index: number): void {
    const { mmu } = this;
    if (mmu.policy.syncSameSpte) {
      if (this.syncEntry(page, index)) mmu.flush();
      return;
    }
    if (mmu.zapEntry(page, index, undefined)) mmu.flush();
    this.leaves.prefetchInvalidated(page, index);
  }

  /** One entry against the guest's. @returns whether a flush is owed */
  private syncEntry(page: number, index: number): boolean {
    const { mmu } = this;
    const { pages, leaf } = mmu;
    const old = pages.entry(page, index);
    if (old === 0) return false;
    const role = pageRole(mmu, page);
    const at = guestIndex(role, index);
    const table = mmu.memory.tableAt(pages.gfn[page], (role & Role.Has4ByteGpte) !== 0 ? 2 : 4);
    const bits = table.bits[at];
    const gfn = table.gfns[at];
    if ((bits & (Gpte.Present | Gpte.Accessed | Gpte.Reserved)) !== (Gpte.Present | Gpte.Accessed)) return this.dropInvalid(page, index, bits, gfn);
    let access = roleAccess(role) & accessOf(bits, (role & Role.EferNx) !== 0);
    if ((bits & Gpte.Dirty) === 0) access &= ~Access.Write;
    if (!isLeaf(old)) {
      // A mark of a frame without memory: renewed, or gone with its frame.
      if (gfn !== pages.entryGfn(page, index)) mmu.zapEntry(page, index, undefined);
      return false;
    }
    if (gfn !== pages.entryGfn(page, index) || (access === 0 && mmu.policy.presentIsRights)) return this.drop(page, index);
    if (mmu.policy.syncSameSpte && access === pages.entryAccess(page, index)) return false;
    pages.setTranslation(page, index, gfn, access);
    const fresh = this.leaves.make({ level: 1, access, hostWritable: (old & Spte.HostWritable) !== 0, old, prefetch: true }, gfn, false);
    const made = mmu.policy.syncKeepsAccessed ? fresh | (old & Spte.Accessed) : fresh;
    pages.setEntry(page, index, made);
    return leaf.needsFlush(old, made);
  }

  /** The guest's entry no longer maps anything, or has lost A: ours goes. @returns whether a flush is owed: not for A alone where losing A owes none */
  private dropInvalid(page: number, index: number, bits: number, gfn: number): boolean {
    const { policy, pages } = this.mmu;
    const isMerelyOld = (bits & (Gpte.Present | Gpte.Reserved)) === Gpte.Present && gfn === pages.entryGfn(page, index);
    this.drop(page, index);
    return !(policy.syncKeepsAccessed && isMerelyOld);
  }

  /** Takes an entry away, whatever it is; that owes a flush. */
  private drop(page: number, index: number): true {
    this.mmu.zapEntry(page, index, undefined);
    return true;
  }
}

/** Role of a page. */
function pageRole(mmu: ShadowMmu, page: number): number {
  return mmu.pages.role[page];
}
