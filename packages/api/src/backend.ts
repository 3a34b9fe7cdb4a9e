/**
 * The contract between a second-stage MMU and the runner.
 *
 * The runner drives a backend through guest accesses, register writes and host operations; the backend keeps page tables and counts. A backend
 * runs an access in one of two ways which must agree: whole runs (`run`), or one access cut into stages (`begin`, `advance`) so that
 * several vCPUs' faults interleave in virtual time.
 */
import type { AccessKind, AccessRun } from './access';
import type { AccessBatch } from './access-batch';
import type { EventDef } from './events';
import type { FaultMemory } from './fault-memory';
import type { GuestTableWrites } from './guest-table-writes';
import type { BackendInspection } from './inspection';
import type { KernelSwitch } from './kernel-releases';
import type { KernelProfile, OptionSpec, OptionValues } from './options';
import type { ReplayPort } from './observer';
import type { ExportDef } from './trace-export';
import type { Gfn, Level, Vfn } from './units';
import type { HostAnswer, OperationDef, RegisterDef } from './operations';
import type { Machine } from './machine';
import type { ControlWrite, HostOp, VmLayout } from './workload';

/** One stage of a fault, as the interleaving scheduler sees it. */
export interface StageDef {
  readonly name: string;
  /** Nominal duration; only its ratio to other stages matters for the order of events. */
  readonly nominalNs: number;
  /** Lock held while the stage runs: `write` excludes all others, `read` excludes writers. */
  readonly lock: 'none' | 'read' | 'write';
}

/** What `begin` and `advance` answer when the access is complete; other answers are indices into `stages`. */
export const ACCESS_DONE = -1;

/** What a gfn translates to at the moment: for tests, dumps and teaching. */
export interface Translation {
  readonly level: Level;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly accessed: boolean;
  readonly dirty: boolean;
  /** The descriptor as the architecture writes it, in hexadecimal. */
  readonly descriptor: string;
}

/** How much memory the tables of the simulated machine would take. */
export interface BackendMemory {
  /** Bytes of page tables a real machine would hold now. */
  readonly tableBytesReal: number;
}

/** A stretch of accesses that all vCPUs make, each in the same order: access i goes to frame `vfn + i * stride`. */
export interface SharedPart {
  readonly vfn: Vfn;
  readonly count: number;
  readonly stride: number;
  /** Kind of the accesses, by vCPU. */
  readonly kinds: readonly AccessKind[];
}

/**
 * Accesses of several vCPUs to the same memory, in rounds. Within a round the vCPUs interleave in virtual time; at its end they wait for each other. Equal rounds on equal
 * tables do the same, so that a backend may perform one and repeat what it did.
 */
export interface SharedRounds {
  /** In ascending order, not overlapping. */
  readonly parts: readonly SharedPart[];
  /** Performs the accesses of all vCPUs to frames [from, to), interleaved, through `begin` and `advance`. */
  simulate(from: Vfn, to: Vfn): void;
  /** Starts recording what is counted for vCPUs and memslots, whoever counts it; recordings nest. What the host counts for no memslot is left out. */
  open(): void;
  /** Ends the innermost recording. @returns what it recorded; the surrounding one contains it too */
  close(): unknown;
  /** Counts once more what a recording holds. */
  replay(recording: unknown): void;
}

/** Faults that go round because another vCPU is in the way: what a scheduler must know to leave their turns out. */
export interface FaultWaits {
  /** Changes whenever something does that a fault may wait for. */
  readonly version: number;
  /**
   * Whether the vCPU's fault, which has just begun again, waits for another vCPU: while `version` stands still each further turn takes the stages of the last one, counts what
   * that counted, all of it in the vector selected now, and changes nothing.
   */
  isWaiting(vcpu: number): boolean;
  /** Turns have been left out; the vCPU is in this stage of one. */
  resumeAt(vcpu: number, stage: number): void;
}

/** One VM's second-stage MMU. */
export const MmuBackend = Symbol.for('mmulab.MmuBackend');
export interface MmuBackend {
  /** Stages of `begin` and `advance`, by index. */
  readonly stages: readonly StageDef[];
  /** Creates the VM. Called once, before anything else. */
  create(vm: VmLayout): void;
  /** A vCPU enters the guest: pending requests are served, a root is loaded when there is none. Selects the vCPU's counters. */
  enter(vcpu: number): void;
  /**
   * A vCPU has left the guest: its program is over, or it goes to user space between two steps of it. From here to the next `enter` nobody has to interrupt it.
   * Absent: leaving counts nothing.
   */
  leave?(vcpu: number): void;
  /** The vCPU, inside the guest, performs a run of accesses in its current address space. Faults are handled on the way. */
  run(vcpu: number, run: AccessRun): void;
  /** One access, all its faults included. Same counts as a run of one. */
  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void;
  /** Optional: performs the accesses of a batch, in order, each as `touch` does. For accesses out of the blue over a large machine. */
  touchAll?(batch: AccessBatch): void;
  /** Starts one access that may interleave with those of other vCPUs. @returns the stage to run next, or `ACCESS_DONE`. */
  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number;
  /** Runs the vCPU's pending stage. @returns the next stage, or `ACCESS_DONE`. */
  advance(vcpu: number): number;
  /**
   * Optional: how many accesses from here on, `stride` frames apart, hit without any effect while `losses` stands still. A scheduler passes them over.
   * At most `count`; 0 where the first may not, or where it is not known. Counts nothing.
   */
  hitsAhead?(vcpu: number, vfn: Vfn, kind: AccessKind, stride: number, count: number): number;
  /** Counts up whenever an access that would have hit without effect may not do so any more: an entry is gone or has lost a right. Goes with `hitsAhead`. */
  readonly losses?: number;
  /** Optional, after `create`: tells of faults that go round. */
  faultWaits?(): FaultWaits;
  /**
   * Optional, after `create`: answers from memory what stages do, so that a scheduler may look ahead. Only of use where no stage takes its lock for writing. Undefined: there is
   * nothing to be had of it in this run.
   */
  faultMemory?(): FaultMemory | undefined;
  /** Optional: performs shared accesses in rounds of its own choosing. Asked only where there are so many that one by one would take long. */
  runShared?(rounds: SharedRounds): void;
  /** The guest writes a control register (or the like): one that the definition declares. */
  control(vcpu: number, write: ControlWrite): void;
  /** The vCPU, inside the guest, writes entries of its guest's page tables, one access each. Goes with the operation `guest_table_writes`. */
  writeTables?(vcpu: number, writes: GuestTableWrites): void;
  /**
   * A host operation. Selects the host's counters.
   * @param answer takes what user space would see of it; nothing is gathered without one
   */
  host(op: HostOp, answer?: HostAnswer): void;
  /** What a frame translates to now, or undefined when nothing is mapped. Counts nothing. */
  translate(gfn: Gfn): Translation | undefined;
  memory(): BackendMemory;
  /** What a reader of the result should know of this run, one sentence each. Asked once, when the run is over. Absent: nothing. */
  notes?(): readonly string[];
  /**
   * Everything the outcome of the guest's next steps depends on, as a key: with an equal key the same steps count the same and lead to equal keys. A runner
   * uses it to find that a loop has become steady, and not to run it to its end. Absent, or undefined: not cheap to tell now.
   */
  stateKey?(): string | undefined;
  /** The face through which a trace of a real kernel drives it, after `create`. Absent: traces cannot. */
  replayPort?(): ReplayPort;
  /** Its tables, to be looked at, after `create`. Absent: `translate` is all there is to see. */
  inspection?(): BackendInspection;
}

/** What a backend says of itself. */
export interface BackendDefinition {
  readonly name: string;
  readonly arch: string;
  /** What it models, for example `Linux arch/x86/kvm/mmu/tdp_mmu.c`. */
  readonly models: string;
  /** In order of release; the last one is the default. */
  readonly profiles: readonly KernelProfile[];
  /** In which release each option changed (kernel-releases.ts). Absent: nothing is known between the profiles. */
  readonly switches?: readonly KernelSwitch[];
  /** Policy switches and module parameters. */
  readonly options: readonly OptionSpec[];
  /** Facts about the host machine. */
  readonly hostOptions: readonly OptionSpec[];
  readonly events: readonly EventDef[];
  /** Registers whose writes concern it, and the values they take. Absent: none. A workload that writes another one is refused before it runs. */
  readonly registers?: readonly RegisterDef[];
  /** Host operations it has beyond `COMMON_OPERATIONS`: `nx_recovery`, `zap_all`, `nested` (L1 may run guests of its own), or its own. Absent: none. */
  readonly operations?: readonly OperationDef[];
  /** Whether results carry counters per memslot (`phases[].slots`). Absent: known once a run has ended. */
  readonly countsMemslots?: boolean;
  /** Traces it can write of a run (`TraceExport`). Absent: none. */
  readonly exports?: readonly ExportDef[];
  /**
   * Checks combinations no single option can: throws a typed error.
   * Called with complete values, before the machine is asked for.
   */
  check(options: OptionValues, host: OptionValues): void;
  machine(host: OptionValues): Machine;
}

/** Resolved values of the backend's options (profile, then overrides). Injected. */
export const BackendOptions = Symbol.for('mmulab.BackendOptions');
/** Resolved values of the backend's host options. Injected. */
export const HostOptions = Symbol.for('mmulab.HostOptions');
/** The run's counters. Injected; see events.ts. */
export const CountersToken = Symbol.for('mmulab.Counters');
