/**
 * Memslots, the host memory behind them and their dirty bitmaps: what belongs to the VM and to no page-table engine.
 *
 * Host page states and dirty bits are planes over guest frames. `lpage_info` needs no storage: whether a huge mapping is allowed follows from the
 * slot's edges and from whether guest and host frames are congruent.
 *
 * Models: Linux virt/kvm/kvm_main.c (memslots, dirty bitmaps, MMU notifiers), arch/x86/kvm/x86.c kvm_alloc_memslot_metadata().
 */
import { PAGES_PER_LEVEL } from '@mmulab/api';
import type { Counters, HostFault, MemslotSpec } from '@mmulab/api';
import { PageMemo, SlotList } from '@mmulab/pgtable';
import type { EngineWorld, Geometry, Plane } from '@mmulab/pgtable';
import { badSlot, unknownSlot } from './errors';
import { Ev } from './events';

// Bound here: a name that another package re-exports is a call of a getter.
const SPANS = PAGES_PER_LEVEL;
const { markPageDirty: MARK_PAGE_DIRTY, dirtyBitmapSet: DIRTY_BITMAP_SET } = Ev;

/** One memslot of a VM. */
export class Memslot {
  /** First frame of the slot, and first frame after it. */
  readonly base: number;
  readonly end: number;
  /** Dirty logging is on. */
  logged = false;
  /** What accesses to single pages do: by kind of access, then the same under dirty logging. */
  private readonly memos: (PageMemo | undefined)[] = [undefined, undefined, undefined, undefined, undefined, undefined];
  /** Whether the host has nothing but small pages behind the slot. */
  readonly isSmall: boolean;
  /** Largest level whose huge mappings are not ruled out by congruence of guest and host frames. */
  private readonly congruentLevel: number;

  constructor(
    readonly spec: MemslotSpec,
    /** Dense number within the VM, for keys. */
    readonly index: number,
    /** Whether guest page-table pages lie in it. */
    readonly holdsGuestTables: boolean,
  ) {
    this.base = spec.baseGfn;
    this.end = spec.baseGfn + spec.npages;
    const { states, faults, edgeFaults } = spec.backing;
    this.isSmall = edgeFaults === undefined && states.every(state => state.level === 1) && faults.every(fault => fault.spanLevel === 1);
    let level = 1;
    while (level < 3 && (spec.baseGfn - spec.hvf) % PAGES_PER_LEVEL[level + 1] === 0) level++;
    this.congruentLevel = level;
  }

  /** Memory of accesses of a kind, while the slot is logged or while it is not. */
  memo(kind: number): PageMemo {
    const at = this.logged ? kind + 3 : kind;
    return this.memos[at] ?? (this.memos[at] = new PageMemo());
  }

  /** Largest level the slot's edges and alignment allow at a frame (lpage_info), at most 3. */
  maxLevel(gfn: number): number {
    let level = this.congruentLevel;
    while (level > 1) {
      const span = SPANS[level];
      const base = Math.floor(gfn / span) * span;
      if (base >= this.spec.baseGfn && base + span <= this.end) break;
      level--;
    }
    return level;
  }
}

/** All memslots of a VM, with host memory and dirty bitmaps. */
export class Memslots {
  /** Host state of every frame, as numbered by the slot's backing. */
  readonly hostPlane: Plane;
  /** Dirty bitmaps of all slots: 1 is dirty. */
  readonly dirtyPlane: Plane;
  /** The bitmaps user space read last (manual protect). */
  readonly readPlane: Plane;
  /** MMU notifier sequence: calls that have ended. */
  notifierSeq = 0;
  private readonly slots = new SlotList<Memslot>();
  private last: Memslot | undefined;
  private lastLogged: Memslot | undefined;
  private nextIndex = 0;

  constructor(
    world: EngineWorld,
    readonly geometry: Geometry,
    private readonly counters: Counters,
  ) {
    this.hostPlane = world.makePlane(geometry);
    this.dirtyPlane = world.makePlane(geometry);
    this.readPlane = world.makePlane(geometry);
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

  /**
   * Adds a slot.
   * @param holdsGuestTables whether guest page tables lie in it
   * @param limit first frame beyond guest memory
   */
  add(spec: MemslotSpec, holdsGuestTables: boolean, limit: number): Memslot {
    if (spec.npages <= 0 || spec.baseGfn < 0 || spec.baseGfn + spec.npages > limit) {
      throw badSlot(spec.id, `frames 0x${spec.baseGfn.toString(16)} to 0x${(spec.baseGfn + spec.npages).toString(16)} do not lie in guest memory`);
    }
    const obstacle = this.slots.obstacle(spec);
    if (obstacle !== undefined) throw badSlot(spec.id, obstacle);
    const slot = new Memslot(spec, this.nextIndex++, holdsGuestTables);
    this.slots.add(slot);
    this.hostPlane.setRange(spec.baseGfn, spec.npages, 0);
    this.dirtyPlane.setRange(spec.baseGfn, spec.npages, 0);
    for (const run of spec.populated) this.hostPlane.setRange(run.gfn, run.npages, spec.backing.populated);
    return slot;
  }

  /** Takes a slot away. */
  remove(slot: Memslot): void {
    this.slots.remove(slot);
    this.last = undefined;
    this.lastLogged = undefined;
  }

  /** The slot of that id; typed error when there is none. */
  byId(id: number): Memslot {
    const slot = this.slots.get(id);
    if (slot === undefined)
      throw unknownSlot(
        id,
        this.all.map(other => other.spec.id),
      );
    return slot;
  }

  /** The slot a frame lies in, or undefined. */
  find(gfn: number): Memslot | undefined {
    const last = this.last;
    if (last !== undefined && gfn >= last.base && gfn < last.end) return last;
    return this.search(gfn);
  }

  private search(gfn: number): Memslot | undefined {
    const slot = this.slots.find(gfn);
    if (slot !== undefined) this.last = slot;
    return slot;
  }

  /** What a host fault on a frame would do; pure. */
  hostFault(slot: Memslot, gfn: number, write: boolean): HostFault {
    const { backing } = slot.spec;
    const table = backing.edgeFaults !== undefined && slot.maxLevel(gfn) < backing.pageLevel ? backing.edgeFaults : backing.faults;
    return table[this.hostPlane.get(gfn) * 2 + (write ? 1 : 0)];
  }

  /** Whether the host's entry for a frame is present and writable. */
  hostWritable(slot: Memslot, gfn: number): boolean {
    const state = slot.spec.backing.states[this.hostPlane.get(gfn)];
    return state !== undefined && state.present && state.writable;
  }

  /** Stores what a host fault left behind, over the block it concerns within the slot. */
  setHostState(slot: Memslot, gfn: number, level: number, state: number): void {
    if (level === 1) {
      this.hostPlane.set(gfn, state);
      return;
    }
    const span = PAGES_PER_LEVEL[level];
    const base = Math.max(slot.spec.baseGfn, gfn - (gfn % span));
    this.hostPlane.setRange(base, Math.min(slot.end, gfn - (gfn % span) + span) - base, state);
  }

  /** Level of the host's own leaf at a frame: 1 when nothing is there. */
  hostLevel(slot: Memslot, gfn: number): number {
    const state = slot.spec.backing.states[this.hostPlane.get(gfn)];
    return state !== undefined && state.present ? state.level : 1;
  }

  /** mark_page_dirty: counts the call; sets the bit where the slot is logged. */
  markDirty(slot: Memslot, gfn: number): void {
    const now = this.counters.now;
    now[MARK_PAGE_DIRTY] = now[MARK_PAGE_DIRTY] + 1;
    if (slot.logged && this.dirtyPlane.get(gfn) === 0) {
      this.dirtyPlane.set(gfn, 1);
      now[DIRTY_BITMAP_SET] = now[DIRTY_BITMAP_SET] + 1;
    }
  }
}
