/**
 * Single accesses by memory of what they do.
 *
 * On small pages the abort path is decided by the entry, the host page and the dirty bit of the frame, so long as the vCPU's memory cache holds enough pages that nothing
 * is topped up. Under dirty logging both maps have a say; there the host's pages of the whole memslot have to be in one state, which then is a constant. Where somebody wants to
 * hear of each call (callbacks of a user's, a trace, dirty rings) nothing is known. Hot path: `touch`.
 */
import type { AccessBatch, AccessKind, Counters } from '@mmulab/api';
import { KnownTouches } from '@mmulab/kvm';
import type { Memslot, Memslots, Stretch, Surveyor, TouchOne } from '@mmulab/kvm';
import { MORE, PageOutcomes } from '@mmulab/pgtable';
import type { PageCache, PageProgram } from '@mmulab/pgtable';
import type { GuestTableWalks } from './guest-table-walks';
import type { MemoryCaches } from './memcache';
import type { Stage2Tables } from './stage2-tables';
import type { UserMemAbort } from './user-mem-abort';

const KINDS = 3;
/** States of host pages, and none that all pages are in. */
const STATES = 256;
const MIXED = STATES - 1;

/** Accesses of one VM's vCPUs. */
export class KnownAccesses implements PageProgram, Surveyor {
  private readonly touches: KnownTouches;
  private readonly outcomes = new Map<number, PageOutcomes>();

  constructor(
    vcpus: number,
    private readonly pages: PageCache,
    private readonly walks: GuestTableWalks,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly caches: MemoryCaches,
    private readonly path: UserMemAbort,
    private readonly counters: Counters,
  ) {
    this.touches = new KnownTouches(vcpus, pages, walks.version, this);
  }

  /** An access to a virtual frame, if it is known what it does. @returns false when nothing was done */
  touch(vcpu: number, vfn: number, kind: AccessKind): boolean {
    return this.touches.touch(vcpu, vfn, kind);
  }

  /** A batch of accesses, those that are known together. @param touch makes one of them */
  touchAll(batch: AccessBatch, touch: TouchOne): void {
    this.touches.touchAll(batch, touch);
  }

  /** An access the long way, after the hardware's walk: learns what it does, and looks around. */
  access(vcpu: number, vfn: number, kind: AccessKind): void {
    const { slots, caches, counters, walks } = this;
    const gfn = walks.layout.gfnOf(vfn);
    const slot = slots.find(gfn);
    const { hostChanges } = slots;
    const wasStocked = caches.isStocked(vcpu);
    if (slot === undefined || !this.isKnown(vcpu, slot)) {
      this.path.access(vcpu, gfn, kind, 0);
    } else {
      counters.select(vcpu, slot.spec.id);
      this.tables.mm.scope = slot.spec.id;
      if (!this.pages.access(this.outcomesFor(slot, kind), this.tables.rootIndex, gfn, vcpu)) this.path.access(vcpu, gfn, kind, 0);
    }
    // What were constants of others' accesses, and of this vCPU's.
    if (slots.hostChanges !== hostChanges && slots.isAnyLogged) walks.version.bump();
    if (caches.isStocked(vcpu) !== wasStocked) this.touches.forget(vcpu);
    this.touches.survey(vcpu, vfn);
  }

  survey(stretch: Stretch, vcpu: number, vfn: number): void {
    const { layout, seen } = this.walks;
    const run = layout.find(vfn);
    const slot = this.slots.find(vfn + run.gfn - run.vfn);
    stretch.cover(run, slot, vfn);
    stretch.isKnown = slot !== undefined && this.isKnown(vcpu, slot);
    stretch.root = this.tables.rootIndex;
    stretch.seen = seen;
  }

  outcomesOf(stretch: Stretch, kind: number): PageOutcomes {
    return this.outcomesFor(this.slots.find(stretch.from + stretch.shift) as Memslot, kind);
  }

  perform(vcpu: number, gfn: number, kind: number): number {
    const { pages, slots, caches, tables } = this;
    const slot = slots.find(gfn) as Memslot;
    const isConstant = slot.logged && this.hostOf(slot) !== MIXED;
    const seq = slots.invalidations.ended;
    const before = caches.changes + tables.mm.waitingTables;
    this.path.access(vcpu, gfn, kind, 0);
    const isPlain = caches.changes + tables.mm.waitingTables === before && !slots.invalidations.mustRetry(seq);
    const hostBit = isConstant ? 0 : pages.bitOf(slots.hostStates);
    const dirtyBit = slot.logged ? pages.bitOf(slots.dirtyBits) : 0;
    return hostBit | dirtyBit | (isPlain ? 0 : MORE);
  }

  private isKnown(vcpu: number, slot: Memslot): boolean {
    return slot.isSmall && this.caches.isStocked(vcpu);
  }

  /** The state all the host's pages of a slot are in, or MIXED. */
  private hostOf(slot: Memslot): number {
    const { hostStates } = this.slots;
    const state = hostStates.get(slot.base);
    return hostStates.isUniform(slot.base, slot.end - slot.base, state) ? state : MIXED;
  }

  /** Outcomes count in the scope of their slot. */
  private outcomesFor(slot: Memslot, kind: number): PageOutcomes {
    const key = (slot.index * KINDS + kind) * 2 * STATES + (slot.logged ? STATES + this.hostOf(slot) : 0);
    const known = this.outcomes.get(key);
    if (known !== undefined) return known;
    const outcomes = new PageOutcomes(this, kind, slot.spec.id);
    this.outcomes.set(key, outcomes);
    return outcomes;
  }
}
