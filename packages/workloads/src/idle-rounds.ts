/**
 * Rounds that do nothing where they stand: the kernel takes the call and changes nothing. Each is noted with what it would have needed before it, for who wrote it meant something.
 *
 * Followed is what the list itself decides: whether the slot is logged, what was read and collected of the log, where the slot lies, what of its memory is protected, which children
 * live. Whether a page is there when it is dropped or aged is the run's business, and shows in its counts.
 *
 * Models: Linux virt/kvm/kvm_main.c kvm_set_memory_region() (no change), kvm_clear_dirty_log_protect(), kvm_dirty_ring_reset(); mm/mprotect.c mprotect_fixup() (same flags);
 * arch/x86/kvm/mmu/mmu.c kvm_recover_nx_huge_pages(), set_nx_huge_pages().
 */
import type { DirtyRingSpec, HostOp, MemslotSpec, OptionValues } from '@mmulab/api';
import { PageMarks } from './page-marks';

/** Names of rounds that a note lists before it counts the others. */
const MOST_NAMES = 5;

/** What is known before the first round. */
export interface RoundsStart {
  /** The memslot of the test memory, and the frames of one page of its backing. */
  readonly slot: MemslotSpec;
  readonly backingFrames: number;
  /** `0`, `1` or `3`. */
  readonly manualProtect: string;
  /** Absent: there are no dirty rings. */
  readonly dirtyRing: DirtyRingSpec | undefined;
  /** Options of the backend; absent: none are known. */
  readonly settings: OptionValues | undefined;
}

/** Follows a list of rounds, and collects those that do nothing. */
export class IdleRounds {
  /** Names of rounds by what they lack. */
  private readonly found = new Map<string, string[]>();
  private readonly start: RoundsStart;
  private readonly readonlyPages: PageMarks;
  private readonly smallPages: PageMarks;
  private baseGfn: number;
  private isReadonly: boolean;
  /** Undefined: not known here. */
  private nx: boolean | undefined;
  private isLogged = false;
  private wasLogged = false;
  private wasRead = false;
  /** Whether the guest ran logged since the rings were collected: what it wrote stays in them when logging ends and begins anew. */
  private hasRun = false;
  private wasCollected = false;
  private children = false;
  /** Whether a round reads bitmaps, or sets bits for no vCPU. */
  private usesBitmap = false;

  constructor(start: RoundsStart) {
    const { slot, settings } = start;
    this.start = start;
    this.readonlyPages = new PageMarks(slot.npages);
    this.smallPages = new PageMarks(slot.npages);
    this.baseGfn = slot.baseGfn;
    this.isReadonly = slot.readonly;
    const parameter = settings?.['nx_huge_pages'];
    this.nx = parameter === 'Y' ? true : parameter === 'N' || parameter === 'never' ? false : undefined;
  }

  /** The guest runs. */
  guestRuns(): void {
    this.hasRun ||= this.isLogged;
  }

  /** A round of the host: noted if it does nothing, else followed. */
  host(name: string, op: HostOp): void {
    this.usesBitmap ||= op.op === 'get_dirty_log' || op.op === 'clear_dirty_log' || op.op === 'kvm_write';
    const lack = this.lackOf(op);
    if (lack === undefined) this.follow(op);
    else this.add(name, lack);
  }

  /** A round that does nothing for a reason of its own. */
  add(name: string, lack: string): void {
    const names = this.found.get(lack);
    if (names === undefined) this.found.set(lack, [name]);
    else names.push(name);
  }

  /** A sentence for each reason, and for options that need a round which is not there. @param workload named first */
  notes(workload: string): readonly string[] {
    const rounds = [...this.found].map(([lack, names]) => `${workload}: ${subjectOf(names)} nothing: ${lack}`);
    const { manualProtect, dirtyRing } = this.start;
    if (this.wasLogged && dirtyRing?.withBitmap === true && !this.usesBitmap)
      return [...rounds, `${workload}: dirty_ring_bitmap=true (-B) does nothing: no round reads or fills a bitmap (expected G, K or Hk)`];
    if (this.wasLogged) return rounds;
    const unlogged = (option: string): string => `${workload}: ${option} does nothing: no round turns dirty logging on (expected D)`;
    return [
      ...rounds,
      ...(manualProtect === '0' ? [] : [unlogged(`manual_protect=${manualProtect} (-M ${manualProtect})`)]),
      ...(dirtyRing === undefined ? [] : [unlogged(`dirty_ring=${dirtyRing.entries} (-R ${dirtyRing.entries})`)]),
    ];
  }

  /** What an operation lacks to do anything, and what was expected before it; undefined where it does something, or may. */
  private lackOf(op: HostOp): string | undefined {
    return this.logLack(op) ?? this.slotLack(op) ?? this.memoryLack(op) ?? this.nxLack(op);
  }

  private logLack(op: HostOp): string | undefined {
    switch (op.op) {
      case 'set_dirty_log':
        if (op.on !== this.isLogged) return undefined;
        return op.on ? 'dirty logging is on already (expected U before)' : 'dirty logging is off already (expected D before)';
      case 'clear_dirty_log':
        return this.wasRead ? undefined : 'it clears what was read, and nothing was since logging began (expected G before)';
      case 'collect_dirty_rings':
        if (!this.wasLogged) return 'the rings are empty, for nothing was logged (expected D and a pass before)';
        return this.hasRun
          ? undefined
          : 'the rings are empty, for the guest has not run since logging began or they were collected (expected a pass before)';
      case 'reset_dirty_rings':
        return this.wasCollected ? undefined : 'it resets entries that were collected, and none were since the last reset (expected Qc before)';
      default:
        return undefined;
    }
  }

  private slotLack(op: HostOp): string | undefined {
    const isOwn = 'slot' in op && op.slot === this.start.slot.id;
    if (op.op === 'move_memslot' && isOwn && op.baseGfn === this.baseGfn) return 'the memslot lies where it lay at first (expected Sm before)';
    if (op.op !== 'set_memslot_flags' || op.readonly !== this.isReadonly) return undefined;
    return op.readonly ? 'the memslot is read-only already (expected Sw before)' : 'the memslot is writable already (expected Sr before)';
  }

  private memoryLack(op: HostOp): string | undefined {
    const { readonlyPages, smallPages } = this;
    if (op.op === 'child_exit') return this.children ? undefined : 'no child is alive (expected Fc before)';
    if (op.op === 'protect' && readonlyPages.isAll(op, !op.writable))
      return op.writable ? 'the memory is writable already (expected R before)' : 'the memory is read-only already (expected W before)';
    if (op.op !== 'madvise') return undefined;
    if (op.advice === 'hugepage' && smallPages.isAll(op, false)) return 'the memory may have huge pages already (expected Mn before)';
    if (op.advice === 'nohugepage' && smallPages.isAll(op, true)) return 'the memory has MADV_NOHUGEPAGE already (expected Mh before)';
    if (op.advice === 'cold' && !this.cutsHugePage(op))
      return 'MADV_COLD maps and unmaps nothing here (expected a range that cuts a transparent huge page)';
    return undefined;
  }

  private nxLack(op: HostOp): string | undefined {
    const { nx } = this;
    if (op.op === 'set_nx_huge_pages' && op.on === nx)
      return `nx_huge_pages is ${op.on ? 'Y' : 'N'} already (expected ${op.on ? 'Xn' : 'Xy'} before)`;
    if (op.op !== 'nx_recovery') return undefined;
    if (nx === false) return 'nx_huge_pages is off, and nothing is to be recovered (expected nx_huge_pages=Y, or Xy before)';
    const ratio = this.start.settings?.['nx_huge_pages_recovery_ratio'];
    return ratio === 0 ? 'nx_huge_pages_recovery_ratio=0 turns recovery off (expected 1 or more)' : undefined;
  }

  /** Whether a range begins or ends inside a transparent huge page. */
  private cutsHugePage({ firstPage = 0, npages, stride }: Extract<HostOp, { op: 'madvise' }>): boolean {
    const { slot, backingFrames } = this.start;
    if (slot.backing.changes?.hugepage === undefined) return false;
    const end = firstPage + (npages ?? slot.npages - firstPage);
    return stride !== undefined || firstPage % backingFrames !== 0 || (end % backingFrames !== 0 && end !== slot.npages);
  }

  private follow(op: HostOp): void {
    const { slot } = this.start;
    if (op.op === 'set_dirty_log') this.log(op.on);
    else if (op.op === 'get_dirty_log') this.wasRead = true;
    else if (op.op === 'collect_dirty_rings') [this.wasCollected, this.hasRun] = [true, false];
    else if (op.op === 'reset_dirty_rings') this.wasCollected = false;
    else if (op.op === 'fork') this.children ||= op.child === 'lives';
    else if (op.op === 'child_exit') this.children = false;
    else if (op.op === 'protect') this.readonlyPages.mark(op, !op.writable);
    else if (op.op === 'set_nx_huge_pages') this.nx = op.on;
    else if (op.op === 'move_memslot' && op.slot === slot.id) this.baseGfn = op.baseGfn;
    else if (op.op === 'delete_memslot' && op.slot === slot.id) this.isLogged = false;
    else if (op.op === 'set_memslot_flags') [this.isReadonly, this.wasRead] = [op.readonly, false];
    else this.followMemory(op);
  }

  private followMemory(op: HostOp): void {
    if (op.op === 'madvise' && op.advice === 'hugepage') this.smallPages.mark(op, false);
    if (op.op === 'madvise' && op.advice === 'nohugepage') this.smallPages.mark(op, true);
    if (op.op !== 'unmap' || op.remap !== true) return;
    this.readonlyPages.mark(op, false);
    this.smallPages.mark(op, false);
  }

  private log(on: boolean): void {
    this.isLogged = on;
    if (!on) return;
    this.wasLogged = true;
    this.wasRead = false;
  }
}

function subjectOf(names: readonly string[]): string {
  const [only = ''] = names;
  if (names.length === 1) return `round ${only} does`;
  const more = names.length - MOST_NAMES;
  return `rounds ${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''} do`;
}
