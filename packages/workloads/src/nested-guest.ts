/**
 * Guests that run guests of their own: what L1's hypervisor needs of memory, its second-stage tables, and what it touches before it enters L2.
 *
 * A vCPU's hypervisor has a few pages of its own; the second-stage tables, identity entries of 1 GiB, are shared by all. L2 runs on L1's CR3. It reaches the host
 * without leaving L2, so that L1 runs once, before the first pass.
 *
 * Models: Linux 6.1 and 6.12 tools/testing/selftests/kvm: lib/x86_64/vmx.c vcpu_alloc_vmx(), prepare_for_vmx_operation(), load_vmcs(),
 * nested_identity_map_1g(); svm.c vcpu_alloc_svm(); memstress.c memstress_setup_nested().
 */
import type { Gfn, GuestImage, GuestTables, Machine, VcpuProgram, Vfn } from '@mmulab/api';
import { nestedMissing, notOnArch } from './errors';
import { GuestTableBuilder, type TableAllocator } from './guest-tables';
import { fetchPage, readPage, writePage } from './steps';

/** A stretch of guest memory that L1 maps for its guest, frame by frame to itself. */
export interface MappedStretch {
  readonly gfn: Gfn;
  readonly npages: number;
}

/** What laying out a VM has to know of guests in the guest. */
export interface NestedSpec {
  readonly system: 'svm' | 'vmx';
  /** Pages of a vCPU's hypervisor. */
  readonly pages: number;
  /** Pages the test asks for beyond its own when it sizes memslot 0. */
  readonly reservedPages: number;
  /** What second-stage tables map, by where test memory lies. In ascending order. */
  maps(baseGfn: Gfn, npages: number): readonly MappedStretch[];
}

/** Levels of L1's second-stage tables, and of the entries in them: 1 GiB. */
const LEVELS = 4;
const ENTRY_LEVEL = 3;
/** Frames an entry maps. */
const ENTRY_FRAMES = 512 ** 2;
/** What memstress maps beside its memory: 4 GiB. */
const LOW_FRAMES = 4 * ENTRY_FRAMES;
/** Pages memstress asks for: tables of 256 TiB in 1 GiB entries, and structures per vCPU. */
const RESERVED_TABLES = 513;
const RESERVED_PER_VCPU = 10;
/** A page of globals that L1 writes on SVM: the registers of its guest. */
const SVM_GLOBALS = 0x508;

/** Pages of a hypervisor. SVM: its data, VMCB, save area, MSR map. VMX: its data, VMXON region, VMCS, MSR map, shadow VMCS, bitmaps for reads and writes of it. */
const HYPERVISOR_PAGES = { svm: 4, vmx: 7 } as const;
/** Up to 6.1 two more on VMX: the VP assist page and the enlightened VMCS of Hyper-V. */
const HYPERV_PAGES = 2;
/** Those that L1 writes before it enters; it reads the first. VMX: the regions' revision numbers. */
const WRITTEN_PAGES = { svm: [1], vmx: [1, 2, 4] } as const;

/** Second-stage tables over 512 GiB for one vCPU on SVM, as nested_rounds was measured. */
export const NESTED_ROUNDS: NestedSpec = {
  system: 'svm',
  pages: HYPERVISOR_PAGES.svm,
  reservedPages: 0,
  maps: () => [{ gfn: 0, npages: ENTRY_FRAMES * 512 }],
};

/**
 * Nested guests of the tests for memory stress.
 * @param isNewer the test of 6.2 or later
 * @throws MmulabError WORKLOAD_NOT_ON_ARCH where guests have no guests, WORKLOAD_NEEDS where the backend has none
 */
export function memstressNested(workload: string, { arch, nesting }: Machine, vcpus: number, isNewer: boolean): NestedSpec {
  if (nesting === undefined && arch === 'x86') throw nestedMissing(`${workload} -n`);
  if (nesting === undefined) throw notOnArch(`${workload} -n`, arch, 'x86');
  return {
    system: nesting,
    pages: HYPERVISOR_PAGES[nesting] + (nesting === 'vmx' && !isNewer ? HYPERV_PAGES : 0),
    reservedPages: RESERVED_TABLES + RESERVED_PER_VCPU * vcpus,
    maps: lowAndTested,
  };
}

/** The first 4 GiB, and the whole GiBs that test memory lies in. */
function lowAndTested(baseGfn: Gfn, npages: number): readonly MappedStretch[] {
  const first = Math.floor(baseGfn / ENTRY_FRAMES) * ENTRY_FRAMES;
  const end = Math.ceil((baseGfn + npages) / ENTRY_FRAMES) * ENTRY_FRAMES;
  if (first <= LOW_FRAMES) return [{ gfn: 0, npages: Math.max(LOW_FRAMES, end) }];
  return [
    { gfn: 0, npages: LOW_FRAMES },
    { gfn: first, npages: end - first },
  ];
}

/** Where second-stage tables come from. */
export interface NestedFrames {
  topTable(): Gfn;
  readonly tables: TableAllocator;
}

/** L1's second-stage tables. */
export function nestedTables(spec: NestedSpec, baseGfn: Gfn, npages: number, frames: NestedFrames): GuestTables {
  const builder = new GuestTableBuilder(spec.system === 'svm' ? 'npt12' : 'ept12', LEVELS, frames.topTable(), frames.tables);
  const rights = { writable: true, user: true, executable: true, accessed: true, dirty: true };
  for (const stretch of spec.maps(baseGfn, npages)) builder.map({ vfn: Number(stretch.gfn), ...stretch, level: ENTRY_LEVEL, ...rights });
  return builder.build();
}

/** Where L1 finds what it touches. */
export interface HypervisorPlaces {
  readonly image: GuestImage;
  stackVfn(vcpu: number): Vfn;
  hypervisorVfn(vcpu: number, page: number): Vfn;
}

/** A vCPU's L1: it sets its hypervisor up and enters L2. */
export function enterNested(layout: HypervisorPlaces, vcpu: number, { system }: NestedSpec): VcpuProgram {
  const { image } = layout;
  const page = (number: number): Vfn => layout.hypervisorVfn(vcpu, number);
  return [
    fetchPage(image.entryCode),
    writePage(layout.stackVfn(vcpu)),
    fetchPage(image.syncCode),
    readPage(page(0)),
    ...WRITTEN_PAGES[system].map(number => writePage(page(number))),
    ...(system === 'svm' ? [writePage(SVM_GLOBALS)] : []),
    ...image.globals.map(readPage),
    { op: 'control', write: { register: 'nested', value: 'vmrun' } },
  ];
}
