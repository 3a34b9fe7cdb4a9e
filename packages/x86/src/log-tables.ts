/**
 * Dirty logging over x86 page tables: what they do when it starts and stops, and for each 64-page word of a bitmap that is taken.
 *
 * Enabling without the initially-set capability splits huge pages (eager split), takes the dirty state of every leaf back (D with PML, else W) and asks
 * for one flush (before 6.0: for one per step that changed anything). With initially-set the bitmap starts full and all of that waits for the first clear, which goes word by word: split, write-protect the
 * huge leaves at the word's ends, then the 4 KiB leaves of its bits. Before 5.14 starting protects huge leaves all the same, and no word does.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_mmu_slot_apply_flags(), arch/x86/kvm/mmu/mmu.c kvm_arch_mmu_enable_log_dirty_pt_masked().
 */
import { ENTRIES_PER_TABLE } from '@mmulab/api';
import type { BitmapWords, LockMode, LoggedTables, Memslot, PageGroups, WordTaker, WorkCounts } from '@mmulab/kvm';
import type { RunProgram } from '@mmulab/pgtable';

/** Lowest levels of leaves an operation is about: in the TDP MMU, and in reverse maps. */
export interface MinLevels {
  readonly tdp: number;
  readonly rmap: number;
}

/** What dirty logging asks of a VM's page tables: the TDP MMU's, the legacy MMU's, or both at once. */
export interface LoggedMmu {
  /** Eager split of all huge leaves that overlap [start, end). */
  splitHugePages(start: number, end: number): void;
  /** Takes the dirty state of leaves back: D, or W. @returns whether any changed */
  clearDirtyRange(start: number, end: number): boolean;
  /** Clears W on leaves of those levels and above. @returns whether any changed; up to 5.12 whether any was there */
  writeProtectRange(start: number, end: number, levels: MinLevels): boolean;
  /** Takes the dirty state of the small leaves of one frame back. @param writeProtect by W even where there is D */
  clearDirtyPage(gfn: number, writeProtect: boolean): void;
  /** The same for every frame of [start, end). Absent: each is taken by itself. */
  clearDirtyPages?(start: number, end: number, writeProtect: boolean): void;
  /** Clears W, and the right to give it back, on the huge leaves that map a frame. */
  writeProtectHugePage(gfn: number): void;
  /** Logging stopped: small leaves that could be larger go. @returns whether the caller owes a flush */
  collapse(slot: Memslot): boolean;
  /** How mmu_lock is taken, once for each MMU, to walk a slot's leaves. */
  readonly slotLocks: readonly LockMode[];
  /** A word of a dirty bitmap is about to be gone over. Absent: nothing is done for words. @param first frame of its first bit, @param last of its last */
  walkWord?(first: number, last: number): void;
  /** Asks `times` times for a flush of all vCPUs. */
  flush(times: number): void;
  /** Runs a program lifted over the only table that maps the frames. Absent: there is none. @returns false where there are more */
  runLifted?(program: RunProgram, start: number, end: number): boolean;
}

/** Switches of dirty logging. */
export interface DirtyLogPolicy {
  readonly eagerPageSplit: boolean;
  /** The hardware logs dirty pages: D is taken back instead of W. */
  readonly pml: boolean;
  /** Lowest levels that starting an initially set log protects; 0 for none. */
  readonly initiallySetLevels: MinLevels;
  /** When starting asks for a flush: `leaf` and `change` are what the tables report. */
  readonly logStartFlush: 'leaf' | 'change' | 'always';
  /** A word splits huge pages up to, not including, the page of its last bit. */
  readonly splitEndExclusive: boolean;
}

/** Leaves of every size, and huge ones. */
const ALL: MinLevels = { tdp: 1, rmap: 1 };
const HUGE: MinLevels = { tdp: 2, rmap: 2 };
/** Pages of a 2 MiB block. */
const PAGES_PER_BLOCK = ENTRIES_PER_TABLE;

/** Page tables of one x86 VM under dirty logging. */
export class X86LogTables implements LoggedTables {
  /** By whether the bitmap started full. */
  private readonly takers = new Map<boolean, WordTaker>();

  constructor(
    private readonly mmu: LoggedMmu,
    private readonly policy: DirtyLogPolicy,
    private readonly work: WorkCounts,
  ) {}

  /** Huge pages are split, then the dirty state of every leaf is taken back. */
  start(slot: Memslot, initiallySet: boolean): void {
    if (initiallySet) return this.protectInitiallySet(slot);
    if (this.policy.eagerPageSplit) this.locked(() => this.mmu.splitHugePages(slot.base, slot.end));
    if (this.policy.pml) this.flushEarly(this.locked(() => this.mmu.clearDirtyRange(slot.base, slot.end)));
    this.flushEarly(this.locked(() => this.mmu.writeProtectRange(slot.base, slot.end, this.policy.pml ? HUGE : ALL)));
    this.flushLate();
  }

  /** Tables that could be huge pages go, or become huge pages. */
  stop(slot: Memslot): void {
    if (this.locked(() => this.mmu.collapse(slot))) this.mmu.flush(1);
  }

  taker(_slot: Memslot, initiallySet: boolean): WordTaker {
    const known = this.takers.get(initiallySet);
    if (known !== undefined) return known;
    const taker = this.makeTaker(this.isHugeDue(initiallySet));
    this.takers.set(initiallySet, taker);
    return taker;
  }

  private makeTaker(isHugeDue: boolean): WordTaker {
    const { mmu, policy } = this;
    const pages = (start: number, end: number): void => mmu.clearDirtyPages?.(start, end, !policy.pml);
    return {
      word: (first, last) => {
        mmu.walkWord?.(first, last);
        if (isHugeDue) this.protectHuge(first, last);
      },
      page: gfn => mmu.clearDirtyPage(gfn, !policy.pml),
      ...(mmu.clearDirtyPages === undefined ? {} : { pages }),
      needsWords: isHugeDue || mmu.walkWord !== undefined,
    };
  }

  run(words: BitmapWords, slot: Memslot, start: number, end: number, initiallySet: boolean): void {
    // Words that cross a block's end are cut there; that shows only where huge leaves are handled by the word.
    const liftable = !this.isHugeDue(initiallySet) || slot.isSmall || slot.base % PAGES_PER_BLOCK === 0;
    if (!liftable || this.mmu.runLifted?.(words, start, end) !== true) words.block(start, end);
  }

  runGroups(groups: PageGroups, slot: Memslot, start: number, end: number, initiallySet: boolean): void {
    const liftable = !this.isHugeDue(initiallySet) || slot.isSmall || groups.fitsBlocks(PAGES_PER_BLOCK);
    if (!liftable || this.mmu.runLifted?.(groups, start, end) !== true) groups.block(start, end);
  }

  flush(): void {
    this.mmu.flush(1);
  }

  flushAll(): void {
    this.mmu.flush(1);
  }

  /** Whether huge pages are left for the words to protect: not where they were protected at the start all the same. */
  private isHugeDue(initiallySet: boolean): boolean {
    return initiallySet && this.policy.initiallySetLevels.rmap === 0;
  }

  /** Older kernels flush after each step that calls for it. */
  private flushEarly(isNeeded: boolean): void {
    if (isNeeded && this.policy.logStartFlush !== 'always') this.mmu.flush(1);
  }

  /** Newer ones once, whatever was met. */
  private flushLate(): void {
    if (this.policy.logStartFlush === 'always') this.mmu.flush(1);
  }

  /** Older kernels protect all the same, so that huge pages are split by the first write. */
  private protectInitiallySet(slot: Memslot): void {
    const levels = this.policy.initiallySetLevels;
    if (levels.rmap === 0) return;
    this.flushEarly(this.locked(() => this.mmu.writeProtectRange(slot.base, slot.end, levels)));
    this.flushLate();
  }

  /** A walk of a slot, under the lock of each MMU there is. */
  private locked<T>(walk: () => T): T {
    const [first, ...others] = this.mmu.slotLocks;
    for (const mode of others) this.work.lock(mode);
    return this.work.underLock(first, walk);
  }

  /** Huge leaves under a word: split, or protected at its two ends. */
  private protectHuge(first: number, last: number): void {
    if (this.policy.eagerPageSplit) {
      const end = this.policy.splitEndExclusive ? last : last + 1;
      if (end > first) this.mmu.splitHugePages(first, end);
    }
    this.mmu.writeProtectHugePage(first);
    if (Math.floor(first / PAGES_PER_BLOCK) !== Math.floor(last / PAGES_PER_BLOCK)) this.mmu.writeProtectHugePage(last);
  }
}
