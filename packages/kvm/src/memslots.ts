/**
 * The memslots of a VM, the host memory behind them and their dirty bitmaps: what belongs to the VM and to no page table.
 *
 * Host page states, dirty bits and the bits user space read last are frame maps over guest frames. Hot path: `find`, `hostFault`, `markDirty`.
 *
 * Models: Linux virt/kvm/kvm_main.c (memslots, dirty bitmaps), __gfn_to_pfn_memslot(), mark_page_dirty_in_slot().
 */
import type { Counters, HostBacking, HostFault, HostState, MemslotSpec } from '@mmulab/api';
import type { EngineFactory, Geometry, FrameMap } from '@mmulab/pgtable';
import { badSlot, unknownSlot } from './errors';
import { eachFrameRun } from './frame-runs';
import { Memslot } from './memslot';
import { InvalidateSequence } from './mmu-notifier';
import { SlotList } from './slot-list';
import { WorkCounts } from './work-counts';

/** What memslots are made from. */
export interface MemslotsParts {
  readonly engines: EngineFactory;
  readonly geometry: Geometry;
  readonly counters: Counters;
  /** Largest level the architecture has leaves of. */
  readonly maxLeafLevel: number;
  /** Counters of calls of mark_page_dirty, and of bits that were clear. */
  readonly markPageDirty: number;
  readonly dirtyBitmapSet: number;
  /** Counter of notifier pairs, and the first of the group `work`. Absent: not counted. */
  readonly notifierInvalidate?: number;
  readonly work?: number;
}

/** Where pages go that vCPUs write under dirty logging, instead of bitmaps. */
export interface WrittenPages {
  /** KVM marks a page dirty, at once. */
  push(vcpu: number, slot: Memslot, gfn: number): void;
  /** The hardware logs a page, which is marked when its log is read. */
  log(vcpu: number, slot: Memslot, gfn: number): void;
  /** The vCPU begins a run: what is replayed is its. */
  act(vcpu: number): void;
  /** Pages that the vCPU may write at most before it has to leave the guest. */
  roomFor(vcpu: number): number;
}

/** No vCPU: KVM itself writes. */
export const NO_VCPU = -1;

/** All memslots of a VM, with host memory and dirty bitmaps. */
export class Memslots {
  readonly geometry: Geometry;
  /** Host state of every frame, as numbered by the slot's backing. */
  readonly hostStates: FrameMap;
  /** Counts up with every change of a memslot, its flags included (generation): what was learnt of frames without memory before may be wrong. */
  generation = 0;
  /** Changes that faults have made to host pages so far. */
  hostChanges = 0;
  /** Dirty bitmaps of all slots: 1 is dirty. */
  readonly dirtyBits: FrameMap;
  /** The bitmaps user space read last (manual protect). */
  readonly readBits: FrameMap;
  /** The three, as engines are given them. */
  readonly frameMaps: readonly FrameMap[];
  /** Those that accesses to pages read and change: host states and dirty bits. */
  readonly pageMaps: readonly FrameMap[];
  /** Dirty rings. Undefined: dirty pages go to bitmaps. */
  rings: WrittenPages | undefined = undefined;
  /** MMU notifier calls. */
  readonly invalidations: InvalidateSequence;
  /** What there was to do. */
  readonly work: WorkCounts;
  private readonly counters: Counters;
  private readonly maxLeafLevel: number;
  private readonly markPageDirty: number;
  private readonly dirtyBitmapSet: number;
  private readonly slots = new SlotList<Memslot>();
  private last: Memslot | undefined = undefined;
  private lastLogged: Memslot | undefined = undefined;
  private nextIndex = 0;
  /** Backings met so far. */
  private readonly backings = new Map<HostBacking, number>();

  constructor({ engines, geometry, counters, maxLeafLevel, markPageDirty, dirtyBitmapSet, notifierInvalidate, work }: MemslotsParts) {
    this.work = new WorkCounts(counters, work);
    this.invalidations = new InvalidateSequence({
      begun: () => {
        if (notifierInvalidate !== undefined) counters.now[notifierInvalidate]++;
        this.work.lock('write');
      },
      ended: () => this.work.lock('write'),
    });
    this.geometry = geometry;
    this.counters = counters;
    this.maxLeafLevel = maxLeafLevel;
    this.markPageDirty = markPageDirty;
    this.dirtyBitmapSet = dirtyBitmapSet;
    this.hostStates = engines.makeFrameMap(geometry);
    this.dirtyBits = engines.makeFrameMap(geometry);
    this.readBits = engines.makeFrameMap(geometry);
    this.pageMaps = [this.hostStates, this.dirtyBits];
    this.frameMaps = [...this.pageMaps, this.readBits];
  }

  /** All slots in order of their frames. */
  get all(): readonly Memslot[] {
    return this.slots.all;
  }

  /** Frames in all slots together. */
  get npages(): number {
    return this.slots.npages;
  }

  /** Whether any slot is under dirty logging. */
  get isAnyLogged(): boolean {
    // Tests switch slot after slot: the one that was found last, and the last of all, are the likely ones.
    if (this.lastLogged?.logged === true) return true;
    const { all } = this.slots;
    let at = all.length - 1;
    while (at >= 0 && !all[at].logged) at--;
    this.lastLogged = all[at];
    return at >= 0;
  }

  /** Whether guest page tables lie in a slot under dirty logging. */
  get areTablesLogged(): boolean {
    return this.isAnyLogged && this.slots.all.some(slot => slot.holdsGuestTables && slot.logged);
  }

  /**
   * Adds a slot.
   * @param holdsGuestTables whether guest page tables lie in it
   * @param limit first frame beyond guest memory
   * @throws VM_BAD_SLOT
   */
  add(spec: MemslotSpec, holdsGuestTables: boolean, limit: number): Memslot {
    this.checkPlace(spec, limit);
    const slot = new Memslot(spec, this.nextIndex++, this.numberOf(spec), holdsGuestTables, this.geometry, this.maxLeafLevel);
    this.slots.add(slot);
    this.generation++;
    this.hostStates.setRange(spec.baseGfn, spec.npages, 0);
    this.dirtyBits.setRange(spec.baseGfn, spec.npages, 0);
    for (const run of spec.populated) this.hostStates.setRange(run.gfn, run.npages, spec.backing.populated);
    return slot;
  }

  /** Whether a slot may lie there. @param moving the slot that is to move there @throws VM_BAD_SLOT */
  checkPlace(spec: MemslotSpec, limit: number, moving?: Memslot): void {
    if (spec.npages <= 0 || spec.baseGfn < 0 || spec.baseGfn + spec.npages > limit) {
      throw badSlot(spec.id, `frames 0x${spec.baseGfn.toString(16)} to 0x${(spec.baseGfn + spec.npages).toString(16)} do not lie in guest memory`);
    }
    const obstacle = this.slots.obstacle(spec, moving);
    if (obstacle !== undefined) throw badSlot(spec.id, obstacle);
  }

  /**
   * Text that is equal for slots in which the same happens to equal blocks. Slots alike are such where their pages are small, so that no border of a slot has a say; where dirty
   * pages go to rings, each is one by itself, since entries name it.
   */
  likenessOf({ isSmall, likeness, holdsGuestTables, index }: Memslot): string {
    return isSmall && this.rings === undefined ? `like ${likeness}/${holdsGuestTables}` : `${index}`;
  }

  /** A number of slots that differ in nothing but their frames. */
  private numberOf({ backing, readonly }: MemslotSpec): number {
    const known = this.backings.get(backing) ?? this.backings.size;
    this.backings.set(backing, known);
    return 2 * known + (readonly ? 1 : 0);
  }

  /** Takes a slot away. */
  remove(slot: Memslot): void {
    this.slots.remove(slot);
    this.generation++;
    this.last = undefined;
    this.lastLogged = undefined;
  }

  /** The slot of that id, or undefined. */
  get(id: number): Memslot | undefined {
    return this.slots.get(id);
  }

  /** The slot of that id. @throws VM_UNKNOWN_SLOT */
  byId(id: number): Memslot {
    const slot = this.slots.get(id);
    if (slot !== undefined) return slot;
    throw unknownSlot(
      id,
      this.all.map(other => other.spec.id),
    );
  }

  /** The slot a frame lies in, or undefined. */
  find(gfn: number): Memslot | undefined {
    const { last } = this;
    if (last !== undefined && gfn >= last.base && gfn < last.end) return last;
    return this.search(gfn);
  }

  private search(gfn: number): Memslot | undefined {
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.last = slot;
    return slot;
  }

  /** Protection of, or advice on host pages behind a slot may have changed. */
  noteMappings(slot: Memslot): void {
    const { faults } = slot.spec.backing;
    slot.mayRefuse = false;
    eachFrameRun(this.hostStates, slot.base, slot.spec.npages, (_first, _npages, state) => {
      if (faults[state * 2 + 1]?.ok === false) slot.mayRefuse = true;
    });
    slot.isDivided = this.isDividedIn(slot, slot.base, slot.end);
  }

  /** Whether the block of the backing's page size at a frame lies in more than one mapping of the process: then no huge page can be there. */
  private isDividedAt(slot: Memslot, gfn: number): boolean {
    const span = this.geometry.pagesAt(slot.spec.backing.pageLevel);
    const base = gfn - (gfn % span);
    return this.isDividedIn(slot, Math.max(base, slot.base), Math.min(base + span, slot.end));
  }

  private isDividedIn(slot: Memslot, start: number, end: number): boolean {
    const { untouched } = slot.spec.backing.changes ?? {};
    if (untouched === undefined) return false;
    let isDivided = false;
    // Pages of one mapping are alike once they are dropped.
    const kind = untouched[this.hostStates.get(start)];
    eachFrameRun(this.hostStates, start, end - start, (_first, _npages, state) => (isDivided ||= untouched[state] !== kind));
    return isDivided;
  }

  /** What a host fault on a frame would do; pure. */
  hostFault(slot: Memslot, gfn: number, write: boolean): HostFault {
    return this.hostFaultFrom(slot, gfn, this.hostStates.get(gfn), write);
  }

  /** What a host fault on a frame would do that found its page in a state; pure. */
  hostFaultFrom(slot: Memslot, gfn: number, state: number, write: boolean): HostFault {
    const { backing } = slot.spec;
    const isSmall = backing.edgeFaults !== undefined && (slot.maxLevel(gfn) < backing.pageLevel || (slot.isDivided && this.isDividedAt(slot, gfn)));
    const table = isSmall ? (backing.edgeFaults ?? backing.faults) : backing.faults;
    return table[state * 2 + (write ? 1 : 0)];
  }

  /** Facts about the host page at a frame. */
  hostState(slot: Memslot, gfn: number): HostState {
    return slot.spec.backing.states[this.hostStates.get(gfn)];
  }

  /** Whether the host's entry for a frame is present and writable. */
  hostWritable(slot: Memslot, gfn: number): boolean {
    const state = slot.spec.backing.states[this.hostStates.get(gfn)];
    return state !== undefined && state.present && state.writable;
  }

  /** Level of the host's own leaf at a frame: 1 when nothing is there. */
  hostLevel(slot: Memslot, gfn: number): number {
    const state = slot.spec.backing.states[this.hostStates.get(gfn)];
    return state !== undefined && state.present ? state.level : 1;
  }

  /** Stores what a host fault left behind, over the block it concerns within the slot. */
  setHostState(slot: Memslot, gfn: number, level: number, state: number): void {
    this.hostChanges++;
    const { pageLevel, contiguous = 1 } = slot.spec.backing;
    const span = this.geometry.pagesAt(level) * (level === pageLevel ? contiguous : 1);
    if (span === 1) {
      this.hostStates.set(gfn, state);
      return;
    }
    const first = gfn - (gfn % span);
    const start = Math.max(slot.base, first);
    this.hostStates.setRange(start, Math.min(slot.end, first + span) - start, state);
  }

  /**
   * Whether no host fault in a block would change host pages beyond it: its frames are in one state, which faults leave as it is.
   * @param writes whether some of the accesses write
   */
  isHostStable(slot: Memslot, gfn: number, level: number, writes: boolean): boolean {
    const state = this.hostStates.get(gfn);
    if (this.hostStates.uniformValue(level, gfn) !== state) return false;
    const { faults } = slot.spec.backing;
    return faults[state * 2]?.state === state && (!writes || faults[state * 2 + 1]?.state === state);
  }

  /** mark_page_dirty: counts the call; where the slot is logged, the page goes to the vCPU's ring, or its bit is set. @param vcpu who writes: to be told where there may be rings */
  markDirty(slot: Memslot, gfn: number, vcpu = NO_VCPU): void {
    const now = this.counters.now;
    now[this.markPageDirty] = now[this.markPageDirty] + 1;
    if (!slot.logged) return;
    if (this.rings !== undefined && vcpu !== NO_VCPU) this.rings.push(vcpu, slot, gfn);
    else this.setBit(now, gfn);
  }

  /** The hardware logs a page that the vCPU writes. mark_page_dirty is counted now, although it is called when the log is read. */
  markLogged(slot: Memslot, gfn: number, vcpu: number): void {
    const { rings } = this;
    if (rings === undefined) return this.markDirty(slot, gfn, vcpu);
    const now = this.counters.now;
    now[this.markPageDirty] = now[this.markPageDirty] + 1;
    rings.log(vcpu, slot, gfn);
  }

  private setBit(now: Float64Array, gfn: number): void {
    if (this.dirtyBits.get(gfn) !== 0) return;
    this.dirtyBits.set(gfn, 1);
    now[this.dirtyBitmapSet] = now[this.dirtyBitmapSet] + 1;
  }
}
