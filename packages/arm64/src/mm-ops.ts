/**
 * mm_ops: what stage-2 tables ask of the world around them, and what it counts.
 *
 * The callbacks of `Stage2MmOps` are those of struct kvm_pgtable_mm_ops. An absent one is a duty the world does not have: the hypervisor's own tables clean no
 * caches. `CountingMmOps` is the kernel's world as far as it can be counted: a callback counts its calls, and the cache routine behind it what it does — with FWB
 * it returns at once. Callbacks a user hands in are called beside it, frames as arguments.
 *
 * The same maintenance has three reasons that are counted apart: mapping (the default), unmapping, and change_pte.
 *
 * Models: Linux arch/arm64/include/asm/kvm_pgtable.h struct kvm_pgtable_mm_ops; arch/arm64/kvm/mmu.c kvm_s2_mm_ops, clean_dcache_guest_page(),
 * invalidate_icache_guest_page(). Hot path.
 */
import { EntryKind } from '@mmulab/api';
import type { Counters } from '@mmulab/api';
import type { Bookkeeper, MmOps } from '@mmulab/pgtable';
import { Ev } from './events';
import { leafBytes } from './stage2-geometry';
import type { Stage2Policy } from './policy';
import type { TlbInvalidations } from './tlbi';

/**
 * Callbacks of the world around the tables, all optional. `gfn` is the first frame of the entry concerned, `level` its level (1 = page), `count` how
 * many equal neighbours the call stands for; maintenance is told the host virtual address in frames, as phys_to_virt gives it.
 */
export interface Stage2MmOps {
  /** A table page comes out of a memory cache. */
  zallocPage?(gfn: number, level: number, count: number): void;
  /** The pages of the start level, physically contiguous. */
  zallocPagesExact?(pages: number): void;
  freePagesExact?(pages: number): void;
  getPage?(gfn: number, level: number, count: number): void;
  putPage?(gfn: number, level: number, count: number): void;
  /** Asked before a table is freed; `references` is 1 for an empty one. */
  pageCount?(gfn: number, level: number, references: number): void;
  /** Host virtual frame of a host physical one; without it they are the same number. */
  physToVirt?(pfn: number): number;
  virtToPhys?(hvf: number): number;
  dcacheCleanInvalPoc?(hvf: number, sizeBytes: number, count: number): void;
  icacheInvalPou?(hvf: number, sizeBytes: number, count: number): void;
  /** TLB invalidation by IPA. */
  tlbi?(gfn: number, level: number, count: number): void;
  /** A detached subtree is to be freed after a grace period. */
  freeUnlinkedTable?(gfn: number, level: number, count: number): void;
  /** Not in the kernel: told of every clean that is really done, the abort handler's own included. */
  dcacheCleaned?(hvf: number, sizeBytes: number, count: number): void;
  /** Not in the kernel: told of every change of an entry, in order, for traces and checkers. Attributes as in the VM's attribute table. */
  entryChanged?(gfn: number, level: number, oldKind: EntryKind, oldAttr: number, newKind: EntryKind, newAttr: number, count: number): void;
}

/** Token under which a user of the container may bind callbacks of their own. */
export const Stage2MmOps = Symbol.for('mmulab.Stage2MmOps');

/** Why caches are maintained. */
export const Cause = { Map: 0, Unmap: 1, ChangePte: 2 } as const;

/** Host virtual frame behind a guest frame: what maintenance works on. */
export type FrameOf = (gfn: number) => number;

/** The counting world of one VM's tables. */
export class CountingMmOps implements MmOps, Bookkeeper {
  /** Why caches are maintained at the moment. */
  cause: number = Cause.Map;
  /** Whether freed tables wait for a grace period. */
  deferring = false;
  /** Memslot in whose scope events count at the moment. */
  scope = 0;
  /** Changes of entries so far, those of rights and access flags apart. */
  transitions = 0;
  /** Those among them that took a leaf or a table away: an access that hit may not do so any more (MmuBackend.losses). */
  losses = 0;
  /** Table pages taken so far. */
  taken = 0;
  /** Tables that wait, by scope. */
  private readonly waiting = new Map<number, number>();
  /** Leaves whose access flag the walk under way has cleared. */
  aged = 0;
  /** Level of the table that is being removed with all below it; 0: none. */
  private removing = 0;
  private readonly sizes: readonly number[];
  /** Whether a user handed callbacks in: then no call may be taken from memory. */
  readonly isWatched: boolean;

  constructor(
    private readonly counters: Counters,
    private readonly policy: Stage2Policy,
    private readonly tlb: TlbInvalidations,
    private readonly user: Stage2MmOps,
    private readonly frameOf: FrameOf,
  ) {
    this.isWatched = Object.keys(user).length > 0;
    this.sizes = [0, 1, 2, 3, 4].map(level => (level === 0 ? 0 : leafBytes(policy.granuleBytes, level)));
  }

  zallocPage(gfn: number, level: number, count: number): void {
    this.taken += count;
    this.add(Ev.tableAlloc, count);
    this.add(Ev.zallocPage, count);
    this.user.zallocPage?.(gfn, level, count);
  }

  /** The last reference of a table page goes: with it the page, now or after a grace period. */
  freePage(gfn: number, level: number, count: number): void {
    this.putPage(gfn, level, count);
    if (this.deferring) {
      this.add(Ev.rcuFree, count);
      this.wait(count);
    } else this.add(Ev.tableFree, count);
  }

  deferFree(gfn: number, level: number, count: number): void {
    this.add(Ev.freeUnlinkedTable, count);
    this.user.freeUnlinkedTable?.(gfn, level, count);
  }

  /** Tables of the present scope that wait for a grace period. */
  get waitingTables(): number {
    return this.waiting.get(this.scope) ?? 0;
  }

  /** More of them. */
  wait(tables: number): void {
    this.waiting.set(this.scope, this.waitingTables + tables);
  }

  /** A grace period has passed: pages that waited are freed, on the host's account. */
  endGracePeriod(): void {
    if (this.waiting.size === 0) return;
    for (const [scope, pages] of this.waiting) {
      this.counters.select(-1, scope);
      this.add(Ev.tableFree, pages);
    }
    this.waiting.clear();
    this.counters.select(-1);
  }

  /** Rights were added: the page's translations go, broadcast or on this CPU. */
  relaxTlbi(gfn: number, level: number, local: boolean): void {
    if (local) this.tlb.ipaLocal(1);
    else this.tlb.ipa(1);
    this.user.tlbi?.(gfn, level, 1);
  }

  /** The passes that split blocks down to pages at once: tables below are filled before their blocks are replaced. */
  splitAtOnce(passes: () => void): void {
    passes();
  }

  getPage(gfn: number, level: number, count: number): void {
    this.add(Ev.getPage, count);
    this.user.getPage?.(gfn, level, count);
  }

  putPage(gfn: number, level: number, count: number): void {
    this.add(Ev.putPage, count);
    this.user.putPage?.(gfn, level, count);
  }

  /** The unmap walker asks for the references of the table below an entry: one, and one per entry in it. */
  pageCount(gfn: number, level: number, entries: number): void {
    this.user.pageCount?.(gfn, level, entries + 1);
  }

  dcacheCleanInvalPoc(gfn: number, level: number, count: number): void {
    this.add(Ev.dcacheCallback, count);
    this.cleanDcache(gfn, level, count);
    this.user.dcacheCleanInvalPoc?.(this.virtualFrame(gfn), this.sizes[level], count);
  }

  icacheInvalPou(gfn: number, level: number, count: number): void {
    this.add(Ev.icacheCallback, count);
    this.invalidateIcache(level, count);
    this.user.icacheInvalPou?.(this.virtualFrame(gfn), this.sizes[level], count);
  }

  tlbi(gfn: number, level: number, count: number): void {
    this.tlb.ipa(count);
    this.user.tlbi?.(gfn, level, count);
  }

  /** A table gives way to a block: everything cached of its span goes. */
  flushRemoteTlbs(gfn: number, level: number, count: number): void {
    for (let i = 0; i < count; i++) this.tlb.table(this.sizes[level] / this.policy.granuleBytes);
    this.user.tlbi?.(gfn, level, count);
  }

  /** The routine that cleans: nothing is left to do with FWB. */
  cleanDcache(gfn: number, level: number, count: number): void {
    if (this.policy.fwb) return;
    const sizeBytes = this.sizes[level];
    this.user.dcacheCleaned?.(this.virtualFrame(gfn), sizeBytes, count);
    if (this.cause === Cause.Map) {
      this.add(Ev.dcache, count);
      this.add(Ev.dcacheBytes, count * sizeBytes);
      this.add(Ev.dcacheLines, count * Math.ceil(sizeBytes / this.policy.cacheLineBytes));
    } else if (this.cause === Cause.Unmap) {
      this.add(Ev.dcacheUnmap, count);
      this.add(Ev.dcacheUnmapBytes, count * sizeBytes);
    } else {
      this.add(Ev.changePteDcache, count);
      this.add(Ev.changePteDcacheBytes, count * sizeBytes);
    }
  }

  /** The routine that invalidates: line by line, or nothing but a barrier with DIC. */
  invalidateIcache(level: number, count: number): void {
    const sizeBytes = this.sizes[level];
    this.add(Ev.icache, count);
    this.add(Ev.icacheBytes, count * sizeBytes);
    if (!this.policy.dic) this.add(Ev.icacheLines, count * Math.ceil(sizeBytes / this.policy.cacheLineBytes));
  }

  changed(gfn: number, level: number, oldKind: EntryKind, oldAttr: number, newKind: EntryKind, newAttr: number, count: number): void {
    this.transitions++;
    if (oldKind === EntryKind.Leaf || oldKind === EntryKind.Table) this.losses++;
    if (this.removing !== 0) {
      // Entries below a removed table drop their references one by one; the entry itself is the protocol's.
      if (level === this.removing) this.removing = 0;
      else if (oldKind === EntryKind.Leaf || oldKind === EntryKind.Table) this.putPage(gfn, level, count);
    }
    this.user.entryChanged?.(gfn, level, oldKind, oldAttr, newKind, newAttr, count);
  }

  subtreeRemoved(_gfn: number, level: number): void {
    this.removing = level;
  }

  /** A young leaf was met by the aging walker. */
  visited(_gfn: number, _level: number, count: number): void {
    this.aged += count;
    this.add(Ev.age, count);
  }

  private virtualFrame(gfn: number): number {
    const pfn = this.frameOf(gfn);
    return this.user.physToVirt?.(pfn) ?? pfn;
  }

  private add(index: number, amount: number): void {
    const now = this.counters.now;
    now[index] = now[index] + amount;
  }
}
