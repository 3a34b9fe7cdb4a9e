/**
 * Lays out a test's VM: memslot 0 with image, stacks and guest tables, the test memory in one slot or several, and what a vCPU touches when
 * it starts.
 *
 * The order of allocation is that of the selftest library (top table, image, stack of vCPU 0, descriptor tables, further stacks, test memory,
 * what a test adds), so that every page lies in the frame in which it was measured. Test memory ends one page below the top of guest physical
 * memory and is aligned to the backing page: memory in small pages is therefore never aligned to 2 MiB.
 *
 * Models: Linux 6.1 tools/testing/selftests/kvm/lib/kvm_util.c, perf_test_util.c and x86_64/processor.c.
 */
import type {
  Gfn,
  GuestDefinition,
  GuestImage,
  GuestMode,
  GuestRun,
  GuestTables,
  HostBacking,
  Machine,
  MemslotSpec,
  PopulatedRun,
  VcpuProgram,
  VcpuStep,
  Vfn,
  VmLayout,
  WorkloadRequest,
} from '@mmulab/api';
import { hugeEntriesUnaligned, noRoom } from './errors';
import { imageOf } from './guest-image';
import { GuestTableBuilder } from './guest-tables';
import { nestedTables, type NestedSpec } from './nested-guest';
import { SlotZeroFrames, slotZeroPages } from './slot-zero';
import { fetchPage, readPage, writePage } from './steps';

/** Guest virtual address of test memory, in bytes (DEFAULT_GUEST_TEST_MEM). */
const TEST_MEMORY_BYTES = 0xc0000000;
/** The addresses of guest-image.ts count pages of this size. */
const IMAGE_PAGE_BYTES = 4096;
/** Stack pages per vCPU; guests with larger pages have one. */
const STACK_PAGES = 5;
/** Host address below which nothing of a VM lies, in bytes; memslots follow one another from here, each aligned to its backing. */
const HOST_BASE_BYTES = 2 ** 44;
/** First frame a nested guest behind tables of four levels does not have. */
const NESTED_END = 2 ** 36;
/** Guest pages an entry of level 2 maps. */
const HUGE_ENTRY_PAGES = 512;

const UNMEASURED_NOTE =
  'The pages of memslot 0 that the tests of 6.12 touch were not measured: taken are those of 6.1 and the six pages of the argument structure.';

/** A workload and the memory it wants. */
export interface GuestLayoutSpec {
  readonly workload: string;
  /** Whose image the guest has: `perf`, `page_table`, `rounds`, `churn`, `nested`, or one that guests have an image for. */
  readonly program: string;
  /** Whether it is a test of 6.2 or later: what it reads beside the test memory, and where it stores to reach the host. */
  readonly isNewer: boolean;
  readonly mode: GuestMode;
  readonly vcpus: number;
  /** Test memory in frames. */
  readonly npages: number;
  readonly backing: HostBacking;
  /** Memslots the test memory is divided into; the caller has checked that it divides. */
  readonly slots?: number;
  /** Where test memory begins instead of at the top. */
  readonly baseGfn?: Gfn;
  /** First guest page of test memory. Absent: DEFAULT_GUEST_TEST_MEM. */
  readonly baseVfn?: Vfn;
  /** Number of the first memslot with test memory. Absent: 1. */
  readonly firstSlot?: number;
  /** Alignment of test memory in frames where it is coarser than the backing page. */
  readonly alignFrames?: number;
  /** The host has filled the test memory beforehand. */
  readonly populated?: boolean;
  /** The guest maps test memory with level-2 entries. */
  readonly hugeEntries?: boolean;
  /** Pages of test memory the guest maps read-only, relative to its start. */
  readonly readOnly?: { readonly first: number; readonly npages: number };
  /** The guest runs guests of its own. */
  readonly nested?: NestedSpec;
  /** Table pages to allocate behind the guest's own. */
  readonly extraTables?: number;
  /** The guest maps its table pages, the extra ones too, from this page on. */
  readonly tableWindow?: Vfn;
  /** The guest's entries start with A and D set, whatever the architecture's usually do. */
  readonly usedEntries?: boolean;
}

/** Where everything lies, and how vCPUs begin. */
export interface GuestLayout {
  readonly vm: VmLayout;
  readonly image: GuestImage;
  /** First page of test memory, and how many there are. */
  readonly baseVfn: Vfn;
  readonly baseGfn: Gfn;
  readonly npages: number;
  /** Numbers of the memslots with test memory, and the frames in each. */
  readonly testSlots: readonly number[];
  readonly pagesPerSlot: number;
  /** First of the extra table pages. */
  readonly extraTables: Gfn;
  /** The page of the window on the table pages that maps one of them. */
  tableVfn(gfn: Gfn): Vfn;
  /** A page of a vCPU's hypervisor, where the guest has guests: GDT and TSS lie before those of vCPU 0. */
  hypervisorVfn(vcpu: number, page: number): Vfn;
  /** The one page of a vCPU's stack that is used. */
  stackVfn(vcpu: number): Vfn;
  /** A vCPU's first program: its own code, stack and globals, `pass`, then the way to the host. */
  start(vcpu: number, pass: VcpuProgram): VcpuProgram;
  /** A later program: `pass`, then the way to the host as far as it can fault. */
  again(pass: VcpuProgram): VcpuProgram;
  readonly notes: readonly string[];
}

/** Pages that an entry of a level maps on the machine. */
export function pagesAtLevel(machine: Machine, level: number): number {
  return (machine.pageSizeBytes / 8) ** (level - 1);
}

/** Frames in one page of a backing. */
export function backingFrames(machine: Machine, { pageLevel, contiguous = 1 }: HostBacking): number {
  return pagesAtLevel(machine, pageLevel) * contiguous;
}

/**
 * Lays out the VM.
 * @throws MmulabError WORKLOAD_NO_ROOM, WORKLOAD_HUGE_ENTRIES_UNALIGNED
 */
export function layOutGuest(request: WorkloadRequest, spec: GuestLayoutSpec): GuestLayout {
  const baseGfn = spec.baseGfn ?? topOfMemory(request.machine, spec);
  if (spec.hugeEntries === true && (baseGfn % HUGE_ENTRY_PAGES !== 0 || spec.npages % HUGE_ENTRY_PAGES !== 0)) {
    throw hugeEntriesUnaligned(spec.workload, baseGfn, spec.npages);
  }
  return new GuestBuilder(request, spec, baseGfn).build();
}

/** What all guest pages of a mode and host pages are multiples of, in frames. */
export function guestUnitFrames({ pageFrames }: GuestMode): number {
  return Math.max(1, pageFrames);
}

/** The memslot of the first test memory, the one with the guest's own pages, and the pages they are made of. */
export function slotsOf({ vm }: GuestLayout, machine: Machine): SlotPages {
  const [systemSlot, slot] = vm.memslots;
  return { slot, systemSlot, pageBytes: machine.pageSizeBytes, backingFrames: backingFrames(machine, slot.backing) };
}

/** See `slotsOf`. */
export interface SlotPages {
  readonly slot: MemslotSpec;
  readonly systemSlot: MemslotSpec;
  /** Bytes of a page of the host. */
  readonly pageBytes: number;
  /** Frames of one page of the backing. */
  readonly backingFrames: number;
}

/** The highest aligned place that leaves the last guest page free; with a nested guest one that its tables of four levels reach. */
function topOfMemory(machine: Machine, { mode, npages, backing, alignFrames = 1, nested }: GuestLayoutSpec): Gfn {
  const end = Math.min(machine.maxGfn(mode.physBits) + 1, nested === undefined ? Infinity : NESTED_END);
  const guestPages = Math.floor(end / mode.pageFrames);
  const highest = (guestPages - 1) * mode.pageFrames - npages;
  const align = Math.max(backingFrames(machine, backing), mode.pageFrames, alignFrames);
  return Math.floor(highest / align) * align;
}

/** Allocates everything in the library's order. */
class GuestBuilder {
  private readonly arch: GuestDefinition;
  private readonly image: GuestImage;
  private readonly frames: SlotZeroFrames;
  private readonly tables: GuestTableBuilder;
  private readonly stackPages: number;
  /** Pages of the vCPUs' hypervisors, one vCPU's behind the other's; and the address from which on pages are free. */
  private readonly hypervisors: Vfn[] = [];
  private freeVfn: Vfn;

  constructor(
    private readonly request: WorkloadRequest,
    private readonly spec: GuestLayoutSpec,
    private readonly baseGfn: Gfn,
  ) {
    this.arch = request.guest();
    this.image = imageOf(this.arch, spec.program);
    this.frames = new SlotZeroFrames(request.machine.pageSizeBytes);
    this.tables = new GuestTableBuilder('guest', spec.mode.levels, this.frames.takeTables(this.arch.rootPages), count =>
      this.frames.takeTables(count),
    );
    this.stackPages = request.machine.pageSizeBytes === IMAGE_PAGE_BYTES ? STACK_PAGES : 1;
    this.freeVfn = this.arch.systemFirst + this.arch.systemPages;
  }

  build(): GuestLayout {
    const { spec, frames } = this;
    const slotZero = this.slotZeroPages();
    this.mapImage();
    const storesAboveSlotZero = this.arch.syncsByStore && spec.isNewer;
    const early = storesAboveSlotZero ? this.mapSyncPage(this.arch.systemFirst, slotZero) : undefined;
    this.mapStacks();
    this.mapTestMemory();
    const nested = this.mapHypervisors();
    const syncPage = early ?? (this.arch.syncsByStore ? this.mapSyncPage(Number(this.syncGfn()), this.syncGfn()) : undefined);
    const extraTables = frames.takeTables(spec.extraTables ?? 0);
    if (spec.tableWindow !== undefined) this.map(spec.tableWindow, frames.firstTable, frames.end - frames.firstTable, { executable: false });
    this.checkRoom(Math.max(slotZero, frames.end));
    const memslots = this.memslots(Math.max(slotZero, frames.end));
    return this.layout(memslots, extraTables, syncPage, nested);
  }

  private layout(memslots: readonly MemslotSpec[], extraTables: Gfn, syncPage: Vfn | undefined, nested: GuestTables | undefined): GuestLayout {
    const { spec, image } = this;
    const toHost = syncPage === undefined ? [] : [writePage(syncPage)];
    const stackVfn = (vcpu: number): Vfn => this.stackVfn(vcpu);
    const page = (imagePage: Vfn): Vfn => this.framesOf(imagePage);
    const read = [...image.globals, ...(spec.isNewer && spec.program === 'perf' ? image.arguments : [])];
    const beginning = (vcpu: number): VcpuStep[] => [
      fetchPage(page(image.entryCode)),
      writePage(stackVfn(vcpu)),
      ...read.map(at => readPage(page(at))),
    ];
    const sync = [fetchPage(page(image.syncCode)), ...image.syncGlobals.map(at => readPage(page(at))), ...toHost];
    return {
      vm: {
        vcpus: spec.vcpus,
        physBits: spec.mode.physBits,
        memslots,
        spaces: [this.tables.build()],
        cpu: { wp: false, smep: false, smap: false, efernx: true, pge: false, pcide: false },
        ...(nested === undefined ? {} : { nested }),
      },
      image,
      baseVfn: this.testVfn(),
      baseGfn: this.baseGfn,
      npages: spec.npages,
      testSlots: memslots.slice(1).map(slot => slot.id),
      pagesPerSlot: spec.npages / (spec.slots ?? 1),
      extraTables,
      tableVfn: gfn => (spec.tableWindow ?? 0) + (gfn - this.frames.firstTable),
      hypervisorVfn: (vcpu, page) => this.hypervisors[vcpu * (spec.nested?.pages ?? 0) + page] ?? 0,
      stackVfn,
      start: (vcpu, pass) => [...beginning(vcpu), ...pass, ...sync],
      again: pass => [...pass, ...toHost],
      notes: this.notes(),
    };
  }

  private mapImage(): void {
    for (const { first, last } of this.image.segments) {
      const [vfn, end] = [this.framesOf(first), this.framesOf(last)];
      this.map(vfn, this.frames.takePresent(end - vfn + 1), end - vfn + 1);
    }
  }

  /** Stacks of all vCPUs; the descriptor tables come with the first vCPU. */
  private mapStacks(): void {
    for (let vcpu = 0; vcpu < this.spec.vcpus; vcpu++) {
      this.map(this.stackVfn(vcpu) - this.stackPages + 1, this.frames.takeAbsent(this.stackPages), this.stackPages);
      if (vcpu > 0) continue;
      const { systemFirst, systemPages } = this.arch;
      if (systemPages > 0) this.map(systemFirst, this.frames.takePresent(systemPages), systemPages);
    }
  }

  /** Pages of each vCPU's hypervisor at the first free addresses, and behind those of vCPU 0 the tables that all of them share. */
  private mapHypervisors(): GuestTables | undefined {
    const { nested, vcpus } = this.spec;
    if (nested === undefined) return undefined;
    let tables: GuestTables | undefined;
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      for (let page = 0; page < nested.pages; page++) this.hypervisors.push(this.mapFreePage().vfn);
      tables ??= nestedTables(nested, this.baseGfn, this.spec.npages, {
        topTable: () => (nested.system === 'vmx' ? this.mapFreePage().gfn : this.frames.takeTables(1)),
        tables: count => this.frames.takeTables(count),
      });
    }
    return tables;
  }

  /** A page at the first free address behind the descriptor tables. */
  private mapFreePage(): { readonly vfn: Vfn; readonly gfn: Gfn } {
    const used = [...this.image.segments.map(({ first, last }) => ({ first: this.framesOf(first), last: this.framesOf(last) })), this.stacks()];
    for (const { first, last } of used) if (this.freeVfn >= first && this.freeVfn <= last) this.freeVfn = last + 1;
    const [vfn, gfn] = [this.freeVfn++, this.frames.takePresent(1)];
    this.map(vfn, gfn, 1);
    return { vfn, gfn };
  }

  /** Addresses of all stacks. */
  private stacks(): { readonly first: Vfn; readonly last: Vfn } {
    return { first: this.stackVfn(0) - this.stackPages + 1, last: this.stackVfn(this.spec.vcpus - 1) };
  }

  private mapTestMemory(): void {
    const { npages, readOnly, hugeEntries } = this.spec;
    const level = hugeEntries === true ? 2 : 1;
    const borders = readOnly === undefined ? [0, npages] : [0, readOnly.first, readOnly.first + readOnly.npages, npages];
    for (let piece = 0; piece + 1 < borders.length; piece++) {
      const [first, end] = [borders[piece] ?? 0, borders[piece + 1] ?? 0];
      if (first < end) this.map(this.testVfn() + first, this.baseGfn + first, end - first, { level, writable: piece !== 1 });
    }
  }

  private mapSyncPage(vfn: Vfn, gfn: Gfn): Vfn {
    this.map(vfn, gfn, Math.max(1, this.spec.mode.pageFrames));
    return vfn;
  }

  /** Up to 6.1 the tests look for an unbacked page at five eighths of the smaller of the two address spaces. */
  private syncGfn(): Gfn {
    const { physBits, virtBits } = this.spec.mode;
    return (2 ** Math.min(physBits, virtBits - 1) * 5) / 8 / this.request.machine.pageSizeBytes;
  }

  private map(vfn: Vfn, gfn: Gfn, npages: number, rights: Partial<GuestRun> = {}): void {
    const accessed = this.spec.usedEntries === true || this.arch.accessed;
    this.tables.map({ vfn, gfn, npages, level: 1, writable: true, user: false, executable: true, accessed, dirty: accessed, ...rights });
  }

  private memslots(slotZeroSize: number): MemslotSpec[] {
    const { backing, npages, populated, slots = 1, firstSlot = 1 } = this.spec;
    const alignment = Math.max(pagesAtLevel(this.request.machine, 2), backingFrames(this.request.machine, backing));
    const align = (frame: number): number => Math.ceil(frame / alignment) * alignment;
    let hvf = align(HOST_BASE_BYTES / this.request.machine.pageSizeBytes);
    const small = this.request.backing('anonymous');
    const memslots = [memslot(0, 0, slotZeroSize, hvf, small, this.frames.populated)];
    let before = slotZeroSize;
    for (let index = 0; index < slots; index++) {
      hvf = align(hvf + before);
      before = npages / slots;
      const gfn = this.baseGfn + index * before;
      memslots.push(memslot(firstSlot + index, gfn, before, hvf, backing, populated === true ? [{ gfn, npages: before }] : []));
    }
    return memslots;
  }

  private slotZeroPages(): number {
    const { vcpus, npages, nested } = this.spec;
    const extraPages = npages + (nested?.reservedPages ?? 0);
    return slotZeroPages({ stackPages: vcpus * this.stackPages, extraPages, entriesPerTable: this.request.machine.pageSizeBytes / 8 });
  }

  private checkRoom(slotZeroSize: number): void {
    const { workload, npages, mode } = this.spec;
    if (this.baseGfn < slotZeroSize) {
      throw noRoom(
        workload,
        mode.physBits,
        `test memory would begin at gfn 0x${this.baseGfn.toString(16)}, inside memslot 0 of ${slotZeroSize} pages`,
      );
    }
    const maxGfn = this.request.machine.maxGfn(mode.physBits);
    if (this.baseGfn + npages - 1 > maxGfn) {
      throw noRoom(workload, mode.physBits, `test memory would end behind the last frame, 0x${maxGfn.toString(16)}`);
    }
  }

  private notes(): string[] {
    const { mode, isNewer, program } = this.spec;
    const notes: string[] = [];
    if (mode.pageSizeBytes !== IMAGE_PAGE_BYTES) {
      notes.push(
        `The tables of a guest with ${mode.pageSizeBytes / 1024} KiB pages are laid out as if they had 512 entries: faults on them are approximate.`,
      );
    }
    if (program === 'perf' && isNewer && !this.arch.syncsByStore) notes.push(UNMEASURED_NOTE);
    return notes;
  }

  private testVfn(): Vfn {
    return this.spec.baseVfn ?? TEST_MEMORY_BYTES / this.request.machine.pageSizeBytes;
  }

  private stackVfn(vcpu: number): Vfn {
    return this.framesOf(this.arch.stackFirst) + (vcpu + 1) * this.stackPages - 1;
  }

  /** The frame of a page of guest-image.ts. */
  private framesOf(imagePage: Vfn): Vfn {
    return Math.floor((imagePage * IMAGE_PAGE_BYTES) / this.request.machine.pageSizeBytes);
  }
}

function memslot(id: number, baseGfn: Gfn, npages: number, hvf: number, backing: HostBacking, populated: readonly PopulatedRun[]): MemslotSpec {
  return { id, baseGfn, npages, hvf, backing, readonly: false, populated };
}
