/**
 * What an onlooker hears of a run as it goes: phases, what the host does, what each vCPU does and waits for, in virtual time.
 *
 * All times are picoseconds of virtual time since the run began. For each vCPU, and for the host, they never go back. Entries of page tables are another onlooker's
 * business (`TransitionObserver`); both may watch the same run.
 */
import type { AccessKind } from './access';
import type { Vfn } from './units';

/** Number that stands for the host where a vCPU's could be. */
export const TIMELINE_HOST = -1;

/** What there is to be seen in a run. */
export interface TimelineSetup {
  /** `dirty_log_perf_test`, or the name in the config. */
  readonly name: string;
  readonly vcpus: number;
  /** Names of the stages of a fault, by index. */
  readonly stages: readonly string[];
  /** Names of the levels that `levels` tells of. */
  readonly levels: readonly string[];
}

/** An onlooker. Every begin is followed by its end, inner ones first. */
export interface RunTimeline {
  /** Called once, before anything else. */
  begin(setup: TimelineSetup): void;
  phaseBegins(name: string, timePs: number): void;
  phaseEnds(timePs: number): void;
  /** The host begins an operation, such as `get_dirty_log`. */
  hostBegins(operation: string, timePs: number): void;
  hostEnds(timePs: number): void;
  /** A vCPU begins its program of this step. */
  guestBegins(vcpu: number, timePs: number): void;
  guestEnds(vcpu: number, timePs: number): void;
  /** A vCPU enters the guest, or writes a register, for so long. */
  acts(vcpu: number, what: string, fromPs: number, toPs: number): void;
  faultBegins(vcpu: number, timePs: number, vfn: Vfn, kind: AccessKind): void;
  /** The vCPU has waited for mmu_lock in between. */
  waited(vcpu: number, fromPs: number, toPs: number): void;
  stageBegins(vcpu: number, stage: number, timePs: number): void;
  stageEnds(vcpu: number, timePs: number): void;
  faultEnds(vcpu: number, timePs: number): void;
  /** A vCPU, or the host, asks for the TLBs of all vCPUs to be flushed, within the stage or operation it is in. */
  flushAsked(actor: number, timePs: number): void;
  /** A vCPU serves what was asked of it so far. */
  flushServed(vcpu: number, timePs: number): void;
  /** How high levels stand: mapped pages by size, tables. In the order of the setup. */
  levels(values: readonly number[], timePs: number): void;
  /** The run is over. */
  end(timePs: number): void;
}
