/**
 * Workloads: who touches which frames in which phase.
 *
 * A workload lays out a VM (memslots, guest page tables) and lists phases. A phase is a list of steps: guest steps, in which every vCPU
 * enters the guest and runs a program, and host steps. Programs are data, so that the runner may run them whole, interleave
 * them, or replay them.
 */
import type { AccessRun, GuestTables, RandomRun } from './access';
import type { PhaseCheck } from './check';
import type { DirtyRingSpec } from './dirty-ring';
import type { GuestDefinition } from './guest';
import type { GuestTableWrites } from './guest-table-writes';
import type { Machine } from './machine';
import type { HostBacking, MemslotSpec } from './memslot';
import type { OptionSpec, OptionValues } from './options';
import type { Gfn, Vfn } from './units';

/** A guest write to a register that concerns the MMU. `toggle` flips the bit's present value. */
export type ControlWrite =
  | { readonly register: 'cr0'; readonly bit: 'wp' | 'pg' | 'pe' | 'ts' | 'cd' | 'am'; readonly value: 0 | 1 | 'toggle' }
  | { readonly register: 'cr4'; readonly bit: 'pge' | 'pse' | 'pae' | 'smep' | 'smap' | 'pke' | 'la57' | 'pcide'; readonly value: 0 | 1 | 'toggle' }
  | { readonly register: 'efer'; readonly bit: 'nx' | 'lme'; readonly value: 0 | 1 | 'toggle' }
  /** Switch to address space number `space` of the VM; `noFlush` is bit 63 with PCIDE. */
  | { readonly register: 'cr3'; readonly space: number; readonly pcid?: number; readonly noFlush?: boolean }
  | { readonly register: 'invlpg'; readonly vfn: Vfn }
  | { readonly register: 'invpcid'; readonly type: 'address' | 'context' | 'all' | 'all-non-global'; readonly pcid?: number; readonly vfn?: Vfn }
  /** L1 invalidates what it told its nested guests of memory (VMX): of the tables in use, or of all. */
  | { readonly register: 'invept'; readonly type: 'context' | 'global' }
  | { readonly register: 'smm'; readonly value: 0 | 1 }
  /** L1 enters (`vmrun`) or leaves (`vmexit`) its nested guest. */
  | { readonly register: 'nested'; readonly value: 'vmrun' | 'vmexit' }
  | OwnControlWrite;

/** A write to a register of one architecture alone, `riscv.vsatp`: its backend declares it (`BackendDefinition.registers`). */
export interface OwnControlWrite {
  readonly register: `${string}.${string}`;
  readonly value?: string | number;
  readonly space?: number;
  readonly vfn?: Vfn;
}

/** One step of a vCPU's program. */
export type VcpuStep =
  | { readonly op: 'access'; readonly run: AccessRun }
  | { readonly op: 'random'; readonly run: RandomRun }
  | { readonly op: 'control'; readonly write: ControlWrite }
  /** The guest writes entries of its own page tables: an operation that backends declare as `guest_table_writes`. */
  | { readonly op: 'table'; readonly writes: GuestTableWrites }
  /** Exit to user space and enter again (port I/O of the tests): pending requests are served at the new entry. */
  | { readonly op: 'exit' }
  /**
   * The steps `times` times over; each time all runs in them lie `shift` frames further on (0 without it), and so do frames that register writes name. Writes to
   * tables lie as many entries further on, and store what further writes of one step would.
   */
  | { readonly op: 'repeat'; readonly times: number; readonly shift?: number; readonly steps: readonly VcpuStep[] };

/** What one vCPU does in one guest step, in order. The vCPU enters the guest first, even when the program is empty. */
export type VcpuProgram = readonly VcpuStep[];

/**
 * Pages of a memslot, counted from its beginning: `npages` of them from `firstPage` on; all that follow, or the whole slot, where they are left out. With a
 * `stride` the operation is one call per page, for every `stride`-th page of the range, as a balloon does; without, one call over the range.
 */
export interface PageRange {
  readonly firstPage?: number;
  readonly npages?: number;
  readonly stride?: number;
}

/** What madvise(2) is told of guest memory beyond MADV_DONTNEED (`unmap`). */
export type MemoryAdvice = 'free' | 'cold' | 'collapse' | 'hugepage' | 'nohugepage';

/** Something the host does to the VM. Whatever names pages is a `PageRange` of its memslot. */
export type HostOp =
  /** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  | { readonly op: 'manual_protect'; readonly initiallySet: boolean }
  | { readonly op: 'set_dirty_log'; readonly slot: number; readonly on: boolean }
  | { readonly op: 'get_dirty_log'; readonly slot: number }
  /** Clears what the bitmap last read says, within the range. Here a stride is the length of the pieces: one call per `stride` pages, which clears them all. */
  | ({ readonly op: 'clear_dirty_log'; readonly slot: number } & PageRange)
  /** KVM itself writes pages, for no vCPU (arm64: KVM_DEV_ARM_ITS_SAVE_TABLES): under dirty logging they are in the bitmap, also beside rings. */
  | ({ readonly op: 'kvm_write'; readonly slot: number } & PageRange)
  /** User space takes what dirty rings hold: those of all vCPUs, or one's. The entries stay in the rings until a reset. */
  | { readonly op: 'collect_dirty_rings'; readonly vcpu?: number }
  /** KVM_RESET_DIRTY_RINGS: entries that were collected leave the rings, and their pages are protected again. */
  | { readonly op: 'reset_dirty_rings' }
  /** MMU notifier: the host takes the pages away (MADV_DONTNEED); they are untouched afterwards. `remap`: something new is mapped over them (mmap with MAP_FIXED). */
  | ({ readonly op: 'unmap'; readonly slot: number; readonly remap?: boolean } & PageRange)
  /**
   * MMU notifier: aging. `pageByPage` calls it once per 4 KiB page (page_idle); `flush` is clear_flush_young instead of clear_young, `test` test_young, which
   * changes nothing.
   */
  | ({
      readonly op: 'age';
      readonly slot: number;
      readonly pageByPage: boolean;
      readonly flush: boolean;
      readonly test?: boolean;
    } & PageRange)
  /** mprotect of the host's memory: PROT_READ, or with `writable` PROT_READ | PROT_WRITE again. */
  | ({ readonly op: 'protect'; readonly slot: number; readonly writable: boolean } & PageRange)
  /** madvise of the host's memory, MADV_DONTNEED aside. */
  | ({ readonly op: 'madvise'; readonly slot: number; readonly advice: MemoryAdvice } & PageRange)
  /** The host itself reads the pages, or writes them: what it does not have yet comes, and what is shared is copied. */
  | ({ readonly op: 'host_access'; readonly slot: number; readonly write: boolean } & PageRange)
  /** fork of the process that owns guest memory: private pages are shared with a child that lives on, or that is gone at once. */
  | { readonly op: 'fork'; readonly child: 'lives' | 'gone' }
  /** The children of `fork` that live on end. */
  | { readonly op: 'child_exit' }
  /** KVM_PRE_FAULT_MEMORY of one vCPU: the pages are mapped as reads would map them. */
  | ({ readonly op: 'pre_fault'; readonly slot: number; readonly vcpu?: number } & PageRange)
  /** The module parameter nx_huge_pages is written while VMs run. */
  | { readonly op: 'set_nx_huge_pages'; readonly on: boolean }
  /** One pass of the NX huge page recovery worker. */
  | { readonly op: 'nx_recovery' }
  /** Time passes with no guest running; periodic workers run as often as they are due. */
  | { readonly op: 'idle'; readonly ms: number }
  /** A memslot over memory of its own; with `memory: 'kept'` over that which the slot had that lay at `spec.hvf` before, pages and all. */
  | { readonly op: 'create_memslot'; readonly spec: MemslotSpec; readonly memory?: 'new' | 'kept' }
  /** The memslot goes; the host's memory behind it stays. */
  | { readonly op: 'delete_memslot'; readonly slot: number }
  /** The memslot lies at `baseGfn` from now on, over the same memory, with its dirty log. */
  | { readonly op: 'move_memslot'; readonly slot: number; readonly baseGfn: Gfn }
  /** KVM_MEM_READONLY, on or off. The kernel refuses to change it (EINVAL): the slot is deleted and created anew over the same memory, as user space does. */
  | { readonly op: 'set_memslot_flags'; readonly slot: number; readonly readonly: boolean }
  /** Everything that invalidates all roots at once: NX switch toggled, MMIO generation wrapped. */
  | { readonly op: 'zap_all' }
  | { readonly op: 'destroy_vm' }
  | OwnHostOp;

/** A host operation of one architecture alone, `riscv.name`: its backend declares it (`BackendDefinition.operations`). */
export interface OwnHostOp extends PageRange {
  readonly op: `${string}.${string}`;
  readonly slot?: number;
  readonly value?: string | number;
}

/** One step of a phase. */
export type PhaseStep =
  | {
      readonly kind: 'guest';
      /** One program per vCPU; an absent vCPU does not run. */
      readonly programs: readonly VcpuProgram[];
      /** True when vCPUs touch the same memory: their accesses are then ordered in virtual time, one by one. */
      readonly shared: boolean;
    }
  | { readonly kind: 'host'; readonly op: HostOp };

/** A named part of the workload with counters of its own. Steps without a guest part belong to the host. */
export interface WorkloadPhase {
  readonly name: string;
  readonly steps: readonly PhaseStep[];
  /** Names under which the tests or documents print the phase, for the selftest format. */
  readonly label?: string;
  /** What the test asserts once the phase is over. */
  readonly checks?: readonly PhaseCheck[];
}

/**
 * The phases of a plan, in order: an array, or something that makes each phase when it is asked for, so that a plan of 2^31 iterations is as small as one of
 * two. `LazyPhases` of the workloads is one.
 */
export interface PhaseList extends Iterable<WorkloadPhase> {
  readonly length: number;
  /** A phase by its place from 0, or from the end when negative; undefined where there is none. */
  at(index: number): WorkloadPhase | undefined;
  /** All phases, one thing made of each: for lists that are known to be short. */
  map<T>(make: (phase: WorkloadPhase, index: number) => T): T[];
  /** The first phase that satisfies a test; looks through all of them when none does. */
  find(isIt: (phase: WorkloadPhase) => boolean): WorkloadPhase | undefined;
}

/** The guest's control registers when it starts. */
export interface GuestCpuState {
  readonly wp: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly efernx: boolean;
  readonly pge: boolean;
  readonly pcide: boolean;
}

/** The VM a workload wants. */
export interface VmLayout {
  readonly vcpus: number;
  /** Guest physical address bits (x86 MAXPHYADDR as seen by the guest, arm64 IPA size). */
  readonly physBits: number;
  readonly memslots: readonly MemslotSpec[];
  /** Address spaces; every vCPU starts in number 0. */
  readonly spaces: readonly GuestTables[];
  readonly cpu: GuestCpuState;
  /** Dirty pages go to rings, one per vCPU. Absent: to bitmaps. */
  readonly dirtyRing?: DirtyRingSpec;
  /** Nested workloads: L1's own second-stage tables (NPT12), mapping L2 guest physical frames (as vfn) to L1 frames. */
  readonly nested?: GuestTables;
  /** Capabilities enabled before there is a vCPU, by the name of the operation that a backend declares (`disable_nx_huge_pages`). Absent: none. */
  readonly capabilities?: readonly string[];
}

/** A VM and what happens in it. */
export interface WorkloadPlan {
  readonly vm: VmLayout;
  /** Guest mode of the selftests, `P40V48_4K`; absent where the workload has none. */
  readonly guestMode?: string;
  readonly phases: PhaseList;
  /** Things a reader of the result should know (approximations taken), one sentence each. */
  readonly notes: readonly string[];
}

/** How a test uses the host memory it asks for. */
export interface BackingUse {
  /** A userfaultfd in missing mode watches it: a handler copies pages in one by one. */
  readonly userfaultfd?: 'missing';
}

/** What a workload is planned from. */
export interface WorkloadRequest {
  /** Validated values of the workload's options, all of them. */
  readonly options: OptionValues;
  readonly machine: Machine;
  /** The backing registered under a name, as used; throws a typed error for unknown names. */
  backing(name: string, use?: BackingUse): HostBacking;
  /** The guest of the machine's architecture: where its test programs lie, its modes and its tables. Throws a typed error where no plugin brings one. */
  guest(): GuestDefinition;
  /** Kernel release of the run, as results name it; absent where there is none. */
  readonly kernel?: string;
  /** Resolved options of the backend: module parameters that a test reads. Absent: none are known. */
  readonly settings?: OptionValues;
}

/** A workload the runner can run. */
export const Workload = Symbol.for('mmulab.Workload');
export interface Workload {
  plan(request: WorkloadRequest): WorkloadPlan;
}

/** What a workload says of itself. */
export interface WorkloadDefinition {
  readonly name: string;
  readonly doc: string;
  /** `vcpus` is among them for every workload. */
  readonly options: readonly OptionSpec[];
  /** Usage text of the test program, for `TEST -h`. */
  readonly usage: string;
  /** The flag of the test program that sets an option, `{ vcpus: '-v' }`: messages name it where a command line is wrong. Absent: none is known. */
  readonly flags?: Readonly<Record<string, string>>;
  /**
   * Reads a command line of the test program (without its name) into raw option values, to be validated like those of a config.
   * Throws a typed error that lists the known flags when one is unknown.
   */
  parseArguments(argv: readonly string[]): Readonly<Record<string, string | boolean>>;
  /**
   * The VMs that the test program runs one after the other: options and their values, one run for each combination. An option that a command line or a setting names is
   * left at what it says. Absent: one VM.
   * @param options validated values, all of them
   * @param on where it runs; `kernel` as results name it, absent where it varies from run to run
   */
  runsOf?(
    options: OptionValues,
    on: { readonly arch: string; readonly kernel?: string },
  ): Readonly<Record<string, readonly (string | number | boolean)[]>>;
}
