/**
 * One memslot: its frames, and how large a leaf fits where.
 *
 * Whether a huge leaf is allowed needs no storage (lpage_info, fault_supports_stage2_huge_mapping): it follows from the slot's edges and from whether guest and
 * host frames are congruent. Hot path: `maxLevel`.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_alloc_memslot_metadata(), arch/arm64/kvm/mmu.c fault_supports_stage2_huge_mapping().
 */
import type { HostBacking, MemslotSpec } from '@mmulab/api';
import type { Geometry } from '@mmulab/pgtable';

/** Whether backings met so far have nothing but small pages: slots are many, backings few. */
const areSmall = new WeakMap<HostBacking, boolean>();

export class Memslot {
  /** First frame of the slot, and first frame after it. */
  readonly base: number;
  readonly end: number;
  /** Dirty logging is on. */
  logged = false;
  /** Some page behind the slot is one the host does not let be written. */
  mayRefuse = false;
  /** The memory behind the slot lies in more than one mapping of the process. */
  isDivided = false;
  /** Whether the host has nothing but small pages behind the slot. */
  readonly isSmall: boolean;
  /** Largest level at which pages of the backing lie: a host fault changes nothing beyond a block of it. */
  readonly hostReach: number;
  /** Largest level at which guest and host frames are congruent. */
  private readonly congruentLevel: number;

  /**
   * @param index dense number within the VM, for keys
   * @param likeness dense number too, equal for slots with the same memory behind them and the same rights
   * @param holdsGuestTables whether guest page-table pages lie in it
   * @param maxLeafLevel largest level the architecture has leaves of
   */
  constructor(
    readonly spec: MemslotSpec,
    readonly index: number,
    readonly likeness: number,
    readonly holdsGuestTables: boolean,
    private readonly geometry: Geometry,
    maxLeafLevel: number,
  ) {
    this.base = spec.baseGfn;
    this.end = spec.baseGfn + spec.npages;
    const { pageLevel, contiguous } = spec.backing;
    this.isSmall = hasSmallPages(spec.backing);
    this.hostReach = pageLevel + (contiguous === undefined ? 0 : 1);
    let level = 1;
    while (level < maxLeafLevel && (spec.baseGfn - spec.hvf) % geometry.pagesAt(level + 1) === 0) level++;
    this.congruentLevel = level;
  }

  /** Largest level of a leaf that fits the slot at a frame. */
  maxLevel(gfn: number): number {
    let level = this.congruentLevel;
    while (level > 1) {
      const span = this.geometry.pagesAt(level);
      const first = gfn - (gfn % span);
      if (first >= this.base && first + span <= this.end) break;
      level--;
    }
    return level;
  }
}

function hasSmallPages(backing: HostBacking): boolean {
  const known = areSmall.get(backing);
  if (known !== undefined) return known;
  const { states, faults, edgeFaults } = backing;
  const isSmall = edgeFaults === undefined && states.every(state => state.level === 1) && faults.every(fault => fault.spanLevel === 1);
  areSmall.set(backing, isSmall);
  return isSmall;
}
