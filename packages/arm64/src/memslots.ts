/**
 * Memslots, the host memory behind them and their dirty bitmaps: what belongs to the VM and to no page table.
 *
 * Host page states and dirty bits are planes over guest frames. Whether a block mapping fits follows from the slot's edges and from whether guest and host
 * frames are congruent. The MMU notifier's state is one pair for the whole VM: invalidations in progress, and how many have ended.
 *
 * Models: Linux virt/kvm/kvm_main.c (memslots, dirty bitmaps, MMU notifiers), arch/arm64/kvm/mmu.c fault_supports_stage2_huge_mapping().
 */
import type { Counters, HostFault, HostState, MemslotSpec } from '@mmulab/api';
import { SlotList, type EngineWorld, type Geometry, type Plane } from '@mmulab/pgtable';
import { badSlot, unknownSlot } from './errors';
import { Ev } from './events';

/** One memslot of a VM. */
export class Memslot {
  /** First frame after the slot. */
  readonly end: number;
  /** Dirty logging is on. */
  logged = false;
  /** Largest level at which pages of the backing lie: a host fault changes nothing beyond a block of it. */
  readonly hostReach: number;
  /** Largest level at which guest and host frames are congruent. */
  private readonly congruentLevel: number;

  constructor(
    readonly spec: MemslotSpec,
    /** Dense number within the VM, for keys. */
    readonly index: number,
    /** Whether guest page-table pages lie in it. */
    readonly holdsGuestTables: boolean,
    private readonly geometry: Geometry,
    maxLeafLevel: number,
  ) {
    this.end = spec.baseGfn + spec.npages;
    this.hostReach = spec.backing.pageLevel + (spec.backing.contiguous === undefined ? 0 : 1);
    let level = 1;
    while (level < maxLeafLevel && (spec.baseGfn - spec.hvf) % geometry.pagesAt(level + 1) === 0) level++;
    this.congruentLevel = level;
  }

  /** Largest level of a leaf that fits the slot at a frame. */
  maxLevel(gfn: number): number {
    let level = this.congruentLevel;
    while (level > 1) {
      const span = this.geometry.pagesAt(level);
      const base = gfn - (gfn % span);
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
  /** MMU notifier calls that have ended (mmu_invalidate_seq). */
  notifierSeq = 0;
  /** MMU notifier calls that have begun and not ended. */
  notifiersInProgress = 0;
  private readonly slots = new SlotList<Memslot>();
  private last: Memslot | undefined = undefined;
  private nextIndex = 0;

  constructor(
    world: EngineWorld,
    readonly geometry: Geometry,
    private readonly maxLeafLevel: number,
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

  /**
   * Adds a slot.
   * @param holdsGuestTables whether guest page tables lie in it
   * @param limit first frame beyond guest memory
   * @throws VM_BAD_SLOT
   */
  add(spec: MemslotSpec, holdsGuestTables: boolean, limit: number): Memslot {
    if (spec.npages <= 0 || spec.baseGfn < 0 || spec.baseGfn + spec.npages > limit) {
      throw badSlot(spec.id, `frames 0x${spec.baseGfn.toString(16)} to 0x${(spec.baseGfn + spec.npages).toString(16)} do not lie in guest memory`);
    }
    const obstacle = this.slots.obstacle(spec);
    if (obstacle !== undefined) throw badSlot(spec.id, obstacle);
    const slot = new Memslot(spec, this.nextIndex++, holdsGuestTables, this.geometry, this.maxLeafLevel);
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
    if (last !== undefined && gfn >= last.spec.baseGfn && gfn < last.end) return last;
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

  /** Facts about the host page at a frame. */
  hostState(slot: Memslot, gfn: number): HostState {
    return slot.spec.backing.states[this.hostPlane.get(gfn)];
  }

  /** Stores what a host fault left behind, over the block it concerns within the slot. */
  setHostState(slot: Memslot, gfn: number, level: number, state: number): void {
    const { pageLevel, contiguous = 1 } = slot.spec.backing;
    const span = this.geometry.pagesAt(level) * (level === pageLevel ? contiguous : 1);
    if (span === 1) {
      this.hostPlane.set(gfn, state);
      return;
    }
    const base = gfn - (gfn % span);
    const start = Math.max(slot.spec.baseGfn, base);
    this.hostPlane.setRange(start, Math.min(slot.end, base + span) - start, state);
  }

  /** mark_page_dirty: counts the call; sets the bit where the slot is logged. */
  markDirty(slot: Memslot, gfn: number): void {
    const now = this.counters.now;
    now[Ev.markPageDirty] = now[Ev.markPageDirty] + 1;
    if (slot.logged && this.dirtyPlane.get(gfn) === 0) {
      this.dirtyPlane.set(gfn, 1);
      now[Ev.dirtyBitmapSet] = now[Ev.dirtyBitmapSet] + 1;
    }
  }
}
