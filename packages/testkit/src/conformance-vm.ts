/**
 * Virtual machines for the conformance suite: some memslots of different sizes, alignments and backings, and a guest whose own page tables lie in
 * memslot 0 and map all of them, in two address spaces.
 */
import type { GuestRun, GuestTableRun, GuestTables, HostBacking, Machine, MemslotSpec, VmLayout } from '@mmulab/api';

/** A memslot as a test draws it. */
export interface SlotPlan {
  readonly backing: string;
  readonly npages: number;
  /** Frames by which the slot begins behind an aligned place. */
  readonly shift: number;
  /** Whether guest and host frames are congruent, so that huge pages may be mapped. */
  readonly congruent: boolean;
  readonly readonly: boolean;
  /** Whether the host filled the first half of the slot before the guest starts. */
  readonly populated: boolean;
}

/** A VM as a test draws it. */
export interface VmPlan {
  readonly vcpus: number;
  readonly slots: readonly SlotPlan[];
  /** Entries of a dirty ring on pages of 4 KiB; absent or 0: there are none. */
  readonly ring?: number;
}

/** A laid-out VM, and where a test finds its memory. */
export interface TestVm {
  readonly layout: VmLayout;
  /** Test slots (1 and up) with the guest frames that map them; the last one is a hole with no memslot behind it. */
  readonly regions: readonly TestRegion[];
  /** Frames by which any one of the slots may move up without meeting another. */
  readonly roomFrames: number;
}

/** Guest virtual frames over one stretch of guest memory. */
export interface TestRegion {
  readonly vfn: number;
  readonly gfn: number;
  readonly npages: number;
  /** The memslot; undefined for the hole. */
  readonly spec: MemslotSpec | undefined;
}

const GUEST_LEVELS = 4;
const SMALL_TABLE = 512;
const HOLE_PAGES = 16;
/** First frame of guest page tables, in memslot 0. */
const TABLE_GFN = 0x180;
const HOST_FRAME = 2 ** 30;

/**
 * Lays a VM out. Slots lie side by side, ascending, each in an aligned block of its own; the last one ends as near to the end of guest memory as its
 * alignment allows.
 * @param backing finds a kind of host memory by name
 */
export function layOutVm(plan: VmPlan, machine: Machine, backing: (name: string) => HostBacking): TestVm {
  const entries = machine.pageSizeBytes / 8;
  // Sizes are drawn for tables of 512 entries; slots of a block or more grow with the table.
  const scaled = (npages: number): number => (npages < SMALL_TABLE || npages >= SMALL_TABLE ** 2 ? npages : (npages * entries) / SMALL_TABLE);
  // As wide as an entry of level 3, where guest memory has room for that.
  const block = entries > SMALL_TABLE ? entries * 8 : entries ** 2;
  const end = machine.maxGfn(machine.physBits) + 1;
  const firstBlock = Math.floor(end / block) - 2 * plan.slots.length;
  const slots = plan.slots.map((slot, i): MemslotSpec => {
    const baseGfn = (firstBlock + 2 * i) * block + slot.shift;
    const npages = scaled(slot.npages);
    const populated = slot.populated ? [{ gfn: baseGfn, npages: Math.ceil(npages / 2) }] : [];
    const hvf = HOST_FRAME + 2 * i * block + slot.shift + (slot.congruent ? 0 : 1);
    return { id: i + 1, baseGfn, npages, hvf, backing: backing(slot.backing), readonly: slot.readonly, populated };
  });
  const hole = { vfn: 0x10, gfn: (firstBlock - 4) * block, npages: HOLE_PAGES, spec: undefined };
  const regions = slots.map((spec, i): TestRegion => ({
    vfn: 0xc0000 + (2 * i * block + (spec.baseGfn % block)),
    gfn: spec.baseGfn,
    npages: spec.npages,
    spec,
  }));
  const [spaces, tablePages] = guestTables([hole, ...regions], entries);
  const small = backing('anonymous');
  const zero: MemslotSpec = {
    id: 0,
    baseGfn: 0,
    npages: TABLE_GFN + tablePages + 1,
    hvf: HOST_FRAME / 2,
    backing: small,
    readonly: false,
    populated: [{ gfn: TABLE_GFN, npages: Math.ceil(tablePages / 2) }],
  };
  const cpu = { wp: false, smep: false, smap: false, efernx: true, pge: false, pcide: false };
  const rings = plan.ring === undefined || plan.ring === 0 ? {} : { dirtyRing: { entries: (plan.ring * entries) / SMALL_TABLE } };
  const layout = { vcpus: plan.vcpus, physBits: machine.physBits, memslots: [zero, ...slots], spaces, cpu, ...rings };
  return { layout, regions: [...regions, hole], roomFrames: block };
}

/** Two address spaces over the regions, the top table of one a copy of the other's. @returns them, and how many table pages they have */
function guestTables(regions: readonly TestRegion[], entries: number): readonly [readonly GuestTables[], number] {
  let next = TABLE_GFN;
  const roots = [next++, next++];
  const tables: GuestTableRun[] = [];
  for (let level = GUEST_LEVELS - 1; level >= 1; level--) {
    const span = entries ** level;
    const numbers = new Set<number>();
    for (const { vfn, npages } of regions) for (let i = Math.floor(vfn / span); i * span < vfn + npages; i++) numbers.add(i);
    for (const first of [...numbers].sort((a, b) => a - b)) tables.push({ level, first, count: 1, gfn: next++ });
  }
  const runs = regions.map(({ vfn, gfn, npages }): GuestRun => {
    return { vfn, gfn, npages, level: 1, writable: true, user: false, executable: true, accessed: false, dirty: false };
  });
  return [roots.map((root, i) => ({ name: `space ${i}`, levels: GUEST_LEVELS, root, runs, tables })), next - TABLE_GFN];
}
